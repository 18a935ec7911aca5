"""Local flexibility market, which `contracts/flexibility` must equal.

A buyer requests a quantity of a product in a grid zone, up or down, under a ceiling price. Sellers in
that zone or below offer; an offer counts when those of its agent together reach the minimum bid. Against
declared schedules a lot decides which offers stand by: f / (1 + f) of the offers are called, where f is the
penalty as a share of the price, so that no false schedule pays (see `baseline.schedule`).
It is drawn from a seed of the buyer and a salt of the agent that brought the offer, both committed before
either is revealed. An offer stands by with what it might have been awarded, never more than was requested.
The cheapest called offers win; the last tick is shared pro rata in participant order. What is delivered
against the baseline is paid, what is missing is penalised, never beyond the bond: the buyer gets damages
for what it bought and did not get, at most the penalty on what it requested; the rest of a penalty goes to
the supplier, which balances deviations from a schedule, so that no buyer gains by anybody's error.

Source: [Talari-nd] §3.2, [Khajeh2022] §2.4, [Strang-nd] §II.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np

from gridbourse.model.aggregator_auction import Auction, award
from gridbourse.model.call_auction import Band, Margin
from gridbourse.model.errors import ModelError
from gridbourse.model.flexibility.baseline.delivery import Direction, penalty_micro_eur
from gridbourse.model.flexibility.baseline.schedule import LotTerms, UntruthfulTerms
from gridbourse.model.flexibility.products import Product, Way
from gridbourse.model.settlement import Prices

PERMILLE = 1000
LOT_REVEAL_SECONDS = 60
"""Time in which the seed of a lot is revealed after its request closed, and then again the salts, unless a
deployment sets another. A program follows with a salt; a minute is thirty blocks."""
LEAST_REQUEST_WH = 100
"""Least request of a participant: settlement waits for its request as for any other."""


class EvidenceTooCoarse(ModelError):
    """Evidence whose resolution does not prove the product."""


@dataclass(frozen=True)
class Request:
    """Request of a buyer; tick: its ceiling. house: True where it is DSO or TSO, not a participant."""

    product: Product
    way: Way
    wh: int
    tick: int
    pay_as_bid: bool = False
    house: bool = True


class Offer(NamedTuple):
    """Offer of one participant. agent: brought it; drawn: its draw in the lot, any whole number.

    withheld: True where its agent did not reveal the salt of its lot.
    """

    participant: int
    agent: int
    tick: int
    wh: int
    drawn: int = 0
    withheld: bool = False


class Outcome(Enum):
    """Outcome of an offer once its request is cleared."""

    AWARDED = "awarded"
    LOST = "lost"
    TOO_SMALL = "too small"
    STANDS_BY = "stands by"
    WITHHELD = "withheld"


@dataclass(frozen=True)
class Leg:
    """Obligation of a participant under a request, awarded or standing by, Wh, µEUR/Wh and µEUR."""

    participant: int
    wh: int
    price_micro_eur_per_wh: int
    bond_micro_eur: int
    stands_by: bool = False


@dataclass(frozen=True)
class Cleared:
    """Result of a clearing. outcomes: one an offer, in its order; legs: those awarded or standing by."""

    volume_wh: int
    margin: Margin | None
    outcomes: tuple[Outcome, ...]
    legs: tuple[Leg, ...]


@dataclass(frozen=True)
class Finding:
    """Result of verification for one leg; off_wh: the Wh penalised.

    damages_micro_eur: the buyer's part of the penalty, for what it bought and is shown not to have got.
    """

    delivered_wh: int
    off_wh: int
    paid_micro_eur: int
    penalty_micro_eur: int
    damages_micro_eur: int


# --- which products may be traded ----------------------------------------------------------------


def lot_terms(product: Product, way: Way, price: int, ceiling: int) -> LotTerms:
    """Terms of an offer on a declared schedule at a price under a ceiling, µEUR/Wh."""
    direction = Direction.UP if way is Way.UP else Direction.DOWN
    percent, compensation = product.penalty_percent, product.compensation_micro_eur_per_wh
    return LotTerms(direction, price, ceiling, percent, compensation)


def require_truthful(product: Product, band: Band, prices: Prices) -> None:
    """UntruthfulTerms where a false schedule could pay under a product at these energy prices and fees.

    Only declared schedules are chosen by the seller; other methods are bounded by their benchmark alone.
    """
    if not product.declared:
        return
    highest = band.price(band.ticks - 1)
    for way in (Way.UP, Way.DOWN):
        if product.directions & way:
            try:
                lot_terms(product, way, highest, highest).require_truthful(prices)
            except UntruthfulTerms as error:
                raise UntruthfulTerms(f"product {product.name}: {error}") from None


def lead_seconds(product: Product, reveal_seconds: int) -> int:
    """Least time from closing a request for a product to delivery: its activation, and its lot."""
    return product.full_activation_seconds + 2 * reveal_seconds * product.declared


# --- who may offer -------------------------------------------------------------------------------


def within(zone: int, asked: int, parents: Mapping[int, int]) -> bool:
    """True where a grid zone is the one requested or lies below it; zone 0 is above all."""
    while zone != asked:
        if zone == 0:
            return False
        zone = parents[zone]
    return True


def kind(product: Product, way: Way, mtu_seconds: int) -> tuple[Way, bool, bool]:
    """Kind of a promise: direction, by declared schedule, proven by the meter."""
    return way, product.declared, product.metered(mtu_seconds)


def may_promise(
    others_wh: int,
    present: tuple[Way, bool, bool],
    new: tuple[Way, bool, bool],
    wh: int,
    most_wh: int,
) -> bool:
    """True where a participant that promised `others_wh` elsewhere in the period may promise `wh` more.

    All one direction and one kind of proof, or a Wh could be shown twice; a declared schedule in one
    request only, or a second lot would call it too often; all together within the connection's capacity.
    """
    fits = others_wh == 0 or (present == new and not new[1])
    return fits and others_wh + wh <= most_wh


def within_allowance(at_risk: int, freed: int, more: int, allowance: int) -> bool:
    """True where an agent may put bonds of `more` µEUR in place of `freed` at risk in a participant's name.

    at_risk: of all agents' offers in the period so far; a reduction always passes.
    """
    return more <= freed or at_risk - freed + more <= allowance


# --- money ---------------------------------------------------------------------------------------


def base_micro_eur_per_wh(product: Product, way: Way, price_micro_eur_per_wh: int) -> int:
    """Base of the penalty for a Wh of deviation: its price and, downwards, the worth of its energy."""
    given = product.compensation_micro_eur_per_wh if way is Way.DOWN else 0
    return price_micro_eur_per_wh + given


def bond_micro_eur(request: Request, wh: int, band: Band) -> int:
    """Cost of missing a whole offer at the ceiling price: every penalty is paid from it."""
    base = base_micro_eur_per_wh(request.product, request.way, band.price(request.tick))
    return penalty_micro_eur(wh, base, request.product.penalty_percent)


def escrow_micro_eur(request: Request, band: Band) -> int:
    """Greatest cost of a request, without what the supplier pays the buyer."""
    return _cost(request, request.wh, band)


def _cost(request: Request, wh: int, band: Band) -> int:
    compensated = request.house and request.way is Way.DOWN
    extra = request.product.compensation_micro_eur_per_wh if compensated else 0
    return wh * (band.price(request.tick) + extra)


def seed_withheld_micro_eur(request: Request, offered_wh: int, band: Band) -> int:
    """Loss of a buyer that does not reveal the seed of its lot: the most it might have come to pay."""
    return _cost(request, min(offered_wh, request.wh), band)


def salt_withheld_micro_eur(request: Request, wh: int, band: Band) -> int:
    """Loss of an offer of `wh` whose salt is not revealed: the most it could lose otherwise."""
    return bond_micro_eur(request, stands_by_wh(request, wh, True), band)


def stands_by_wh(request: Request, wh: int, might_win: bool) -> int:
    """Quantity with which an offer not called stands by: the most that it could have been awarded."""
    return min(wh, request.wh) if might_win else 0


def aggregators_part(paid_micro_eur: int, permille: int) -> int:
    """Aggregator's part of a payment, where the prosumer gets `permille`; rounded down."""
    return paid_micro_eur * max(PERMILLE - permille, 0) // PERMILLE


