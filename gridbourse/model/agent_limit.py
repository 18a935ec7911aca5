"""How much of a connection agents may promise (`contracts/registry/AgentLimits.sol`).

A participant says for each direction how far its gateway or aggregator may bring what its connection
promises in a delivery period. What it promised itself counts; what it orders itself is not bound.
"""


def is_within(promised_wh: int, before_wh: int, after_wh: int, limit_wh: int) -> bool:
    """Whether an agent may put `after_wh` in the place of `before_wh`, in one direction.

    promised_wh: all that the connection promises in the period, `before_wh` among it. Less than before
    is never too much, whatever the limit has become meanwhile.
    """
    return after_wh <= before_wh or promised_wh - before_wh + after_wh <= limit_wh
