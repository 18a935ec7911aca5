"""Brings a delivered period to its end, by anyone and without any oracle."""

from eth_account.signers.local import LocalAccount

from gridbourse.chain.bindings.aggregator_auction import AggregatorAuction
from gridbourse.chain.bindings.call_auction import CallAuction
from gridbourse.chain.bindings.flexibility import Flexibility
from gridbourse.chain.bindings.grid_oracle import VERDICTS
from gridbourse.chain.deployment.market import AREA, Market
from gridbourse.chain.encoding.lanes import seats_of
from gridbourse.errors import GridbourseError
from gridbourse.text import many

LEGS_A_CALL = 50
"""Legs of flexibility verified in one transaction."""
GROUPS_A_CALL = 150
"""Groups of four participants booked or settled in one transaction."""


class AwaitedError(GridbourseError):
    """What keeps a period that only one party can bring on."""


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
    if market.flexibility_market is not None:
        _finish_flexibility(market, market.flexibility, by, period)
    market.settlement.settle(by, AREA, period, GROUPS_A_CALL)


def _finish_flexibility(
    market: Market, flexibility: Flexibility, by: LocalAccount, period: int
) -> None:
    """Void what was never cleared, award what was, and verify what anyone may; then lapse what is overdue.

    A leg against a baseline of readings waits for the verifier: AwaitedError.
    """
    trades = flexibility.market
    for number in range(trades.requests(period)):
        flexibility.clear(by, period, number, groups_a_call=GROUPS_A_CALL)
        trades.award(by, period, number, GROUPS_A_CALL)
    trades.seal(by, period)
    trades.expire(by, period)
    everybody = [seat for group in market.grid.groups() for seat in seats_of([group])]
    for number in range(trades.requests(period)):
        if trades.phase(period, number) != "awarded":
            continue
        legs = sorted(trades.legs(period, number, everybody))
        if flexibility.overdue(period):
            flexibility.lapse(by, period, number, legs)
        elif flexibility.by_declaration(period, number):
            for start in range(0, len(legs), LEGS_A_CALL):
                page = legs[start : start + LEGS_A_CALL]
                flexibility.verify_declared(by, period, number, page)
        else:
            flexibility.await_verification(by, period)
            raise AwaitedError(
                f"the verifier has not verified {many(len(legs), 'leg')} of flexibility request {number}"
            )


def _finish_pool(market: Market, pool: CallAuction, by: LocalAccount, period: int) -> None:
    if pool.phase(AREA, period) == "open":
        pool.clear(by, AREA, period)
    accepted = VERDICTS[market.grid.read("verdictOf", AREA, period)[0]] == "accepted"
    if pool.phase(AREA, period) == "cleared" and not accepted:
        pool.write(by, "expire", "expire", AREA, period)
    if pool.phase(AREA, period) != "booked":
        pool.book(by, AREA, period, GROUPS_A_CALL)