def compensation_micro_eur(request: Request, delivered_wh: int, supplier_micro_eur: int) -> int:
    """Payment of the supplier to the buyer (< 0: from it) for energy moved; never more than it has.

    Upwards it was paid for energy it did not send, downwards it sent energy that is not paid to it. A
    participant buys the energy itself.
    """
    if not request.house:
        return 0
    amount = delivered_wh * request.product.compensation_micro_eur_per_wh
    return min(amount, max(supplier_micro_eur, 0)) if request.way is Way.UP else -amount


def claim_moved(claim_micro_eur: int, held_wh: int, moved_wh: int) -> int:
    """Part of a claim that goes with tokens, rounded down; the rest stays."""
    return claim_micro_eur * moved_wh // held_wh if held_wh else 0


# --- clearing ------------------------------------------------------------------------------------


def called(drawn: int, percent: int) -> bool:
    """True where the lot calls an offer: f / (1 + f) of all draws; see `truthful_share`."""
    return drawn % (100 + percent) < percent


def clear(request: Request, offers: Sequence[Offer], band: Band, mtu_seconds: int) -> Cleared:
    """Clear a request; offers in participant order, each within the ceiling. ModelError otherwise."""
    product = request.product
    pools: dict[int, int] = {}
    for offer in offers:
        pools[offer.agent] = pools.get(offer.agent, 0) + offer.wh
    least = product.minimum_bid_wh(mtu_seconds)
    outcomes = []
    for offer in offers:
        if pools[offer.agent] < least:
            outcomes.append(Outcome.TOO_SMALL)
        elif product.declared and offer.withheld:
            outcomes.append(Outcome.WITHHELD)
        elif product.declared and not called(offer.drawn, product.penalty_percent):
            outcomes.append(Outcome.STANDS_BY)
        else:
            outcomes.append(Outcome.LOST)
    running = [i for i, outcome in enumerate(outcomes) if outcome is Outcome.LOST]
    found = award(
        Auction(True, request.wh, request.tick, request.pay_as_bid),
        np.array([offers[i].tick for i in running], dtype=np.int64),
        np.array([offers[i].wh for i in running], dtype=np.int64),
        band,
    )
    won = dict(zip(running, found.won_wh.tolist(), strict=True))
    legs = []
    for i, offer in enumerate(offers):
        if won.get(i):
            outcomes[i] = Outcome.AWARDED
        stands_by = outcomes[i] is Outcome.STANDS_BY
        wh = won.get(i, 0)
        if stands_by:
            last = found.margin.tick if found.margin else 0
            might_win = found.volume_wh < request.wh or offer.tick <= last
            wh = stands_by_wh(request, offer.wh, might_win)
        if wh:
            price = _price(request, offer, found.margin, band)
            bond = bond_micro_eur(request, wh, band)
            legs.append(Leg(offer.participant, wh, price, bond, stands_by))
        elif stands_by:
            outcomes[i] = Outcome.LOST
    return Cleared(found.volume_wh, found.margin, tuple(outcomes), tuple(legs))


