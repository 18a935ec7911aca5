"""A market whose readings come late, and the meter oracle that finds them so."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gridbourse.chain.deployment.market import FIRST_AREA, Market
from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.chain.node.connect import let_time_pass
from gridbourse.chain.node.transactions import Chain
from gridbourse.model.house_accounts import SUPPLIER_ACCOUNT
from oracle.common.journal import Journal
from oracle.meter.corrections import LateReadings, SettledPeriods
from oracle.meter.feed import MeterFeed
from tests.chains import own_chain
from tests.invariants.model_market import Order
from tests.invariants.ring_market import CAPACITY_WH, FIRST, MTU, NUMBERS, RingMarket
from tests.oracle.fake_chain import DeathClock, Killing, raise_killed

ORDERS = {8: Order(OFFER, 10, 900), 9: Order(BID, 20, 500), 14: Order(BID, 15, 300)}
TRUE = {n: 905 if n == 8 else -40 * (n - 8) for n in NUMBERS}
"""What the meters have; an estimate is all a connection can draw, which is worse than any contract here."""
ESTIMATE = -CAPACITY_WH
LATE_ONES = (9, 14)
"""Of two groups: one who bought, and one who used more than it bought."""
ALL = 99


class LateMarket(RingMarket):
    """One period traded and delivered, none of it metered."""

    def __init__(self) -> None:
        super().__init__(own_chain())
        self.deposit(dict.fromkeys(NUMBERS, 4_000_000) | {SUPPLIER_ACCOUNT: 10_000_000})
        self.trade(FIRST)

    def trade(self, period: int) -> None:
        self.close_gate(period - 1)
        self.place_batch(period, ORDERS, dict.fromkeys(ORDERS, 1))
        self.close_gate(period)
        self.market.auction.clear(self.keys["gateway"], FIRST_AREA, period)
        self.accept(period)
        self.book(period, ALL)
        self.market.clock.advance_to(self.keys["operator"], (period + 1) * MTU)

    def deadline_passes(self, period: int) -> None:
        """Its window is of no length: the next second is after it."""
        by = self.keys["gateway"]
        self.market.settlement.write(by, "await", "awaitReadings", FIRST_AREA, period)
        let_time_pass(self.chain.w3, 1)

    def settle_groups(self, period: int, groups: int) -> None:
        by = self.keys["operator"]
        self.market.settlement.write(by, "settle", "settle", FIRST_AREA, period, groups)

    def accounts(self) -> dict[int, int]:
        house = self.market.house
        assert house.money_sum(self.limit) == 0
        return house.balances(self.limit)


@contextmanager
def meter_oracle(
    market: Market, folder: Path, clock: DeathClock | None = None
) -> Iterator[tuple[MeterFeed, LateReadings]]:
    """As it is after a start; no nonce is remembered. It may end at an instant of the clock."""
    clock = clock or DeathClock(0, raise_killed)
    chain = Chain(market.chain.w3, market.chain.artifacts)
    fresh = Market.bind(chain, market.keys, market.record)
    fresh.settlement.chain = fresh.meter.chain = Killing(clock, chain, ("send",))  # type: ignore[assignment]
    with Journal(folder / "meters.sqlite") as real:
        journal: Journal = Killing(clock, real, ("prepare", "confirm"))  # type: ignore[assignment]
        feed = MeterFeed(fresh.meter, journal, 3, SettledPeriods(fresh))
        feed.resume()
        yield feed, LateReadings(fresh, journal)


def bring(
    market: Market, folder: Path, readings: Mapping[int, int], clock: DeathClock | None = None
) -> int:
    """One life of the oracle: push, and book what is due; how many steps that took."""
    with meter_oracle(market, folder, clock) as (feed, late):
        feed.push(FIRST, readings)
        steps = 0
        while late.due():
            late.step()
            steps += 1
    return steps


def without(readings: Mapping[int, int], *numbers: int) -> dict[int, int]:
    return {number: wh for number, wh in readings.items() if number not in numbers}
