"""A whole market under brownie: every contract deployed and wired, every party with its role.

Two areas: area 0 with the participants 8..17 (groups 2, 3 and half of 4), area 1 with 20..24.
Their zones go round: 0 (flat fees), 1 (fees of its own), 2 (under zone 1, with none of its own).
Who is behind a metering point is in nobody's test: ids are hashes of a serial number.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from brownie import accounts, chain, web3
from eth_utils import keccak

from gridbourse.chain.encoding.lanes import (
    BID,
    OFFER,
    PER_GROUP,
    energy_lane,
    group_words,
    order_lane,
    pack_readings,
)
from gridbourse.chain.encoding.roles import role
from gridbourse.model.house_accounts import dso_account
from gridbourse.model.ledger import Ledger, Withdrawal
from gridbourse.model.settlement import Prices
from tests.contracts.refusal import ask
from tests.model.books import BAND, Book

MTU = 900
FIRST = 1_630_368  # 2016-07-01T00:00Z
GATE_CLOSURE = 300
HORIZON = 4
RING = 6
TIMELOCK = 2 * 86_400
READING_WINDOW = 86_400
DISPUTE_WINDOW = 0  # what is withdrawn is paid at once; test_withdrawals.py has a house that waits
SILENT_PERMILLE = 1_000
MAX_ROUNDS = 3
VERDICT_WINDOW = 7_200

DSO, SUPPLIER, OPERATOR, ROUNDING, SPREAD = 1, 2, 3, 4, 5
MARGIN, TSO = 6, 7
FIRST_PARTICIPANT = 8
MARKET, SETTLEMENT, ORACLE, PAYMENT = 1, 2, 4, 8
ACTIVE, SUSPENDED, LEFT = 1, 2, 3
OPEN, CLEARED, BOOKED, VOID = 0, 1, 2, 3
NO_VERDICT, CAPPING, CAPPED, ACCEPTED, FALLBACK = 0, 1, 2, 3, 4

RETAIL, FEED_IN = 300, 80
AREAS_PRICED = 3
"""Areas that have a tariff, the same one, before they are there."""
FEES = {0: (60, 20, 5), 1: (50, 10, 0)}  # by zone: import, local, export
FEES_OF = {0: FEES[0], 1: FEES[1], 2: FEES[1]}
HOLD_RATE = RETAIL + 60
CAPACITY_WH = 25_000
PURSE = 100_000_000  # 100 € each
GUARANTEE = 1_000_000_000  # the supplier's
ALGORITHM = 7
REPORT = keccak(text="published power flow")


def metering_point(serial: int) -> bytes:
    return keccak(text=f"metering point {serial}")


def signer(serial: int) -> Any:
    """A participant's account; its key is known, so that it can sign orders."""
    return accounts.add(keccak(text=f"participant {serial}").hex())


@dataclass(frozen=True)
class Member:
    """A participant: its number, its account, and where it sits."""

    number: int
    account: Any
    area: int
    zone: int

    @property
    def group(self) -> int:
        return self.number // PER_GROUP

    @property
    def lane(self) -> int:
        return self.number % PER_GROUP

    @property
    def sends(self) -> dict[str, Any]:
        return {"from": self.account}


