"""The chain as the verifying oracle sees it: legs that wait, deadlines, and how they come to an end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from eth_account.signers.local import LocalAccount

from gridbourse.chain.bindings.flexibility import Flexibility
from oracle.verifier.feed import OpenLeg, Report

PAGE: Final = 200
"""Participants asked about in one call."""
EVIDENCE_SECONDS, METHOD = 7, 8
"""Places in `Product` of IFlexibility.sol."""


class ChainVerification:
    """A `VerificationPort` of one market area.

    participants: numbers of all that may hold a leg, asked anew each time since people come and go.
    """

    def __init__(
        self,
        flexibility: Flexibility,
        verifier: LocalAccount,
        participants: Callable[[], Sequence[int]],
    ):
        self._flexibility = flexibility
        self._verifier = verifier
        self._participants = participants

    def open_legs(self, period: int) -> list[OpenLeg]:
        """Of every request whose trades were judged, by request and participant."""
        market = self._flexibility.market
        return [
            leg
            for request in range(market.requests(period))
            if market.phase(period, request) == "awarded"
            for leg in self._legs(period, request)
        ]

    def _legs(self, period: int, request: int) -> Iterator[OpenLeg]:
        flexibility = self._flexibility
        asked = flexibility.market.read("requestOf", flexibility.area, period, request)
        product = flexibility.products.read("productOf", asked[2])
        everybody = sorted(self._participants())
        for at in range(0, len(everybody), PAGE):
            found = flexibility.market.legs(period, request, everybody[at : at + PAGE])
            for participant, leg in sorted(found.items()):
                yield OpenLeg(
                    request, participant, product[METHOD], product[EVIDENCE_SECONDS],
                    not leg.stands_by,
                )  # fmt: skip

    def readings_closed(self, period: int) -> bool:
        """Whether a reading that is missing is nothing delivered by now."""
        deadline = self._deadline(period)
        return 0 < deadline < self._now()

    def overdue(self, period: int) -> bool:
        """Whether the time for verification is over."""
        deadline = self._deadline(period)
        window = self._flexibility.delivery.read("verificationWindowSeconds")
        return deadline > 0 and deadline + window < self._now()

    def verify(self, period: int, request: int, reports: Sequence[Report]) -> str:
        """Against committed baselines, as verifier."""
        rows = [(r.participant, r.baseline_wh, r.evidence_seconds, r.evidence) for r in reports]
        return self._send("verify", period, request, rows)

    def verify_declared(self, period: int, request: int, participants: Sequence[int]) -> str:
        """Against the schedules on the chain."""
        return self._send("verifyDeclared", period, request, list(participants))

    def lapse(self, period: int, request: int, participants: Sequence[int]) -> str:
        """Gives back what nobody verified in time."""
        return self._send("lapse", period, request, list(participants))

    def _send(self, function: str, period: int, request: int, rows: list[Any]) -> str:
        flexibility = self._flexibility
        receipt = flexibility.delivery.write(
            self._verifier, f"flexibility {function}", function,
            flexibility.area, period, request, rows, units=len(rows),
        )  # fmt: skip
        return str(receipt["transactionHash"].to_0x_hex())

    def _deadline(self, period: int) -> int:
        return int(self._flexibility.delivery.read("deadlineOf", self._flexibility.area, period))

    def _now(self) -> int:
        """Block time."""
        return int(self._flexibility.delivery.chain.w3.eth.get_block("latest")["timestamp"])
