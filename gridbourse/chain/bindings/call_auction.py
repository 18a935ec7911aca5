"""The call auction (`CallAuction.sol`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from eth_account.signers.local import LocalAccount

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.encoding.lanes import (
    ALL_GROUPS,
    group_words,
    lanes56,
    lanes64,
    pair,
)

PHASES = ("open", "cleared", "booked", "void")


class Fill(NamedTuple):
    """Trade of a participant: net energy (+ sells) and signed payment (+ receives)."""

    net_wh: int
    payment_micro_eur: int


@dataclass(frozen=True)
class Clearing:
    """Result of a clearing; the price is None when nothing trades."""

    matched_wh: int
    price_micro_eur_per_wh: int | None


class CallAuction(Bound):
    """The pool-based call auction."""

    def groups(self, area: int) -> list[int]:
        """Groups of an area, in participant order."""
        registry = self.chain.bind("ParticipantRegistry", self.read("registry"))
        return registry.functions.groupsOf(area, 0, ALL_GROUPS).call()

    def place(self, by: LocalAccount, period: int, side: int, tick: int, wh: int) -> None:
        """The caller's own order."""
        self.write(by, "order own", "place", period, side, tick, wh)

    def place_batch(
        self, gateway: LocalAccount, area: int, period: int, lanes: Mapping[int, int]
    ) -> None:
        """Orders under mandate: order lanes by participant number; those left out are in the log."""
        words, step = group_words(lanes), "orders mandate"
        receipt = self.write(gateway, step, "placeBatch", area, period, words, units=len(lanes))
        self.tell_left_out(receipt, "OrderLeftOut")

    def place_signed(
        self, gateway: LocalAccount, area: int, period: int, orders: Sequence[tuple[Any, ...]]
    ) -> None:
        """Orders the participants signed (see `signing.sign_order`); those left out are in the log."""
        step, units = "orders signed", len(orders)
        receipt = self.write(gateway, step, "placeSigned", area, period, orders, units=units)
        self.tell_left_out(receipt, "OrderLeftOut")

    def clear(self, by: LocalAccount, area: int, period: int) -> Clearing:
        """Clear after gate closure."""
        receipt = self.write(by, "clear", "clear", area, period)
        (found,) = self.events_in(receipt, "Cleared")
        matched = found["matchedWh"]
        return Clearing(matched, found["priceMicroEurPerWh"] if matched else None)

    def phase(self, area: int, period: int) -> str:
        """ "open", "cleared", "booked" or "void"."""
        return PHASES[self.read("sessionOf", area, period)[1]]

    def fills(self, area: int, period: int) -> dict[int, Fill]:
        """Fill of each participant that trades by the clearing that stands."""
        fills = {}
        for group, energies, payments in zip(*self.read("fillsOf", area, period), strict=True):
            paid = dict(lanes64(group, payments))
            for participant, lane in lanes56(group, energies):
                if lane:
                    sold, bought = pair(lane)
                    fills[participant] = Fill(sold - bought, paid[participant])
        return fills

    def book(
        self, by: LocalAccount, area: int, period: int, groups_a_call: int, units: int = 0
    ) -> None:
        """Book every fill, in as many transactions as it takes; `units` counts them for the gas."""
        while self.phase(area, period) != "booked":
            self.write(by, "book", "book", area, period, groups_a_call, units=units)
            units = 0
