"""A participant's bill of a month, from the event index of a live market.

Trades, energy beyond contracts and fees are those of the month's delivery periods, as they were settled.
Corrections and other movements of the account are those of the market time in which they were booked, so
that every booking is in one bill.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from gridbourse.audit.core.events import Event
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.encoding.lanes import PER_GROUP, lanes56, lanes64, pair
from gridbourse.errors import GridbourseError
from gridbourse.index.history import EventIndex
from gridbourse.market_kinds import KINDS
from gridbourse.model.house_accounts import MARGIN_ACCOUNT
from gridbourse.model.periods import Mtu
from gridbourse.model.settlement import Prices, settle
from gridbourse.report.bill import (
    CORRECTIONS,
    ENERGY,
    FEES,
    MONEY,
    PAYMENTS,
    Bill,
    BillLine,
)
from gridbourse.text import one_line

MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
MARKETS: Final = {kind.contract: kind.title for kind in KINDS.values()} | {
    "FlexibilityMarket": "flexibility"
}
"""Words for a market by its contract."""
MOVEMENTS: Final = {kind.contract: kind.transfers for kind in KINDS.values()} | {
    "FlexibilityMarket": "flexibility",
    "CurtailmentCompensation": "compensation for curtailment",
    "EquityCampaign": "campaign",
}
"""Transfers by the contract that made them."""
ASIDE: Final = "set aside as margin or bond, and given back"


WAITS: Final = "credit that waits for the supplier"
MONEY_MOVES: Final = {
    "Deposited": ("paid in", "amountMicroEur", 1),
    "WithdrawalAnnounced": ("withdrawn", "amountMicroEur", -1),
    "WithdrawalCancelled": ("withdrawn", "amountMicroEur", 1),
    "WithdrawalFinished": ("kept of a withdrawal for what was owed", "keptMicroEur", 1),
    "CreditWaits": (WAITS, "amountMicroEur", -1),
    "WaitingPaid": (WAITS, "amountMicroEur", 1),
}
"""Words, value and sign of a movement of the account, by its event."""
MOVES: Final = ("Transferred", "GroupCorrected", *MONEY_MOVES)


class BillError(GridbourseError):
    """No bill: the point, the month or the time zone is none."""


class Month(NamedTuple):
    """A month in a time zone, with its delivery periods."""

    name: str
    begins: datetime
    ends: datetime
    periods: range


class _Sums:
    """Lines that are added up, by section and words."""

    def __init__(self) -> None:
        self._wh: dict[tuple[str, str], int | None] = {}
        self._micro_eur: defaultdict[tuple[str, str], int] = defaultdict(int)

    def add(self, section: str, what: str, micro_eur: int, wh: int | None = None) -> None:
        """Add an amount, + received; nothing where there is none."""
        if not micro_eur and not wh:
            return
        key = (section, what)
        self._micro_eur[key] += micro_eur
        before = self._wh.get(key)
        self._wh[key] = before if wh is None else (before or 0) + wh

    def lines(self) -> tuple[BillLine, ...]:
        """Lines in the order in which they came."""
        return tuple(
            BillLine(section, what, wh, self._micro_eur[section, what])
            for (section, what), wh in self._wh.items()
        )


def bill(index: EventIndex, market: Market, point: str, number: int, month: Month) -> Bill:
    """Bill of a participant of the market's area for a month; BillError for a number that is none."""
    settled = index.settled(market.area, month.periods)
    rebuilt = index.history(settled).rebuilt
    if number not in rebuilt.members.participants:
        raise BillError(one_line(f"point: {point!r} is no participant of the deployment"))
    sums, contracts = _Sums(), _contracts(market)
    if settled:
        booked = index.of_periods("ClearingHouse", ("TradesBooked",), settled)
        of_area = (event for event in booked if event["area"] == market.area)
        _add_trades(sums, contracts, of_area, number)
    for period in settled:
        _add_settlement(sums, rebuilt, number, period)
    for event in _moves(index, market, number, month):
        _add_movement(sums, contracts, event, number)
    return Bill(
        point, number, market.area_name, month.name, len(month.periods), len(settled), sums.lines()
    )


def _contracts(market: Market) -> dict[str, str]:
    """Name of each contract, as the record has it, by address in lower case; a campaign's is its kind."""
    contracts = market.record.contracts
    return {each.address.lower(): name.partition("/")[0] for name, each in contracts.items()}


def _add_trades(
    sums: _Sums, contracts: Mapping[str, str], booked: Iterable[Event], number: int
) -> None:
    """Energy sold and bought in each market, with what it paid."""
    group, lane = divmod(number, PER_GROUP)
    for event in booked:
        kind = MARKETS[contracts[event["market"].lower()]].lower()
        # A group is named as often as it is worked through: once for each side of each trade.
        for named, fills, payments in zip(
            event["groups"], event["fills"], event["payments"], strict=True
        ):
            if named != group:
                continue
            sold, bought = pair([energy for _, energy in lanes56(group, fills)][lane])
            paid = [amount for _, amount in lanes64(group, payments)][lane]
            side, wh = ("sold", sold) if sold else ("bought", bought)
            sums.add(ENERGY, f"{side}, {kind}", paid, wh)


