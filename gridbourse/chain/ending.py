"""Brings a delivered period to its end, by anyone and without any oracle."""

from eth_account.signers.local import LocalAccount

from gridbourse.chain.aggregator_auction import AggregatorAuction
from gridbourse.chain.contracts import CallAuction
from gridbourse.chain.deploy import AREA, Market
from gridbourse.chain.grid_oracle import VERDICTS

GROUPS_A_CALL = 150
"""Groups of four participants booked or settled in one transaction."""


def finish(market: Market, by: LocalAccount, period: int) -> None:
    """Clear and award what nobody did, void what found no verdict in time, book the rest, and settle.

    Reverted with what still keeps the period: a verdict that may yet come, or a missing reading. Done
    again later it goes on from there.
    """
    if market.pool:
        _finish_pool(market, market.pool, by, period)
    for trades in market.trade_markets:
        if isinstance(trades, AggregatorAuction):
            trades.finish(by, period, GROUPS_A_CALL)
        trades.seal(by, period)
        trades.expire(by, period)
    market.settlement.settle(by, AREA, period, GROUPS_A_CALL)


def _finish_pool(market: Market, pool: CallAuction, by: LocalAccount, period: int) -> None:
    if pool.phase(AREA, period) == "open":
        pool.clear(by, AREA, period)
    accepted = VERDICTS[market.grid.read("verdictOf", AREA, period)[0]] == "accepted"
    if pool.phase(AREA, period) == "cleared" and not accepted:
        pool.write(by, "expire", "expire", AREA, period)
    if pool.phase(AREA, period) != "booked":
        pool.book(by, AREA, period, GROUPS_A_CALL)
