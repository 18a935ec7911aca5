"""Deals over the counter: what two parties sign, its file for the DSO, and the market's contract.

A deal has an open part (its parties, their margins) and hidden terms (area, periods, energy, price)
of which the chain gets a salted hash. Who is given the file of a deal checks it against the chain.
"""

import json
from dataclasses import dataclass
from typing import Any

from eth_abi import encode
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from gridbourse.chain.bindings.checked_trades import CheckedTrades
from gridbourse.chain.encoding.compact_signature import Signature
from gridbourse.errors import GridbourseError
from gridbourse.model.over_the_counter import DealTerms, Margins

DEAL_TYPES = {
    "Terms": [
        {"name": "area", "type": "uint8"},
        {"name": "firstPeriod", "type": "uint32"},
        {"name": "count", "type": "uint16"},
        {"name": "wh", "type": "uint32"},
        {"name": "priceMicroEurPerWh", "type": "uint16"},
        {"name": "salt", "type": "bytes32"},
    ],
    "Deal": [
        {"name": "seller", "type": "uint32"},
        {"name": "buyer", "type": "uint32"},
        {"name": "sellerMarginMicroEur", "type": "uint64"},
        {"name": "buyerMarginMicroEur", "type": "uint64"},
        {"name": "expiry", "type": "uint40"},
        {"name": "terms", "type": "Terms"},
    ],
}
_TERMS = [field["type"] for field in DEAL_TYPES["Terms"]]
_TERMS_KIND = f"Terms({','.join('{type} {name}'.format(**f) for f in DEAL_TYPES['Terms'])})"
_BITS = {
    "seller": 32, "buyer": 32, "seller_margin_micro_eur": 64, "buyer_margin_micro_eur": 64,
    "expiry": 40, "area": 8, "first_period": 32, "count": 16,
}  # fmt: skip
PHASES = ("none", "concluded", "closed")


class DealError(GridbourseError):
    """A deal that the chain cannot hold, a bad file of one, or one the chain does not have."""


def deal_domain(chain_id: int, market: str) -> dict[str, Any]:
    """The EIP-712 domain of a market: signatures bind the chain and the contract."""
    return {
        "name": "gridbourse OverTheCounter",
        "version": "1",
        "chainId": chain_id,
        "verifyingContract": market,
    }


