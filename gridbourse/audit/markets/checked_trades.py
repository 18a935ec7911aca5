"""Trades that wait for the DSO's verdict in groups, rebuilt and compared (`CheckedTrades.sol`)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

from eth_utils.crypto import keccak

from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.modules import Handlers
from gridbourse.audit.core.money import Position
from gridbourse.audit.core.reservations import Energy
from gridbourse.chain.encoding.lanes import BID, OFFER, lanes56, lanes64, pair
from gridbourse.model.errors import ModelError
from gridbourse.model.trade import TradeWord


class Seal(NamedTuple):
    """Size and root that a group is sealed with."""

    size: int
    root: bytes


class Fill(NamedTuple):
    """One side of a booked trade, by participant: (sold, bought) Wh and µEUR (+ received)."""

    traded: dict[int, tuple[int, int]]
    paid: dict[int, int]


@dataclass
class Ledger:
    """Trades of an area and period in order, in groups.

    told: seals in the log whose trades have not come yet; untold: full groups without a seal in the log.
    decided: rejected trades of each group with a verdict, one bit each.
    """

    area: int
    period: int
    open: list[int] = field(default_factory=list)
    sealed: list[list[int]] = field(default_factory=list)
    told: dict[int, Seal] = field(default_factory=dict)
    untold: set[int] = field(default_factory=set)
    decided: dict[int, int] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """Place, for humans."""
        return f"area {self.area}, period {self.period}"

    def seal(self) -> int:
        """Close the open group; its number."""
        self.sealed.append(self.open)
        self.open = []
        return len(self.sealed) - 1

    def seal_of(self, group: int) -> Seal | None:
        """Seal that a group has to have; None where none was sealed."""
        if group >= len(self.sealed):
            return None
        return Seal(len(self.sealed[group]), root_of(self.sealed[group]))


def root_of(trades: list[int]) -> bytes:
    """`CheckedTrades._extend`, over all trades: keccak of (root, trade), its first 20 bytes."""
    root = bytes(20)
    for trade in trades:
        root = keccak(root.ljust(32, b"\0") + trade.to_bytes(32, "big"))[:20]
    return root


class CheckedTrades:
    """Base of the markets of checked trades, whose trades are recorded first and judged then."""

    name = ""

    def __init__(self, group_size: int, common: Common) -> None:
        self._group_size = group_size
        self._members, self._tariffs, self._clock = common.members, common.tariffs, common.clock
        self._money, self._reservations = common.money, common.reservations_of(self.name)
        self._findings = common.findings
        self._ledgers: dict[tuple[int, int], Ledger] = {}
        # Events kept until the one that explains them.
        self._booked: list[Event] = []
        self._unjudged: dict[tuple[int, int, int], int] = {}
        self.trades = 0

    def handlers(self) -> Handlers:
        """Handler of each event of the contract."""
        return {"GroupSealed": self.group_sealed, "GroupDecided": self.group_decided}

    def totals(self) -> dict[str, int]:
        """Counts for the audit's summary, by name."""
        return {"trades": self.trades}

    def ledger(self, area: int, period: int) -> Ledger:
        """Trades of an area and period."""
        return self._ledgers.setdefault((area, period), Ledger(area, period))

    def is_booked(self, area: int, period: int) -> bool:
        """True where no trade waits for a verdict."""
        ledger = self.ledger(area, period)
        return not ledger.open and len(ledger.decided) == len(ledger.sealed)

    def record(self, area: int, period: int, trade: TradeWord) -> None:
        """Record a trade, rebuilt: its money and energy stay reserved until its verdict."""
        ledger = self.ledger(area, period)
        ledger.open.append(trade.pack())
        self.trades += 1
        if len(ledger.open) == self._group_size:
            group = ledger.seal()
            ledger.untold.add(group)
            self._compare_seal(ledger, group)

    def next_group(self, area: int, period: int) -> int:
        """Number of the open group."""
        return len(self.ledger(area, period).sealed)

    # --- groups ------------------------------------------------------------------------------

    def group_sealed(self, event: Event) -> None:
        """GroupSealed: of a full group, just before or after its last trade."""
        ledger = self.ledger(event["area"], event["period"])
        group, seal = event["group"], Seal(event["count"], event["root"])
        if seal.size != self._group_size and ledger.open and group == len(ledger.sealed):
            ledger.untold.add(ledger.seal())
        again = group in ledger.told or (group < len(ledger.sealed) and group not in ledger.untold)
        self._require("group", f"group {group}, {event.at('area', 'period')}", not again, "sealed")
        ledger.told[group] = seal
        self._compare_seal(ledger, group)

    def _compare_seal(self, ledger: Ledger, group: int) -> None:
        if group not in ledger.untold or group not in ledger.told:
            return
        ledger.untold.discard(group)
        where = f"{self.name}, (trades, root) of group {group}, {ledger.where}"
        self._findings.compare(
            "group", where, _shown(ledger.told.pop(group)), _shown(ledger.seal_of(group))
        )

    def trades_booked(self, event: Event) -> None:
        """TradesBooked: kept until the decision that explains it."""
        self._booked.append(event)

    def group_decided(self, event: Event) -> None:
        """GroupDecided: groups in order; of this one, book accepted trades only."""
        ledger = self.ledger(event["area"], event["period"])
        group, rejected, expired = event["group"], event["rejected"], event["expired"]
        where = f"{self.name}, group {group}, {event.at('area', 'period')}"
        self._findings.compare("group", f"next, {where}", group, len(ledger.decided))
        sealed = group < len(ledger.sealed) and group not in ledger.untold
        self._require("group", where, sealed, "not sealed")
        if group >= len(ledger.sealed) or group in ledger.decided:
            return
        words = ledger.sealed[group]
        if expired:
            every = (1 << len(words)) - 1
            self._findings.compare("group", f"expired, rejected, {where}", rejected, every)
        else:
            within = rejected >> len(words) == 0
            self._require("group", where, within, "rejects more trades than it has")
            self._unjudged[ledger.area, ledger.period, group] = rejected
        ledger.decided[group] = rejected
        trades = [TradeWord.unpack(word) for word in words]
        accepted = [trade for i, trade in enumerate(trades) if not rejected >> i & 1]
        refused = [trade for i, trade in enumerate(trades) if rejected >> i & 1]
        self._compare_booked(ledger, accepted, where)
        self._book(ledger.period, accepted)
        self._refund(ledger.period, refused)

    def judged(self, event: Event) -> None:
        """TradesJudged: the DSO's verdict, right after the decision."""
        where = f"{self.name}, {event.at('area', 'period', 'group')}"
        decided = self._unjudged.pop((event["area"], event["period"], event["group"]), None)
        self._findings.compare("verdict", f"rejected, {where}", event["rejected"], decided)

    # --- money and energy --------------------------------------------------------------------

    def _compare_booked(self, ledger: Ledger, accepted: list[TradeWord], where: str) -> None:
        rebuilt = [fill for trade in accepted for fill in _sides_of(trade)]
        self._compare_fills((ledger.area, ledger.period), rebuilt, where)

    def _compare_fills(self, of_period: tuple[int, int], rebuilt: list[Fill], where: str) -> None:
        for event in self._booked:
            told = (event["area"], event["period"])
            self._findings.compare("fill", f"(area, period), {where}", told, of_period)
        chain = [fill for event in self._booked for fill in _fills_of(event)]
        self._booked = []
        nothing = Fill({}, {})
        for entry, (found, due) in enumerate(zip_longest(chain, rebuilt, fillvalue=nothing)):
            who = ", ".join(str(number) for number in {**found.traded, **due.traded})
            place = f"participant {who}, entry {entry}, {where}"
            self._findings.compare("fill", f"(sold, bought) Wh, {place}", found.traded, due.traded)
            self._findings.compare("payment", f"µEUR, {place}", found.paid, due.paid)

    def _book(self, period: int, trades: list[TradeWord]) -> None:
        for seller, buyer, wh, price in trades:
            self._reservations.book(period, seller, Position(wh, 0), wh * price)
            self._reservations.book(period, buyer, Position(0, wh), -wh * price)

    def _refund(self, period: int, trades: list[TradeWord]) -> None:
        for seller, buyer, wh, _ in trades:
            self._reservations.give_back(period, seller, Energy.of(OFFER, wh))
            self._reservations.give_back(period, buyer, Energy.of(BID, wh))

    def require_nothing_loose(self) -> None:
        """Final check: every seal has its trades, every booking its decision, every decision its verdict."""
        for ledger in self._ledgers.values():
            for group in sorted(ledger.told):
                place = f"{self.name}, group {group}, {ledger.where}"
                self._require("group", place, False, "its trades are not in the log")
            for group in sorted(ledger.untold):
                place = f"{self.name}, group {group}, {ledger.where}"
                self._require("group", place, False, "full, and not sealed in the log")
        for event in self._booked:
            place = f"{self.name}, {event.at('period')}"
            self._require("fill", place, False, "no decision in the log explains it")
        for area, period, group in self._unjudged:
            place = f"{self.name}, group {group}, area {area}, period {period}"
            self._require("verdict", place, False, "the DSO has not judged it")

    def _require(self, what: str, where: str, holds: bool, rule: str) -> None:
        self._findings.require(what, where, holds, rule)