def _price(request: Request, offer: Offer, margin: Margin | None, band: Band) -> int:
    """Price of a leg; standing by, its possible price at least: a penalty must not be cheaper."""
    uniform = margin is not None and not request.pay_as_bid
    return band.price(max(offer.tick, margin.tick) if margin and uniform else offer.tick)


# --- delivery ------------------------------------------------------------------------------------


def response_wh(way: Way, baseline_wh: int, metered_wh: int) -> int:
    """Change of net injection in the requested direction; < 0 in the other."""
    return metered_wh - baseline_wh if way is Way.UP else baseline_wh - metered_wh


def verify(
    leg: Leg,
    product: Product,
    way: Way,
    baseline_wh: int,
    metered_wh: int | None,
    before_wh: int = 0,
    silent: bool = False,
) -> Finding:
    """Verify a leg by the meter; metered_wh None: no reading in time, or one beyond the capacity.

    Then nothing was delivered, and nothing is shown that the buyer missed: the penalty is the
    supplier's. silent: no meter of the area was read in the period, which is no seller's doing: nothing is
    penalised. before_wh: part of the response that earlier legs of the participant in the period claimed and
    were measured for: one response is paid for once, in that order, whatever the reading is.
    """
    wanted = 0 if leg.stands_by else leg.wh
    if metered_wh is None:
        return _finding(leg, product, way, 0, 0 if silent else leg.wh, 0)
    response = response_wh(way, baseline_wh, metered_wh)
    delivered = max(0, min(response - before_wh, wanted))
    off = abs(response - wanted) if product.declared else wanted - delivered
    return _finding(leg, product, way, delivered, off, wanted - delivered)


def verify_by_evidence(
    leg: Leg, product: Product, shown_wh: int, evidence_seconds: int, credited_wh: int = 0
) -> Finding:
    """Verify a product that no energy meter proves: the evidence states the delivery. EvidenceTooCoarse.

    shown_wh: all that is shown, of which `credited_wh` was paid under earlier legs of the same quantity.
    """
    if not 0 < evidence_seconds <= product.evidence_seconds:
        raise EvidenceTooCoarse(
            f"participant {leg.participant}: evidence_seconds {evidence_seconds} do not prove"
            f" {product.name}, which needs {product.evidence_seconds}"
        )
    delivered = max(0, min(shown_wh - credited_wh, leg.wh))
    # No energy comes with it, so neither does a direction matter.
    missed = leg.wh - delivered
    return _finding(leg, product, Way.UP, delivered, missed, missed)


def _finding(
    leg: Leg, product: Product, way: Way, delivered_wh: int, off_wh: int, missed_wh: int
) -> Finding:
    price = leg.price_micro_eur_per_wh
    base = base_micro_eur_per_wh(product, way, price)
    penalty, damages = (
        min(penalty_micro_eur(wh, base, product.penalty_percent), leg.bond_micro_eur)
        for wh in (off_wh, missed_wh)
    )
    return Finding(delivered_wh, off_wh, delivered_wh * price, penalty, damages)