@dataclass(frozen=True)
class Deal:
    """Terms in one area; expiry: unix seconds of block time until which signatures may be used.

    Raises DealError.
    """

    terms: DealTerms
    area: int
    expiry: int

    def __post_init__(self) -> None:
        for name, bits in _BITS.items():
            value = self._values[name]
            if type(value) is not int or not 0 <= value < 1 << bits:
                raise DealError(f"deal: {name} {value} must be an integer of {bits} bits")

    @property
    def _values(self) -> dict[str, Any]:
        return {**vars(self.terms), "area": self.area, "expiry": self.expiry}

    # --- as the chain has it -------------------------------------------------------------------

    @property
    def hidden(self) -> tuple[Any, ...]:
        """The `Terms` tuple of the contract."""
        t = self.terms
        return (
            self.area, t.first_period, t.count, t.wh, t.price_micro_eur_per_wh, t.salt,
        )  # fmt: skip

    @property
    def open(self) -> tuple[Any, ...]:
        """The `Deal` tuple of the contract: the hidden part as its hash."""
        return (*self._parties, self.terms_hash())

    @property
    def _parties(self) -> tuple[int, ...]:
        t = self.terms
        margins = (t.seller_margin_micro_eur, t.buyer_margin_micro_eur)
        return (t.seller, t.buyer, *margins, self.expiry)

    def terms_hash(self) -> bytes:
        """The commitment to the hidden part; it serves as the commitment of a quote too."""
        return keccak(encode(["bytes32", *_TERMS], [keccak(text=_TERMS_KIND), *self.hidden]))

    def digest(self, domain: dict[str, Any]) -> bytes:
        """Digest that both parties sign (EIP-712), and the deal's name on the chain."""
        signable = self._signable(domain)
        return keccak(b"\x19" + signable.version + signable.header + signable.body)

    def sign(self, account: LocalAccount, domain: dict[str, Any]) -> Signature:
        """The whole deal, signed: a wallet shows every one of its values."""
        return Signature.of(account.sign_message(self._signable(domain)))

    def _signable(self, domain: dict[str, Any]) -> Any:
        names = ([field["name"] for field in DEAL_TYPES[kind]] for kind in ("Deal", "Terms"))
        of_deal, of_terms = names
        terms = dict(zip(of_terms, self.hidden, strict=True))
        return encode_typed_data(
            domain, DEAL_TYPES, dict(zip(of_deal, (*self._parties, terms), strict=True))
        )

    # --- as a file -----------------------------------------------------------------------------

    def to_json(self) -> str:
        """The opened deal, for the other party and the DSO."""
        return json.dumps(self._values | {"salt": f"0x{self.terms.salt.hex()}"}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Deal":
        """The deal of a file; DealError for a bad file, TermsError for terms outside the rules."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise DealError(f"deal: no JSON: {error}") from error
        if not isinstance(values, dict):
            raise DealError("deal: must be an object of fields")
        names = {*DealTerms.__dataclass_fields__, "area", "expiry"}
        if values.keys() != names:
            odd = ", ".join(sorted(values.keys() ^ names))
            raise DealError(f"deal: {odd}: fields that are missing, or that a deal has not")
        values["salt"] = _bytes(values["salt"])
        for name, value in values.items():
            if name != "salt" and type(value) is not int:
                raise DealError(f"deal: {name} {value!r} must be an integer")
        area, expiry = values.pop("area"), values.pop("expiry")
        return cls(DealTerms(**values), area, expiry)


def _bytes(text: Any) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except (AttributeError, ValueError) as error:
        raise DealError(f"deal: salt {text!r} must be hexadecimal") from error


class OverTheCounter(CheckedTrades):
    """The contract, for one market area."""

    TRADE_EVENT = "DealPerformed"

    def words_of(self, event: dict[str, Any]) -> list[int]:
        """The one trade of a performed period."""
        return [event["trade"]]

    @property
    def domain(self) -> dict[str, Any]:
        """Domain that signatures are bound to."""
        return deal_domain(self.chain.w3.eth.chain_id, self.address)

    def request(self, by: LocalAccount, commitment: bytes) -> int:
        """Ask for quotes; the request's number."""
        receipt = self.write(by, "otc quote", "request", commitment)
        return self.events_in(receipt, "QuoteRequested")[0]["request"]

    def quote(self, by: LocalAccount, request: int, commitment: bytes) -> None:
        """Answer a request; the hash of the terms offered is a good commitment."""
        self.write(by, "otc quote", "quote", request, commitment)

    def conclude(
        self, by: LocalAccount, deal: Deal, by_seller: Signature, by_buyer: Signature
    ) -> bytes:
        """Put a signed deal on the record; its digest."""
        receipt = self.write(by, "otc conclude", "conclude", deal.open, by_seller, by_buyer)
        return self.events_in(receipt, "DealConcluded")[0]["deal"]

    def verify(self, deal: Deal) -> Margins:
        """Margins of a deal left on the chain, µEUR.

        DealError unless these very terms were concluded there and are not closed.
        """
        digest = deal.digest(self.domain)
        phase, seller, buyer = self.read("stateOf", digest)
        if PHASES[phase] != "concluded":
            what = "closed" if PHASES[phase] == "closed" else "not concluded with these terms"
            raise DealError(f"deal 0x{digest.hex()}: {what} on the chain")
        return Margins(seller, buyer)

    def perform(self, by: LocalAccount, deal: Deal, period: int) -> list[int]:
        """Perform a period; who is in default, nobody when it became a trade."""
        receipt = self.write(by, "otc perform", "perform", deal.open, deal.hidden, period)
        return [event["participant"] for event in self.events_in(receipt, "Defaulted")]

    def close(self, by: LocalAccount, deal: Deal) -> Margins:
        """Give the margins back after the last period's gate closure; how much, µEUR."""
        receipt = self.write(by, "otc close", "close", deal.open, deal.hidden)
        closed = self.events_in(receipt, "Closed")[0]
        return Margins(closed["sellerMicroEur"], closed["buyerMicroEur"])