@dataclass
class Market:
    """The contracts, the parties, and short ways to walk a period."""

    contracts: Any  # the brownie project
    pay_as_bid: bool = False
    band: Any = BAND
    dispute_window: int = DISPUTE_WINDOW
    silent_permille: int = SILENT_PERMILLE
    members: list[Member] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.operator, self.dso, self.supplier, self.treasurer = accounts[:4]
        self.gateway, self.other_gateway = accounts[4:6]
        self.meter_oracle, self.grid_oracle, self.stranger = accounts[6:9]
        self._deploy()
        self._give_roles()
        self.house.seal({"from": self.operator})
        self._set_prices()

    # --- deployment ----------------------------------------------------------------------------

    def _deploy(self) -> None:
        by, c = {"from": self.operator}, self.contracts
        self.registry = c.ParticipantRegistry.deploy(self.operator, by)
        self.clock = c.MarketClock.deploy(self.registry, True, MTU, GATE_CLOSURE, HORIZON, by)
        self.currency = c.SettlementCurrency.deploy(self.registry, by)
        self.tariff = c.Tariff.deploy(self.registry, self.clock, by)
        self.pledges = c.ExportPledges.deploy(self.currency, by)
        self.house = c.ClearingHouse.deploy(*self.house_settings(), by)
        self.meters = c.MeterOracle.deploy(self.registry, self.clock, self.house, by)
        self.grid = c.GridOracle.deploy(self.registry, self.clock, self.house, by)
        self.auction = c.CallAuction.deploy(self.auction_settings(), by)
        self.settlement = c.Settlement.deploy(self.settlement_settings(), by)
        self.grid.setMarket(self.auction, by)
        self.registry.connect(self.clock, self.house, self.pledges, by)
        self.currency.addSystemHolder(self.house, by)
        for module, permission in (
            (self.auction, MARKET),
            (self.settlement, SETTLEMENT),
            (self.meters, ORACLE),
            (self.grid, ORACLE),
        ):
            self.house.proposeModule(module, permission, by)
            self.house.authoriseModule(module, by)

    def house_settings(self, **other: Any) -> tuple:
        settings = {
            "registry": self.registry,
            "currency": self.currency,
            "tariff": self.tariff,
            "ringSize": RING,
            "timelockSeconds": TIMELOCK,
            "disputeWindowSeconds": self.dispute_window,
        }
        return tuple((settings | other).values())

    def auction_settings(self, **other: Any) -> tuple:
        settings = {
            "registry": self.registry,
            "clock": self.clock,
            "clearingHouse": self.house,
            "gridOracle": self.grid,
            "tariff": self.tariff,
            "floor": self.band.floor_micro_eur_per_wh,
            "tick": self.band.tick_micro_eur_per_wh,
            "ticks": self.band.ticks,
            "payAsBid": self.pay_as_bid,
            "maxRounds": MAX_ROUNDS,
            "verdictWindow": VERDICT_WINDOW,
        }
        return tuple((settings | other).values())

    def settlement_settings(self) -> tuple:
        return (
            self.registry,
            self.clock,
            self.house,
            self.grid,
            self.meters,
            self.tariff,
            READING_WINDOW,
            self.silent_permille,
        )

    def _give_roles(self) -> None:
        by = {"from": self.operator}
        for name in ("supplier", "treasurer"):
            self.registry.grantRole(role(name.upper()), getattr(self, name), by)
        for area in range(AREAS_PRICED):  # all served by the same ones
            for name in ("dso", "meter_oracle", "grid_oracle"):
                self.registry.grantRole(role(name.upper(), area), getattr(self, name), by)
        self.registry.grantRole(role("ATTESTER"), self.other_gateway, by)
        self.registry.addGateway(self.gateway, by)
        self.registry.addGateway(self.other_gateway, by)

    def give(self, name: str, *accounts_: Any) -> None:
        """A role as the sealed market gives it: proposed, and given once the timelock has run."""
        by = {"from": self.operator}
        for account in accounts_:
            self.registry.proposeRole(role(name), account, by)
        chain.sleep(TIMELOCK)
        for account in accounts_:
            self.registry.grantRole(role(name), account, by)

    def _set_prices(self) -> None:
        by = {"from": self.operator}
        self.registry.addZone(b"feeder", 0, by)
        self.registry.addZone(b"street", 1, by)
        for area in range(AREAS_PRICED):
            for zone, fees in FEES.items():
                self.tariff.setGridFees(area, zone, 0, fees, {"from": self.dso})
            self.tariff.setEnergyPrices(area, 0, RETAIL, FEED_IN, {"from": self.supplier})
        self.advance_to(FIRST)

    def admit(
        self,
        *sizes: int,
        purse: int = PURSE,
        capacity: int = CAPACITY_WH,
        guarantee: int = GUARANTEE,
    ) -> "Market":
        """Opens one area for each size with that many participants, and fills their purses and the
        supplier's account, which stands in for feed-in and debts."""
        self.capacity = capacity
        for area, size in enumerate(sizes):
            self.registry.addArea(f"area {area}".encode(), {"from": self.operator})
            self._register(area, size, capacity)
        self.fund({SUPPLIER: guarantee} | {member.number: purse for member in self.members})
        for member in self.members:
            self.registry.giveMandate(1, member.sends)
        return self

    def _register(self, area: int, size: int, capacity: int) -> None:
        serials = range(len(self.members), len(self.members) + size)
        rows = [self.registration(serial, area, serial % 3, capacity) for serial in serials]
        first = self.registry.register.call(rows, {"from": self.operator})
        self.registry.register(rows, {"from": self.operator})
        self.members += [Member(first + i, row[0], area, row[3]) for i, row in enumerate(rows)]

    @staticmethod
    def registration(
        serial: int, area: int = 0, zone: int = 0, capacity: int = CAPACITY_WH, start: int = FIRST
    ) -> tuple:
        return (signer(serial), metering_point(serial), area, zone, capacity, start)

    def fund(self, purses: Mapping[int, int]) -> None:
        """The treasurer mints against one bank transfer and deposits it into many accounts."""
        by, total = {"from": self.treasurer}, sum(purses.values())
        self.currency.mint(self.treasurer, total, web3.keccak(web3.eth.block_number), by)
        self.currency.approve(self.house, total, by)
        self.house.deposit(list(purses), list(purses.values()), by)

    def authorise(self, module: Any, permissions: int) -> Any:
        """Makes a contract a module, behind the timelock. An account of a test that stands for a module no
        honest one would be has code for as long as the clearing house looks at it."""
        by, address = {"from": self.operator}, str(module)
        bare = not web3.eth.get_code(address)
        if bare:
            web3.provider.make_request("anvil_setCode", [address, "0x00"])
        self.house.proposeModule(module, permissions, by)
        chain.sleep(TIMELOCK)
        tx = self.house.authoriseModule(module, by)
        if bare:
            web3.provider.make_request("anvil_setCode", [address, "0x"])
        return tx

    # --- one period ----------------------------------------------------------------------------

    def advance_to(self, period: int, seconds: int = 0) -> None:
        self.clock.advanceTo(period * MTU + seconds, {"from": self.operator})

    def close_gate(self, period: int) -> None:
        if not self.clock.gateClosed(period):
            self.advance_to(period, -GATE_CLOSURE)

    def deliver(self, period: int) -> None:
        if not self.clock.delivered(period):
            self.advance_to(period + 1)

    def place(self, period: int, orders: Mapping[Member, tuple[int, int, int]], sequence: int = 1):
        """Orders (side, tick, Wh) of many members, through the gateway that holds their mandate."""
        lanes = {
            member.number: order_lane(side, tick, wh, sequence)
            for member, (side, tick, wh) in orders.items()
        }
        area = next(iter(orders)).area
        return self.auction.placeBatch(area, period, group_words(lanes), {"from": self.gateway})

    def place_book(self, period: int, book: Book) -> None:
        rows = zip(book.is_offer.tolist(), book.tick.tolist(), book.wh.tolist(), strict=True)
        orders = {
            member: (OFFER if is_offer else BID, tick, wh)
            for member, (is_offer, tick, wh) in zip(self.members, rows, strict=False)
        }
        if orders:
            self.place(period, orders)

    def clear(self, period: int, area: int = 0):
        return self.auction.clear(area, period, {"from": self.stranger})

    def judged(self, period: int, area: int = 0) -> tuple:
        """What a verdict on the book as it stands begins with."""
        _, round_, root = self.auction.bookOf(area, period)
        return (area, period, round_, root, ALGORITHM, REPORT)

    def accept(self, period: int, area: int = 0):
        return self.grid.accept(*self.judged(period, area), {"from": self.grid_oracle})

    def cap(
        self, period: int, caps: Mapping[Member, tuple[int, int]], area: int = 0, last: bool = True
    ):
        """Caps (export, import) in Wh; members without one keep what they have."""
        groups = {member.group for member in caps}
        lanes = {}
        for group in groups:
            word = self.grid.capsOf(period, group)
            for lane in range(PER_GROUP):
                lanes[group * PER_GROUP + lane] = word >> (56 * lane) & ((1 << 56) - 1)
        lanes |= {member.number: energy_lane(*pair) for member, pair in caps.items()}
        return self.grid.cap(
            *self.judged(period, area), group_words(lanes), last, {"from": self.grid_oracle}
        )

    def book(self, period: int, area: int = 0, groups: int = 100):
        return self.auction.book(area, period, groups, {"from": self.stranger})

    def trade(self, period: int, area: int = 0) -> None:
        """From gate closure to booked trades, accepted in the first round; void once delivery has begun."""
        if self.auction.booked(area, period):
            return
        self.close_gate(period)
        self.clear(period, area)
        if self.clock.currentPeriod() < period:
            self.accept(period, area)
        else:
            self.auction.expire(area, period, {"from": self.stranger})
        self.book(period, area)

    def end(self, period: int, area: int) -> None:
        """Books what was cleared in an area, or ends it without a verdict, once delivery has begun."""
        if self.auction.address not in self.house.markets() or self.auction.booked(area, period):
            return
        phase = self.auction.sessionOf(area, period)["phase"]
        if phase == OPEN:
            self.clear(period, area)
        verdict, round_, _ = self.grid.verdictOf(area, period)
        session = self.auction.sessionOf(area, period)
        if session["phase"] == CLEARED and (verdict, round_) != (ACCEPTED, session["round"]):
            self.auction.expire(area, period, {"from": self.stranger})
        self.book(period, area)

    def meter(self, period: int, readings: Mapping[int, int]):
        """The next version of a period's readings in each area, by participant number."""
        areas = {member.number: member.area for member in self.members}
        for area in sorted({areas.get(number, 0) for number in readings}):
            of_area = {n: wh for n, wh in readings.items() if areas.get(n, 0) == area}
            tx = self.meter_area(area, period, of_area)
        return tx

    def meter_area(self, area: int, period: int, readings: Mapping[int, int]):
        """The next version of an area's readings of a period, by participant number."""
        first, packed = pack_readings(readings)
        version = self.meters.versionOf(area, period) + 1
        by = {"from": self.meter_oracle}
        return self.meters.submit(area, period, version, first, packed, by)

    def settle(self, period: int, area: int = 0, groups: int = 100):
        return self.settlement.settle(area, period, groups, {"from": self.stranger})

    # --- questions -----------------------------------------------------------------------------

    def in_area(self, area: int) -> list[Member]:
        return [member for member in self.members if member.area == area]

    def balances(self, members: Iterable[Member] | None = None) -> np.ndarray:
        everyone = self.house.balances(self.registry.seatLimit())
        return np.array(
            [everyone[m.number] for m in (self.members if members is None else members)]
        )

    def money_sum(self) -> int:
        return self.house.moneySum(self.registry.seatLimit())

    def ledger(self) -> Ledger:
        """The money of the chain as the model keeps it: who waits for what is one sum."""
        house, seats = self.house, self.registry.seatLimit()
        areas = sorted({member.area for member in self.members})
        dsos = [dso_account(area) for area in areas if area]
        *read, free, waiting, aside, deposits, withdrawals = ask(
            *((house.periodAt, area, slot) for area in areas for slot in range(RING)),
            *((house.balanceOf, account) for account in dsos),
            (house.balances, seats),
            (house.waitingMicroEur,),
            (house.setAsideMicroEur,),
            (house.depositsMicroEur,),
            (house.withdrawalsMicroEur,),
        )
        ledger = Ledger(deposits=deposits, withdrawals=withdrawals)
        slots, of_dsos = read[: RING * len(areas)], read[RING * len(areas) :]
        ledger.balances.update(enumerate(free))
        ledger.balances.update(zip(dsos, of_dsos, strict=True))
        ledger.waiting[0] = waiting
        ledger.on_the_way[0] = Withdrawal(0, aside, 0)
        for slot in slots:
            ledger.holds[slot["period"]] += slot["holdsMicroEur"]
            ledger.trades[slot["period"]] += slot["tradesMicroEur"]
        return ledger

    def prices_of(self, members: Iterable[Member]) -> Prices:
        """What the model needs to know of the tariff for these members."""
        fees = np.array([FEES_OF[member.zone] for member in members], dtype=np.int64).reshape(-1, 3)
        return Prices(RETAIL, FEED_IN, fees[:, 0], fees[:, 1], fees[:, 2])
