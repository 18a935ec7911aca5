"""Flexibility that is asked for and offered, rebuilt: products, schedules, promises, requests, offers."""

from __future__ import annotations

from collections import defaultdict

from gridbourse.audit.core.agents import Agents
from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.rules import FlexibilityRules
from gridbourse.audit.core.transfers import Transfer
from gridbourse.audit.flexibility.posted_request import Kind, Offered, PostedRequest, product_of
from gridbourse.chain.bindings.flexibility import (
    NO_SALT,
    NO_SEED,
    lot_commitment,
    lot_drawn,
    salt_commitment,
)
from gridbourse.model.errors import ModelError
from gridbourse.model.flexibility import market as model
from gridbourse.model.flexibility.products import Buyers, Product, Way
from gridbourse.model.house_accounts import (
    MARGIN_ACCOUNT,
    SUPPLIER_ACCOUNT,
    TSO_ACCOUNT,
    dso_account,
    is_participant,
)
from gridbourse.model.trade import MOST_WH

WHAT = "flexibility"
MOST_REQUESTS, MOST_OF_PARTICIPANTS, MOST_OF_ONE = 64, 32, 2
LOT_BYTES = 27
"""Of a salt's commitment, what the chain keeps."""


class Requests:
    """Everything asked for and offered. `boards`: requests by area and period, in order."""

    name = "FlexibilityMarket"

    def __init__(
        self,
        rules: FlexibilityRules,
        common: Common,
        agents: Agents,
        mtu_seconds: int,
    ) -> None:
        self._rules, self._common, self._agents = rules, common, agents
        self._members, self._clock, self._findings = common.members, common.clock, common.findings
        self._reservations = common.reservations_of(self.name)
        self._mtu = mtu_seconds
        self.products: list[Product] = []
        self.boards: defaultdict[tuple[int, int], list[PostedRequest]] = defaultdict(list)
        self.schedules: dict[tuple[int, int], int] = {}
        self._fixed: set[tuple[int, int]] = set()
        self._declared_last: tuple[int, int] | None = None
        self._promised: dict[tuple[int, bool, int], tuple[int, Kind]] = {}

    # --- products and schedules ----------------------------------------------------------------

    def product_added(self, event: Event) -> None:
        """ProductAdded: numbered in order, and sound."""
        where = event.at("product")
        self._findings.compare("product", f"number, {where}", event["product"], len(self.products))
        product = product_of(event["terms"], self._mtu)
        try:
            product.require_sound(self._mtu)
        except ModelError as error:
            self._require("product", where, False, str(error))
        self.products.append(product)

    def schedule_declared(self, event: Event) -> None:
        """ScheduleDeclared: before delivery, and not once something was offered on it."""
        period, who = event["period"], event["participant"]
        where = event.at("period", "participant")
        self._clock.require_undelivered(period, f"schedule, {where}")
        free = (period, who) not in self._fixed
        self._require("schedule", where, free, "something is offered on it")
        known = who in self._members.participants and abs(event["wh"]) <= MOST_WH
        self._require("schedule", where, known, "of nobody, or too much")
        self.schedules[period, who] = event["wh"]
        self._declared_last = (period, who)

    def schedule_taken(self, event: Event) -> None:
        """ScheduleTaken: of what was declared just now, by the participant itself."""
        told = (event["period"], event["participant"])
        place = f"declared last, {event.at('period', 'participant')}"
        self._findings.compare("schedule", place, told, self._declared_last)

    def schedule_withdrawn(self, event: Event) -> None:
        """ScheduleWithdrawn: by the participant, while nothing is offered on it."""
        period, who = event["period"], event["participant"]
        where = event.at("period", "participant")
        self._clock.require_undelivered(period, f"schedule, {where}")
        free = (period, who) not in self._fixed and who in self._members.participants
        self._require("schedule", where, free, "something is offered on it, or of nobody")
        self.schedules.pop((period, who), None)

    # --- requests ------------------------------------------------------------------------------

    def posted(self, event: Event) -> None:
        """RequestPosted: numbered in order, within the rules, with its escrow and its energy."""
        area, period, buyer = event["area"], event["period"], event["buyer"]
        number, zone, direction, pay_as_bid, wh, tick, closes_at, only, lot = event["terms"]
        where = event.at("area", "period", "request")
        board = self.boards[area, period]
        self._findings.compare(WHAT, f"number, {where}", event["request"], len(board))
        if number >= len(self.products) or direction not in (1, 2, 3):
            self._require(WHAT, where, False, "no such product or direction")
            return
        product, way = self.products[number], Way(direction)
        house = {dso_account(area): Buyers.DSO, TSO_ACCOUNT: Buyers.TSO}
        bit = house.get(buyer, Buyers.PARTICIPANTS)
        mine = buyer in house or self._members.area_of(buyer) == area
        latest = period * self._mtu - model.lead_seconds(product, self._rules.reveal_seconds)
        least = 0 if buyer in house else model.LEAST_REQUEST_WH
        for holds, rule in (
            (len(board) < MOST_REQUESTS, "too many requests"),
            (mine, "of another area, or of nobody"),
            (self._leaves_room(board, buyer, period), "too many of participants, or no member"),
            (bool(product.buyers & bit), "not for this buyer"),
            (way is Way.BOTH if product.symmetric else way is not Way.BOTH, "not this way"),
            (bool(way & product.directions), "not this way"),
            (zone < len(self._members.zones), "no such zone"),
            (0 < wh <= MOST_WH, "too little or too much"),
            (wh >= least and (tick > 0 or not least), "too little to wait for"),
            (tick < self._rules.band.ticks, "outside the price band"),
            (closes_at <= latest, "closes too late to be activated"),
            ((lot != NO_SEED) == product.declared, "a lot is of declared schedules"),
        ):
            self._require(WHAT, where, holds, rule)
        self._clock.require_undelivered(period, f"request, {where}")
        self._clock.require_before(closes_at, f"request, {where}")
        request = model.Request(product, way, wh, tick, pay_as_bid, not is_participant(buyer))
        escrow = model.escrow_micro_eur(request, self._rules.band)
        asked = PostedRequest(
            len(board), buyer, number, zone, request, closes_at, only, lot, escrow
        )
        board.append(asked)
        self.move(where, (buyer, MARGIN_ACCOUNT, escrow))
        if self.takes_energy(asked):
            energy = asked.buyers_energy(wh)
            self._reservations.claim(period, buyer, energy, where)

    def _leaves_room(self, board: list[PostedRequest], buyer: int, period: int) -> bool:
        """Participants, active members in the period, do not take the place of DSO and TSO."""
        if not is_participant(buyer):
            return True
        others = [one.buyer for one in board if is_participant(one.buyer)]
        few = len(others) < MOST_OF_PARTICIPANTS and others.count(buyer) < MOST_OF_ONE
        return few and self._is_active_member(buyer, period)

    def _is_active_member(self, who: int, period: int) -> bool:
        member = self._members.participants.get(who)
        return member is not None and member.active and member.is_member(period)

    def takes_energy(self, asked: PostedRequest) -> bool:
        """Whether a participant buys what the meter shows, and so the energy itself."""
        return not asked.request.house and asked.request.product.metered(self._mtu)

    # --- offers --------------------------------------------------------------------------------

    def offered(self, event: Event) -> None:
        """FlexibilityOffered: by who may, of who can, before the request closes; bonded and promised."""
        if (asked := self.asked(event)) is None:
            return
        period, who = event["period"], event["participant"]
        agent, tick, wh = event["agent"], event["tick"], event["wh"]
        where = event.at("area", "period", "request", "participant")
        self._clock.require_before(asked.closes_at, where)
        offered = asked.offers.get(who, Offered(0, 0, 0))
        former = offered.wh
        own = former and offered.agent == who != agent
        lowers = offered.tick == tick and wh <= former
        zone = self._members.is_within(who, asked.zone)
        for holds, rule in (
            (self._agents.may_act(agent, who, period), "nobody who may bring it"),
            (agent == who or not self._one_with(agent, asked, period), "sold to its own side"),
            (not own, "it offers otherwise itself"),
            (wh <= MOST_WH, "too much energy"),
            (wh == 0 or self._members.area_of(who) == event["area"], "of another area"),
            (wh == 0 or zone, "outside the zone"),
            (wh == 0 or lowers or self._is_active_member(who, period), "no active member"),
            (wh == 0 or who != asked.buyer, "its own request"),
            (wh == 0 or asked.only in (0, who), "asked of another"),
            (wh == 0 or tick <= asked.request.tick, "beyond the ceiling"),
            (asked.cleared is None and not asked.is_void, "cleared before"),
        ):
            self._require("flexibility offer", where, holds, rule)
        self._promise(asked, period, who, former, wh, where)
        if asked.request.product.declared:
            there = wh == 0 or (period, who) in self.schedules
            self._require("flexibility offer", where, there, "no schedule was declared")
            (self._fixed.add if wh else self._fixed.discard)((period, who))
            sealed = wh == 0 or agent in asked.committed
            self._require("flexibility offer", where, sealed, "no salt was committed to")
        self._put_at_risk(asked, period, who, agent, wh, where)
        asked.offers[who] = Offered(agent, tick, wh)
        self.exchange_bond(asked, who, former, wh, where)
        self._reservations.exchange(period, who, asked.energy(former), asked.energy(wh), where)

    def _one_with(self, agent: int, asked: PostedRequest, period: int) -> bool:
        return self._agents.is_one_with(agent, asked.buyer, period)

    def _put_at_risk(
        self, asked: PostedRequest, period: int, who: int, agent: int, wh: int, where: str
    ) -> None:
        """Of agents only: what a participant offers itself is its own affair."""
        former = asked.offers.get(who, Offered(who, 0, 0))
        freed = self.bond(asked, former.wh) if former.agent != who else 0
        more = self.bond(asked, wh) if agent != who else 0
        if freed or more:
            self._agents.put_at_risk(period, who, agent, freed, more, where)

    def _promise(
        self, asked: PostedRequest, period: int, who: int, former: int, wh: int, where: str
    ) -> None:
        if former == wh:
            return
        product = asked.request.product
        kind = model.kind(product, asked.request.way, self._mtu)
        held, present = self._promised.get((period, product.reactive, who), (0, kind))
        if wh > former:
            member = self._members.participants.get(who)
            most = 0 if member is None else member.capacity_wh
            fits = model.may_promise(held - former, present, kind, wh, most)
            self._require("flexibility offer", where, fits, "promised otherwise, or too much")
        self._promised[period, product.reactive, who] = (held - former + wh, kind)

    def free(self, asked: PostedRequest, period: int, who: int, wh: int, won: int) -> None:
        """Give back what was promised, but for a schedule whose lot was drawn."""
        if asked.request.product.declared and not asked.is_void:
            return
        self._promise(asked, period, who, wh, won, "")

    # --- cleared -------------------------------------------------------------------------------

    def salt_committed(self, event: Event) -> None:
        """SaltCommitted: by an agent, before the request closes; of declared schedules alone."""
        if (asked := self.asked(event)) is None:
            return
        where = event.at("area", "period", "request", "agent")
        self._clock.require_before(asked.closes_at, where)
        self._require("lot", where, asked.request.product.declared, "no schedule is declared")
        asked.committed[event["agent"]] = event["lot"]

    def seed_shown(self, event: Event) -> None:
        """SeedShown: the one the request was committed to, in time and before any salt."""
        if (asked := self.asked(event)) is None:
            return
        where = event.at("area", "period", "request")
        self._clock.require_since(asked.closes_at, where)
        self._clock.require_before(asked.closes_at + self._rules.reveal_seconds, where)
        lot = lot_commitment(event["seed"])
        self._findings.compare("lot", where, lot, asked.lot)
        self._require("lot", where, asked.shown_at is None, "shown before")
        asked.seed, asked.shown_at = event["seed"], self._clock.time

    def salt_shown(self, event: Event) -> None:
        """SaltShown: the one its agent was committed to, in time and after the seed."""
        if (asked := self.asked(event)) is None:
            return
        agent, salt = event["agent"], event["salt"]
        where = event.at("area", "period", "request", "agent")
        there = asked.shown_at is not None and asked.cleared is None and not asked.is_void
        self._require("lot", where, there, "the seed is not shown, or it was cleared before")
        self._clock.require_before((asked.shown_at or 0) + self._rules.reveal_seconds, where)
        told, lot = salt_commitment(salt)[:LOT_BYTES], asked.committed.get(agent, b"")[:LOT_BYTES]
        self._findings.compare("lot", where, told, lot)
        self._require("lot", where, agent not in asked.salts, "shown before")
        asked.salts[agent] = salt

    def withheld(self, event: Event) -> None:
        """LotWithheld: by a buyer, as its request becomes void; by an agent, as its offers are awarded."""
        if (asked := self.asked(event)) is None:
            return
        account, amount = event["account"], event["amountMicroEur"]
        where = event.at("area", "period", "request", "account")
        if account != asked.buyer:
            asked.forfeited[account] = amount
            return
        offered = sum(offer.wh for offer in asked.offers.values())
        due = model.seed_withheld_micro_eur(asked.request, offered, self._rules.band)
        self._findings.compare("lot", f"µEUR for a seed withheld, {where}", amount, due)
        without = asked.shown_at is None and asked.request.product.declared
        self._require("lot", where, without, "its seed was shown")
        self.move(where, (MARGIN_ACCOUNT, SUPPLIER_ACCOUNT, due))
        asked.escrow -= due
        asked.seed_forfeited = due

    def bond_of_withheld(self, asked: PostedRequest, wh: int) -> int:
        """Amount that an offer loses whose salt is withheld."""
        return model.salt_withheld_micro_eur(asked.request, wh, self._rules.band)

    def cleared(self, event: Event) -> None:
        """RequestCleared: once, after it closed and before delivery, as the model does."""
        if (asked := self.asked(event)) is None:
            return
        period, where = event["period"], event.at("area", "period", "request")
        self._clock.require_since(asked.closes_at, where)
        self._clock.require_undelivered(period, where)
        first = asked.cleared is None and not asked.is_void
        self._require(WHAT, where, first, "cleared before")
        offers = [self._drawn(asked, event["area"], period, who) for who in asked.offering]
        if asked.request.product.declared:
            self._require("lot", where, asked.shown_at is not None, "no seed was shown")
            if any(offer.withheld for offer in offers):
                shown_at = asked.shown_at or 0
                self._clock.require_since(shown_at + self._rules.reveal_seconds, where)
        try:
            found = model.clear(asked.request, offers, self._rules.band, self._mtu)
        except ModelError as error:
            self._require(WHAT, where, False, str(error))
            return
        asked.cleared = found
        margin = (0, 0, 0)
        if found.margin is not None:
            margin = (found.margin.tick, found.margin.accepted_wh, found.margin.offered_wh)
        self._findings.compare(WHAT, f"Wh, {where}", event["volumeWh"], found.volume_wh)
        self._findings.compare(WHAT, f"margin, {where}", tuple(event["margin"]), margin)

    @staticmethod
    def _drawn(asked: PostedRequest, area: int, period: int, who: int) -> model.Offer:
        """An offer with what the lot has for it."""
        offer = asked.offers[who]
        if not asked.request.product.declared:
            return model.Offer(who, offer.agent, offer.tick, offer.wh)
        salt = asked.salts.get(offer.agent)
        known = salt or NO_SALT
        drawn = lot_drawn(asked.seed, known, area, period, asked.number, who)
        return model.Offer(who, offer.agent, offer.tick, offer.wh, drawn, salt is None)

    def voided(self, event: Event) -> None:
        """RequestVoid: only once delivery has begun, or when the time for the seed is over."""
        if (asked := self.asked(event)) is None:
            return
        where = event.at("area", "period", "request")
        start, seedless = event["period"] * self._mtu, asked.shown_at is None
        if asked.request.product.declared and seedless:
            start = min(start, asked.closes_at + self._rules.reveal_seconds)
            offered = sum(offer.wh for offer in asked.offers.values())
            due = model.seed_withheld_micro_eur(asked.request, offered, self._rules.band)
            self._findings.compare("lot", f"µEUR forfeited, {where}", asked.seed_forfeited, due)
        self._clock.require_since(start, where)
        self._require(WHAT, where, asked.cleared is None, "cleared before")
        asked.is_void = True

    # -------------------------------------------------------------------------------------------

    def asked(self, event: Event) -> PostedRequest | None:
        """The request an event is of."""
        board = self.boards[event["area"], event["period"]]
        there = event["request"] < len(board)
        self._require(WHAT, event.at("area", "period", "request"), there, "no such request")
        return board[event["request"]] if there else None

    def bond(self, asked: PostedRequest, wh: int) -> int:
        """Bond of so much of an offer."""
        return model.bond_micro_eur(asked.request, wh, self._rules.band) if wh else 0

    def exchange_bond(
        self, asked: PostedRequest, who: int, former: int, wh: int, where: str
    ) -> None:
        """The bond changes with the offer."""
        change = self.bond(asked, wh) - self.bond(asked, former)
        self.move(
            where, (who, MARGIN_ACCOUNT, change) if change > 0 else (MARGIN_ACCOUNT, who, -change)
        )

    def move(self, where: str, *expected: tuple[int, int, int]) -> None:
        """The next transfers of the market must be these (payer, payee, µEUR)."""
        due = [Transfer(*each) for each in expected]
        self._common.transfers.move_next(self.name, due, where)

    def _require(self, what: str, where: str, holds: bool, rule: str) -> None:
        self._findings.require(what, where, holds, rule)
