"""Where a deployed market stands: one row per period that holds a ring slot."""

from dataclasses import dataclass

from gridbourse.chain.contracts import ALL_GROUPS
from gridbourse.chain.deploy import AREA, Market
from gridbourse.chain.grid_oracle import VERDICTS


@dataclass(frozen=True)
class PeriodStatus:
    """A period of the ring.

    phase: of the pool, where there is one; waiting_trades: those in other markets without a verdict.
    """

    period: int
    phase: str
    waiting_trades: int
    verdict: str
    rounds: int
    readings_version: int
    settled: bool
    held_micro_eur: int


def ring(market: Market) -> list[PeriodStatus]:
    """Every period in the ring, ascending."""
    found = []
    for slot in range(market.house.read("ringSize")):
        period, areas, areas_settled, _, _, _, holds, _ = market.house.read("periodAt", slot)
        if period == 0:
            continue
        verdict, round_, _ = market.grid.read("verdictOf", AREA, period)
        found.append(
            PeriodStatus(
                period,
                market.pool.phase(AREA, period) if market.pool else "none",
                sum(trades.waiting(period) for trades in market.trade_markets),
                VERDICTS[verdict],
                round_ + 1 if verdict else 0,
                market.meter.version(period),
                areas == areas_settled,
                holds,
            )
        )
    return sorted(found, key=lambda status: status.period)


def due(market: Market, since: int = 1) -> list[int]:
    """Periods from `since` on that are over and not settled, ascending, also those nobody touched.

    The latter hold no ring slot yet, and who was a member then was metered all the same.  Those are
    left out whose slot a later period has taken: no contract settles them any more.
    """
    now = market.clock.timestamp() // market.clock.read("mtuSeconds")
    size = market.house.read("ringSize")
    found = []
    for period in range(max(since, now - size), now):
        held, areas, areas_settled, *_ = market.house.read("periodAt", period % size)
        if held and since <= held < now and areas_settled < areas:
            found.append(held)
        if held < period and _has_members(market, period):
            found.append(period)
    return sorted(found)


def _has_members(market: Market, period: int) -> bool:
    return any(market.registry.read("membersOf", AREA, period, 0, ALL_GROUPS)[1])
