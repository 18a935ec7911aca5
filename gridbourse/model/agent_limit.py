"""Limit on what agents may promise of a connection (`contracts/registry/AgentLimits.sol`).

A participant sets for each direction how far its gateway or aggregator may raise what its connection
promises in a delivery period. Its own promises count towards the limit; its own orders are not bound by it.
"""


def is_within(promised_wh: int, before_wh: int, after_wh: int, limit_wh: int) -> bool:
    """True where an agent may replace `before_wh` by `after_wh`, in one direction.

    promised_wh: all that the connection promises in the period, `before_wh` included. A reduction always
    passes, whatever the limit has become since.
    """
    return after_wh <= before_wh or promised_wh - before_wh + after_wh <= limit_wh