def _fills_of(event: Event) -> Iterator[Fill]:
    """Bookings of the clearing house, one for each entry."""
    for group, fills, payments in zip(
        event["groups"], event["fills"], event["payments"], strict=True
    ):
        traded = {who: pair(lane) for who, lane in lanes56(group, fills) if lane}
        yield Fill(traded, {who: paid for who, paid in lanes64(group, payments) if paid})


def _sides_of(trade: TradeWord) -> tuple[Fill, Fill]:
    seller, buyer, wh, price = trade
    paid = wh * price
    return (
        Fill({seller: (wh, 0)}, {seller: paid} if paid else {}),
        Fill({buyer: (0, wh)}, {buyer: -paid} if paid else {}),
    )


def trade_of(word: int) -> TradeWord | None:
    """Trade of a word in the log; None where the word is invalid."""
    try:
        return TradeWord.unpack(word)
    except ModelError:
        return None


def shown(trade: TradeWord | None) -> str:
    """Trade as a difference shows it."""
    if trade is None:
        return "no trade"
    seller, buyer, wh, price = trade
    return f"{seller} sells {buyer} {wh} Wh at {price} µEUR/Wh"


def _shown(seal: Seal | None) -> str | None:
    return None if seal is None else f"({seal.size}, 0x{seal.root.hex()})"
