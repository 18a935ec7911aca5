"""The flexibility market of a test, kept in plain Python beside the chain: `gridbourse.model` decides."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from gridbourse.model.flexibility.market import (
    Finding,
    Leg,
    Offer,
    Outcome,
    aggregators_part,
    bond_micro_eur,
    claim_moved,
    clear,
    compensation_micro_eur,
    escrow_micro_eur,
    kind,
    may_promise,
    salt_withheld_micro_eur,
    seed_withheld_micro_eur,
    verify,
    verify_by_evidence,
)
from gridbourse.model.flexibility.products import Way
from tests.contracts.flexibility_hall import (
    BAND,
    DSO,
    MARGIN,
    SUPPLIER,
    TSO,
    FlexibilityHall,
    P,
    Posted,
)
from tests.contracts.market import CAPACITY_WH, HOLD_RATE, MTU
from tests.contracts.refusal import ask

HOUSE = (DSO, SUPPLIER, MARGIN, TSO)


@dataclass
class Life:
    """What a request has come to."""

    posted: Posted
    closes_at: int
    escrow: int
    legs: dict[int, Leg] = field(default_factory=dict)
    waiting: list[list[Any]] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    delivered_wh: int = 0
    shown: bool = False
    withheld: set[int] = field(default_factory=set)
    cleared: bool = False
    awarded: bool = False
    ended: bool = False

    @property
    def way(self) -> Way:
        return self.posted.request.way

    @property
    def reactive(self) -> bool:
        return self.posted.request.product.reactive

    @property
    def metered(self) -> bool:
        return self.posted.request.product.metered(MTU)


class Mirror:
    """Every account, reservation, position and token that the chain has to have."""

    def __init__(self, hall: FlexibilityHall, contracts: dict[int, tuple[int, int]]) -> None:
        self.hall, self.contracts = hall, contracts
        self.people = hall.whole.in_area(0)
        accounts = [*HOUSE, *(m.number for m in self.people)]
        self.money = {who: hall.balance(who) for who in accounts}
        self.out: dict[int, int] = defaultdict(int)
        self.into: dict[int, int] = defaultdict(int)
        self.sold: dict[int, int] = defaultdict(int)
        self.bought: dict[int, int] = defaultdict(int)
        self.credited: dict[tuple[int, bool], int] = defaultdict(int)
        self.tokens: dict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
        self.lives: list[Life] = []
        self.verified_wh = self.redeemed_wh = 0
        self.silent = False

    def move(self, frm: int, to: int, amount: int) -> None:
        self.money[frm] -= amount
        self.money[to] += amount

    def reserve(self, who: int, way: Way, wh: int) -> None:
        if way & Way.UP:
            self.out[who] += wh
        if way & Way.DOWN:
            self.into[who] += wh

    # --- requests and offers -------------------------------------------------------------------

    def posted(self, posted: Posted, closes_at: int) -> None:
        life = Life(posted, closes_at, escrow_micro_eur(posted.request, BAND))
        self.lives.append(life)
        self.move(posted.buyer, MARGIN, life.escrow)
        self._buyer_reserves(life, posted.request.wh)

    def _buyer_reserves(self, life: Life, wh: int) -> None:
        if not life.posted.request.house and life.metered:
            self.reserve(life.posted.buyer, Way.DOWN if life.way is Way.UP else Way.UP, wh)

    def may_offer(self, life: Life, who: int, wh: int) -> bool:
        """By the model, whatever else it promised in the period."""
        new, others, present = self._kind(life), 0, self._kind(life)
        for other in self.lives:
            if other is life or other.reactive != life.reactive:
                continue
            promised = self._promised(other, who)
            if promised:
                others, present = others + promised, self._kind(other)
        return who != life.posted.buyer and may_promise(others, present, new, wh, CAPACITY_WH)

    def _promised(self, life: Life, who: int) -> int:
        offer = life.posted.offers.get(who)
        if offer is None:
            return 0
        if not life.cleared or life.posted.request.product.declared:
            return offer.wh
        leg = life.legs.get(who)
        kept = leg.wh if leg and not leg.stands_by else 0
        return kept if life.awarded else offer.wh

    @staticmethod
    def _kind(life: Life) -> Any:
        return kind(life.posted.request.product, life.way, MTU)

    def offered(self, life: Life, who: int, former: Offer | None, wh: int) -> None:
        before = former.wh if former else 0
        request = life.posted.request
        bonds = bond_micro_eur(request, wh, BAND) - bond_micro_eur(request, before, BAND)
        self.move(who, MARGIN, bonds)
        if not life.reactive:
            self.reserve(who, life.way, wh - before)

    # --- clearing, awards, verdicts ------------------------------------------------------------

    def clear(self, life: Life) -> None:
        rows = [life.posted.offers[who] for who in sorted(life.posted.offers)]
        offers = [row._replace(withheld=row.agent in life.withheld) for row in rows]
        found = clear(life.posted.request, offers, BAND, MTU)
        life.outcomes = dict(zip((o.participant for o in offers), found.outcomes, strict=True))
        life.legs = {leg.participant: leg for leg in found.legs}
        life.cleared = True

    def void(self, life: Life) -> None:
        """Delivery began before it was cleared: all that was offered goes back. A seed that was not shown
        costs its buyer."""
        life.cleared = True
        if life.posted.request.product.declared and not life.shown:
            offered = sum(offer.wh for offer in life.posted.offers.values())
            lost = seed_withheld_micro_eur(life.posted.request, offered, BAND)
            self.move(MARGIN, SUPPLIER, lost)
            life.escrow -= lost

    def award(self, life: Life) -> None:
        """Every offer gives back what it did not win, and the part of the bond."""
        for who, offer in life.posted.offers.items():
            leg = life.legs.get(who)
            bond = leg.bond_micro_eur if leg else 0
            won = leg.wh if leg and not leg.stands_by else 0
            if life.outcomes.get(who) is Outcome.WITHHELD:
                bond = salt_withheld_micro_eur(life.posted.request, offer.wh, BAND)
                self.move(MARGIN, SUPPLIER, bond)
            self.move(MARGIN, who, bond_micro_eur(life.posted.request, offer.wh, BAND) - bond)
            if not life.reactive:
                self.reserve(who, life.way, won - offer.wh)
        life.awarded = True
        self.end_if_done(life)

    def rejected(self, life: Life, who: int) -> None:
        leg = life.legs.pop(who)
        self.move(MARGIN, who, leg.bond_micro_eur)
        if not life.reactive:
            self.reserve(who, life.way, -leg.wh)

    def end_if_done(self, life: Life) -> None:
        if life.ended or not life.awarded or life.legs:
            return
        life.ended = True
        self.move(MARGIN, life.posted.buyer, life.escrow)
        life.escrow = 0
        self._buyer_reserves(life, life.delivered_wh - life.posted.request.wh)

    # --- delivery ------------------------------------------------------------------------------

    def find(self, life: Life, who: int, stated: int, reading: int | None) -> Finding:
        product, leg = life.posted.request.product, life.legs[who]
        credited = self.credited[who, life.reactive]
        if not life.metered:
            return verify_by_evidence(leg, product, stated, product.evidence_seconds, credited)
        return verify(leg, product, life.way, stated, reading, credited, self.silent)

    @staticmethod
    def _credited(life: Life, leg: Leg, found: Finding, is_read: bool) -> int:
        """Of a metered response what a leg wanted, of evidence what it was paid for."""
        if not life.metered:
            return found.delivered_wh
        return leg.wh if is_read and not leg.stands_by else 0

    def verified(self, life: Life, who: int, found: Finding, is_read: bool = True) -> int:
        """The seller's side of a leg; what the aggregator gets of it."""
        leg = life.legs.pop(who)
        aggregator, permille = self.contracts.get(who, (0, 1_000))
        shared = aggregators_part(found.paid_micro_eur, permille)
        if shared:
            self.move(MARGIN, aggregator, shared)
        self.move(MARGIN, life.posted.buyer, found.damages_micro_eur)
        self.move(MARGIN, SUPPLIER, found.penalty_micro_eur - found.damages_micro_eur)
        self.move(MARGIN, who, leg.bond_micro_eur - found.penalty_micro_eur)
        life.escrow -= found.paid_micro_eur
        if not leg.stands_by and not life.reactive:
            moved = found.delivered_wh if life.metered else 0
            self.reserve(who, life.way, moved - leg.wh)
        self.credited[who, life.reactive] += self._credited(life, leg, found, is_read)
        if life.metered:
            self._shift(who, life.way, found.delivered_wh)
            if not life.posted.request.house:
                other = Way.DOWN if life.way is Way.UP else Way.UP
                self._shift(life.posted.buyer, other, found.delivered_wh)
        life.delivered_wh += found.delivered_wh
        self._mint(life, who, found.delivered_wh, found.paid_micro_eur - shared)
        return shared

    def _shift(self, who: int, way: Way, wh: int) -> None:
        (self.sold if way is Way.UP else self.bought)[who] += wh

    def _mint(self, life: Life, who: int, wh: int, claim: int) -> None:
        if wh:
            token = self.hall.token_of(life.posted)
            held, before = self.tokens[token].get(who, (0, 0))
            self.tokens[token][who] = (held + wh, before + claim)
            self.verified_wh += wh

    def compensate(self, life: Life, delivered_wh: int) -> None:
        """For all legs of one call together."""
        if not life.metered:
            return
        buyer, request = life.posted.buyer, life.posted.request
        paid = compensation_micro_eur(request, delivered_wh, self.money[SUPPLIER])
        if paid >= 0:
            self.move(SUPPLIER, buyer, paid)
        else:
            self.move(MARGIN, SUPPLIER, -paid)
            life.escrow += paid

    def lapsed(self, life: Life, who: int) -> None:
        leg = life.legs.pop(who)
        self.move(MARGIN, who, leg.bond_micro_eur)
        if not leg.stands_by and not life.reactive:
            self.reserve(who, life.way, -leg.wh)

    # --- tokens --------------------------------------------------------------------------------

    def transferred(self, token: int, frm: int, to: int, wh: int) -> None:
        held, claim = self.tokens[token][frm]
        moved = claim_moved(claim, held, wh)
        self.tokens[token][frm] = (held - wh, claim - moved)
        there, before = self.tokens[token].get(to, (0, 0))
        self.tokens[token][to] = (there + wh, before + moved)

    def redeemed(self, token: int, who: int) -> None:
        held, claim = self.tokens[token].pop(who)
        self.move(MARGIN, who, claim)
        self.redeemed_wh += held

    # --- what has to hold ----------------------------------------------------------------------

    def free(self, who: int) -> int:
        """Free money: what is there less what is held for energy reserved."""
        return self.money[who] - self.into[who] * HOLD_RATE

    def check(self) -> None:
        """Everything, after every step."""
        hall, numbers = self.hall, [m.number for m in self.people]
        accounts = [*HOUSE, *numbers]
        balances = ask(*((hall.whole.house.balanceOf, who) for who in accounts))
        assert dict(zip(accounts, balances, strict=True)) == {
            who: self.free(who) for who in accounts
        }
        if self.lives:
            energies = ask(*((hall.whole.house.accountInPeriod, who, P) for who in numbers))
            assert {who: tuple(e[1:5]) for who, e in zip(numbers, energies, strict=True)} == {
                who: (self.out[who], self.into[who], self.sold[who], self.bought[who])
                for who in numbers
            }
        self._check_tokens()
        kept = sum(life.escrow + self._bonds(life) for life in self.lives)
        claims = sum(claim for held in self.tokens.values() for _, claim in held.values())
        assert self.money[MARGIN] == kept + claims
        assert hall.whole.money_sum() == 0

    def _bonds(self, life: Life) -> int:
        if life.awarded:
            return sum(leg.bond_micro_eur for leg in life.legs.values())
        request = life.posted.request
        return sum(bond_micro_eur(request, o.wh, BAND) for o in life.posted.offers.values())

    def _check_tokens(self) -> None:
        hall = self.hall
        total = 0
        for token, held in self.tokens.items():
            supply = tuple(hall.token.supplyOf(token))
            assert supply == tuple(sum(pair[i] for pair in held.values()) for i in (0, 1))
            total += supply[0]
            for who, pair in held.items():
                account = hall.whole.registry.accountOf(who)
                assert (
                    hall.token.balanceOf(account, token), hall.token.claimOf(token, account)
                ) == pair  # fmt: skip
        assert total == self.verified_wh - self.redeemed_wh


def pick(draw: random.Random, some: Any) -> Any:
    """One of some, in an order that does not depend on anything but the draw."""
    return draw.choice(list(some))
