"""State of a deployed market: what backs its money, and one row per period that holds a ring slot."""

from dataclasses import dataclass
from typing import Any

from gridbourse.chain.bindings.grid_oracle import VERDICTS
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.encoding.lanes import ALL_GROUPS
from gridbourse.model.house_accounts import AREA_DSOS, SUPPLIER_ACCOUNT, is_participant

EARNERS, HELD_FOR_OTHERS = (1, 3, 4, 5), (6, 7)
"""Of `HouseAccounts.sol`: area 0's DSO, operator, rounding and spread account; margins and the TSO's."""


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


@dataclass(frozen=True)
class Backing:
    """Money behind the accounts, µEUR.

    cover: the supplier's account and what waits for it, less what participants owe. waiting: credits
    that wait. set_aside: withdrawals under way. asked: what everybody together could ask for now, with
    holds, open trades and what is set aside. held: the currency there.
    """

    cover: int
    waiting: int
    set_aside: int
    asked: int
    held: int

    @property
    def solvent(self) -> bool:
        """Whether what can be asked for is there."""
        return self.asked <= self.held


Slots = list[list[tuple[Any, ...]]]
"""The ring of each area, as `ClearingHouse.periodAt` gives each slot."""
SETTLED, HOLDS, TRADES = 4, 5, 6
"""Places in a slot."""


def slots_of(market: Market) -> Slots:
    """Every slot of the ring of each area, in order."""
    size, areas = market.house.read("ringSize"), market.registry.read("areaCount")
    return [
        [market.house.read("periodAt", area, slot) for slot in range(size)] for area in range(areas)
    ]


def backing(market: Market, slots: Slots) -> Backing:
    """Read from storage: accounts, holds and what is on its way."""
    house = market.house
    balances = house.balances(market.registry.seat_limit())
    cover, set_aside = house.read("coverMicroEur"), house.read("setAsideMicroEur")
    earners = [money for who, money in balances.items() if who in EARNERS or who > AREA_DSOS]
    room = max(sum(earners) + min(cover, 0), 0)
    withdrawable = min(room, sum(max(each, 0) for each in earners))
    withdrawable += max(min(cover, balances[SUPPLIER_ACCOUNT]), 0)
    people = sum(max(money, 0) for who, money in balances.items() if is_participant(who))
    others = sum(balances[each] for each in HELD_FOR_OTHERS)
    in_periods = sum(slot[HOLDS] + slot[TRADES] for of_area in slots for slot in of_area)
    return Backing(
        cover=cover,
        waiting=house.read("waitingMicroEur"),
        set_aside=set_aside,
        asked=people + others + withdrawable + set_aside + in_periods,
        held=market.currency.read("balanceOf", house.address),
    )


def ring(market: Market, slots: Slots) -> list[PeriodStatus]:
    """Every period in the ring of the area, ascending."""
    found = []
    for slot in slots[market.area]:
        period = slot[0]
        if period == 0:
            continue
        verdict, round_, _ = market.grid.read("verdictOf", market.area, period)
        found.append(
            PeriodStatus(
                period,
                market.pool.phase(market.area, period) if market.pool else "none",
                sum(trades.waiting(period) for trades in market.trade_markets),
                VERDICTS[verdict],
                round_ + 1 if verdict else 0,
                market.meter.version(period),
                slot[SETTLED],
                slot[HOLDS] + slot[TRADES],
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
        slot = market.house.read("periodAt", market.area, period % size)
        held = slot[0]
        if held and since <= held < now and not slot[SETTLED]:
            found.append(held)
        if held < period and _has_members(market, period):
            found.append(period)
    return sorted(found)


def _has_members(market: Market, period: int) -> bool:
    return any(market.registry.read("membersOf", market.area, period, 0, ALL_GROUPS)[1])
