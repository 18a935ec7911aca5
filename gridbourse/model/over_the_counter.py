"""Over the counter: a strip of periods at one price, the margins behind it, and the cost of a default.

Two parties agree in private ([Talari-nd] §3.3): the same energy at the same price in one
period (spot) or in many (forward). Each puts a margin aside. A party that defaults in a
period owes the other the loss of trading with the supplier instead, out of the margin, while it lasts.
`contracts/market/over_the_counter/OverTheCounter.sol` must equal this reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gridbourse.model.errors import ModelError
from gridbourse.model.trade import MOST_PRICE_MICRO_EUR_PER_WH, MOST_WH

SALT_BYTES = 32


class TermsError(ModelError):
    """Terms outside the rules."""


class DealOutcome(Enum):
    """Outcome of one period of a strip."""

    BOOKED = "booked"
    REJECTED = "rejected by the grid: nobody's fault, nobody owes"
    SELLER_DEFAULTS = "the seller had no energy to promise"
    BUYER_DEFAULTS = "the buyer could not pay"
    BOTH_DEFAULT = "neither did its part: neither owes"


@dataclass(frozen=True)
class SupplierPrices:
    """Prices at which the supplier sells and buys in place of the other party in a period, µEUR/Wh."""

    retail: int
    feed_in: int


@dataclass(frozen=True)
class Margins:
    """Margin that each party has set aside, µEUR."""

    seller: int
    buyer: int


@dataclass(frozen=True)
class DealTerms:
    """Terms that both parties sign: `wh` in each of `count` periods from `first_period` on.

    salt: random bytes that keep the terms' commitment from being guessed.
    Raises TermsError.
    """

    seller: int
    buyer: int
    first_period: int
    count: int
    wh: int
    price_micro_eur_per_wh: int
    seller_margin_micro_eur: int
    buyer_margin_micro_eur: int
    salt: bytes

    def __post_init__(self) -> None:
        if self.seller == self.buyer:
            raise TermsError(f"terms: buyer {self.buyer} must not be the seller")
        for name, value, least, most in (
            ("first_period", self.first_period, 0, None),
            ("count", self.count, 1, None),
            ("wh", self.wh, 1, MOST_WH),
            ("price", self.price_micro_eur_per_wh, 0, MOST_PRICE_MICRO_EUR_PER_WH),
            ("seller_margin", self.seller_margin_micro_eur, 0, None),
            ("buyer_margin", self.buyer_margin_micro_eur, 0, None),
        ):
            if type(value) is not int or value < least or (most is not None and value > most):
                end = "" if most is None else f" and at most {most}"
                raise TermsError(f"terms: {name} {value} must be an integer, at least {least}{end}")
        if len(self.salt) != SALT_BYTES:
            raise TermsError(f"terms: salt has {len(self.salt)} bytes, must have {SALT_BYTES}")

    @property
    def periods(self) -> range:
        """The periods of the strip."""
        return range(self.first_period, self.first_period + self.count)

    @property
    def margins(self) -> Margins:
        """Margins that both set aside when they sign."""
        return Margins(self.seller_margin_micro_eur, self.buyer_margin_micro_eur)

    @property
    def payment_micro_eur(self) -> int:
        """Payment of the buyer in a period, µEUR."""
        return self.wh * self.price_micro_eur_per_wh


@dataclass(frozen=True)
class Step:
    """One period of a strip, µEUR.

    paid: price of the booked energy, from buyer to seller. to_buyer, to_seller: damages, out of the
    other's margin. unpaid: damages that the margin no longer covered. left: the margins afterwards.
    """

    period: int
    outcome: DealOutcome
    paid: int
    to_buyer: int
    to_seller: int
    unpaid: int
    left: Margins


@dataclass(frozen=True)
class Walk:
    """Whole strip: its steps, and the change of each party's money from before it was signed.

    Both changes sum to zero: the rest of the margins has gone back.
    """

    steps: tuple[Step, ...]
    seller_micro_eur: int
    buyer_micro_eur: int


def damages(terms: DealTerms, outcome: DealOutcome, prices: SupplierPrices) -> int:
    """Damages that the party in default owes the other for one period, µEUR.

    Without the seller the buyer buys at the retail price; without the buyer the seller is paid
    the feed-in tariff. A default that leaves the other no worse off costs nothing.
    """
    price = terms.price_micro_eur_per_wh
    match outcome:
        case DealOutcome.SELLER_DEFAULTS:
            return max(prices.retail - price, 0) * terms.wh
        case DealOutcome.BUYER_DEFAULTS:
            return max(price - prices.feed_in, 0) * terms.wh
        case _:
            return 0


def margins_needed(terms: DealTerms, prices: SupplierPrices) -> Margins:
    """Margins that cover a default in every period at these prices, µEUR."""
    return Margins(
        seller=terms.count * damages(terms, DealOutcome.SELLER_DEFAULTS, prices),
        buyer=terms.count * damages(terms, DealOutcome.BUYER_DEFAULTS, prices),
    )


def step(
    terms: DealTerms, period: int, held: Margins, outcome: DealOutcome, prices: SupplierPrices
) -> Step:
    """One period of a strip, with the margins held before it."""
    if period not in terms.periods:
        raise TermsError(f"period: {period} is not one of the strip's {terms.periods}")
    owed = damages(terms, outcome, prices)
    to_buyer = min(owed, held.seller) if outcome is DealOutcome.SELLER_DEFAULTS else 0
    to_seller = min(owed, held.buyer) if outcome is DealOutcome.BUYER_DEFAULTS else 0
    return Step(
        period=period,
        outcome=outcome,
        paid=terms.payment_micro_eur if outcome is DealOutcome.BOOKED else 0,
        to_buyer=to_buyer,
        to_seller=to_seller,
        unpaid=owed - to_buyer - to_seller,
        left=Margins(held.seller - to_buyer, held.buyer - to_seller),
    )


def walk(terms: DealTerms, course: Sequence[tuple[DealOutcome, SupplierPrices]]) -> Walk:
    """Whole strip, given the course of each of its periods, in order.

    Raises TermsError when the course is not as long as the strip.
    """
    if len(course) != terms.count:
        raise TermsError(f"course: has {len(course)} periods, the strip {terms.count}")
    steps: list[Step] = []
    held = terms.margins
    for period, (outcome, prices) in zip(terms.periods, course, strict=True):
        steps.append(step(terms, period, held, outcome, prices))
        held = steps[-1].left
    paid = sum(each.paid for each in steps)
    return Walk(
        steps=tuple(steps),
        seller_micro_eur=paid
        + sum(each.to_seller for each in steps)
        + held.seller
        - terms.margins.seller,
        buyer_micro_eur=-paid
        + sum(each.to_buyer for each in steps)
        + held.buyer
        - terms.margins.buyer,
    )