def _add_settlement(sums: _Sums, rebuilt: Rebuilt, number: int, period: int) -> None:
    """Energy beyond contracts, and grid fees, as the period was settled."""
    metered = rebuilt.metering.settled_wh[period].get(number)
    if metered is None:
        return  # no member then
    contract = rebuilt.money.position(period, number).net_wh
    cap = rebuilt.metering.caps_of(period, number)[0]
    who = rebuilt.members.participants[number]
    fees = rebuilt.tariffs.fees(who.area, who.zone, period)
    prices = Prices(*rebuilt.tariffs.energy(who.area, period), *fees)
    reading, position, limit = (np.array([wh], np.int64) for wh in (metered, contract, cap))
    charges = settle(reading, position, limit, prices)
    for what, section, charge, price in (
        ("bought from the supplier", ENERGY, charges.retail, prices.retail),
        ("sold to the supplier", ENERGY, charges.feed_in, prices.feed_in),
        ("on energy from the supplier", FEES, charges.import_fee, prices.import_fee),
        ("on energy bought locally", FEES, charges.local_fee, prices.local_fee),
        ("on energy fed in", FEES, charges.export_fee, prices.export_fee),
    ):
        amount, rate = int(charge[0]), int(np.asarray(price))
        sums.add(section, what, -amount, abs(amount) // rate if rate else None)


def _add_movement(sums: _Sums, contracts: Mapping[str, str], event: Event, number: int) -> None:
    """One movement of the account, by its event."""
    if event.name == "GroupCorrected":
        change = dict(lanes64(event["group"], event["deltas"]))[number]
        sums.add(CORRECTIONS, f"delivery period {event['period']}", change)
    elif event.name == "Transferred":
        _add_transfer(sums, contracts.get(event["market"].lower(), ""), event, number)
    else:
        words, value, sign = MONEY_MOVES[event.name]
        sums.add(MONEY, words, sign * event[value])


def _add_transfer(sums: _Sums, kind: str, event: Event, number: int) -> None:
    """Movement from or to the account by a contract of a kind."""
    for side, other, sign in (("from", "to", -1), ("to", "from", 1)):
        if event[side] != number:
            continue
        amount = sign * event["amountMicroEur"]
        if event[other] == MARGIN_ACCOUNT and kind != "FlexibilityMarket":
            sums.add(MONEY, ASIDE, amount)
        else:
            sums.add(PAYMENTS, MOVEMENTS.get(kind, "other"), amount)


def _moves(index: EventIndex, market: Market, number: int, month: Month) -> Iterator[Event]:
    """Movements of the account that were booked in the month, by market time."""
    first, last = _blocks(index, market, month)
    own = {
        values["id"]
        for _, values in index.events("ClearingHouse", ("WithdrawalAnnounced",))
        if values["account"] == number
    }
    for event in index.between("ClearingHouse", MOVES, first, last):
        values = event.values
        parties = [values.get(name) for name in ("participant", "account", "from", "to")]
        is_group = event.name == "GroupCorrected" and values["group"] == number // PER_GROUP
        if number in parties or is_group or values.get("id") in own:
            yield event


def _blocks(index: EventIndex, market: Market, month: Month) -> tuple[int, int]:
    """First block of the month and the first after it, by market time."""
    begins, ends = (int(moment.timestamp()) for moment in (month.begins, month.ends))
    first, head = min(c.block for c in market.record.contracts.values()), index.last_block()
    if market.clock.read("replay"):
        advances = index.between("MarketClock", ("ClockAdvanced",), first, head + 1)
        moved = [(event["timestamp"], event.block) for event in advances]
        times = [time for time, _ in moved]
        # What is before the clock first moves belongs to the month in which it starts.
        opens = not times or begins <= times[0] < ends
        start = 0 if opens else _block_at(moved, bisect_left(times, begins), head)
        return start, _block_at(moved, bisect_left(times, ends), head)
    w3 = market.chain.w3
    blocks = range(first, head + 1)

    def at(moment: int) -> int:
        return blocks.start + bisect_left(
            blocks, moment, key=lambda n: w3.eth.get_block(n)["timestamp"]
        )

    return at(begins), at(ends)


def _block_at(moved: list[tuple[int, int]], place: int, head: int) -> int:
    return moved[place][1] if place < len(moved) else head + 1


def month_of(text: str, timezone: str, mtu_seconds: int) -> Month:
    """A month, `YYYY-MM`, in a time zone; BillError for what is none."""
    match = MONTH.fullmatch(text)
    if match is None:
        raise BillError(one_line(f"month: {text!r} is not a month such as 2016-07"))
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BillError(one_line(f"timezone: {timezone!r} is no time zone")) from error
    year, month = int(match[1]), int(match[2])
    begins = datetime(year, month, 1, tzinfo=zone)
    ends = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
    mtu = Mtu(mtu_seconds)
    return Month(text, begins, ends, range(mtu.period_at(begins), mtu.period_at(ends)))
