"""Where a deployed market stands: one row per period that holds a ring slot."""

from dataclasses import dataclass

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


def due(market: Market) -> list[PeriodStatus]:
    """Periods that are over and not settled yet."""
    now = market.clock.timestamp()
    mtu = market.clock.read("mtuSeconds")
    return [s for s in ring(market) if not s.settled and (s.period + 1) * mtu <= now]
