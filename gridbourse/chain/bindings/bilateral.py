"""The bilateral market's contract: the board of listings, the pairings, subscriptions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from eth_account.signers.local import LocalAccount

from gridbourse.chain.bindings.checked_trades import CheckedTrades
from gridbourse.chain.encoding.compact_signature import Signature

ANYONE, ANYWHERE, ANY_SOURCE = 0, 0, 0
LISTING_TYPE = {
    "Listing": [
        {"name": "area", "type": "uint8"},
        {"name": "period", "type": "uint32"},
        {"name": "participant", "type": "uint32"},
        {"name": "isRequest", "type": "bool"},
        {"name": "wh", "type": "uint32"},
        {"name": "limitMicroEurPerWh", "type": "uint16"},
        {"name": "partner", "type": "uint32"},
        {"name": "zone", "type": "uint16"},
        {"name": "sources", "type": "uint64"},
        {"name": "sequence", "type": "uint40"},
        {"name": "gateway", "type": "address"},
        {"name": "expiry", "type": "uint40"},
    ]
}


class Draft(NamedTuple):
    """An offer or a request as it is brought in; the limit is the least or the most price.

    zone, sources (one bit each): of a request, what it accepts; the registry says what a seller has.
    """

    participant: int
    is_request: bool
    wh: int
    limit_micro_eur_per_wh: int
    partner: int = ANYONE
    zone: int = ANYWHERE
    sources: int = ANY_SOURCE


class SignedDraft(NamedTuple):
    """A listing as its participant signed it for a gateway; see `sign_listing`."""

    draft: Draft
    sequence: int
    expiry: int
    r: bytes
    vs: bytes


def listing_domain(chain_id: int, market: str) -> dict[str, Any]:
    """The EIP-712 domain of a market: signatures bind the chain and the contract."""
    return {
        "name": "gridbourse BilateralMarket",
        "version": "1",
        "chainId": chain_id,
        "verifyingContract": market,
    }


def sign_listing(
    account: LocalAccount,
    domain: dict[str, Any],
    area: int,
    period: int,
    draft: Draft,
    sequence: int,
    gateway: str,
    expiry: int,
) -> SignedDraft:
    """For one gateway; the sequence rises with every listing signed for the period, from 1 on.

    expiry: unix seconds of block time.
    """
    names = [field["name"] for field in LISTING_TYPE["Listing"]]
    terms = dict(zip(names, (area, period, *draft, sequence, gateway, expiry), strict=True))
    signed = account.sign_typed_data(domain, LISTING_TYPE, terms)
    return SignedDraft(draft, sequence, expiry, *Signature.of(signed))


class Listing(NamedTuple):
    """A listing on the board; `wh` is what is left of it."""

    number: int
    draft: Draft


class PairingCall(NamedTuple):
    """`wh` of an offer for a request, both by their numbers on the board."""

    offer: int
    request: int
    wh: int
    price_micro_eur_per_wh: int


class BilateralMarket(CheckedTrades):
    """Neighbour to neighbour, for one market area."""

    TRADE_EVENT = "Paired"

    def words_of(self, event: dict[str, Any]) -> list[int]:
        """The one trade of a pairing."""
        return [event["trade"]]

    def subscribe(self, by: LocalAccount, periods: int) -> int:
        """Pay for more periods; the first one no longer covered."""
        receipt = self.write(by, "subscribe", "subscribe", periods)
        return self.events_in(receipt, "Subscribed")[0]["untilPeriod"]

    def list_drafts(self, by: LocalAccount, period: int, drafts: Sequence[Draft]) -> list[int]:
        """Put listings on the board, the caller's own or under mandate; their numbers, in order."""
        receipt = self.write(by, "list", "list", self.area, period, drafts, units=len(drafts))
        return [event["listing"] for event in self.events_in(receipt, "Listed")]

    def list_signed(
        self, gateway: LocalAccount, period: int, listings: Sequence[SignedDraft]
    ) -> list[int]:
        """Put listings on the board that participants signed for the gateway; their numbers."""
        receipt = self.write(
            gateway, "list signed", "listSigned", self.area, period, listings, units=len(listings)
        )
        return [event["listing"] for event in self.events_in(receipt, "Listed")]

    def withdraw(self, by: LocalAccount, period: int, listings: Sequence[int]) -> None:
        """Take listings off the board before gate closure."""
        self.write(
            by, "withdraw", "withdraw", self.area, period, listings, units=len(listings)
        )  # fmt: skip

    def board(self, period: int) -> list[Listing]:
        """Every listing of a period, those with nothing left among them."""
        _, count, _ = self.read("boardOf", self.area, period)
        rows = self.read("listingsOf", self.area, period, 0, count)
        return [Listing(number, Draft(*row[1:])) for number, row in enumerate(rows)]

    def pair(
        self, operator: LocalAccount, period: int, pairings: Sequence[PairingCall], a_call: int
    ) -> None:
        """Pair, so many to a transaction; Reverted when a pairing breaks a limit of its sides."""
        for start in range(0, len(pairings), a_call):
            page = pairings[start : start + a_call]
            self.write(operator, "pair", "pair", self.area, period, page, units=len(page))

    def release(self, by: LocalAccount, period: int, listings_a_call: int) -> None:
        """After gate closure give back what backs listings, page by page."""
        while True:
            _, count, released = self.read("boardOf", self.area, period)
            if released == count:
                return
            self.write(
                by, "release", "release", self.area, period, listings_a_call,
                units=min(listings_a_call, count - released),
            )  # fmt: skip
