"""Flexibility market of a replay, before energy is traded: needs, requests, offers, awards, verdicts.

The DSO buys what its power flow shows to be missing, by one product after the other; then TSO and
participants request. The chain clears as `gridbourse.model.flexibility.market` does, and the DSO judges every
trade on the real grid, its own included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from gridbourse.agents.flexibility_offers import PossibleOffer, Sellers
from gridbourse.agents.portfolios import Portfolios
from gridbourse.chain.bindings.flexibility import (
    NO_SALT,
    NO_SEED,
    RequestTerms,
    Row,
    lot_commitment,
    lot_drawn,
    salt_commitment,
)
from gridbourse.chain.bindings.portfolios import GATEWAY_BIT
from gridbourse.deployment.participants import account_name, routes_of
from gridbourse.model.flexibility import market as model
from gridbourse.model.flexibility.products import Way
from gridbourse.model.house_accounts import TSO_ACCOUNT
from gridbourse.model.trade import TradeWord
from gridbourse.onboarding.pseudonyms import deployment_salt
from gridbourse.scenario.flexibility import DSO, TSO, PlannedRequest
from oracle.dso.flexibility_need import Need, needs
from oracle.dso.grid_check import GridView
from oracle.dso.verdict import Verdict
from oracle.dso.zones import Zones
from replay.markets.checked_trades import Judging, VenueError, require_same
from replay.markets.market import Ints
from replay.order_routes import GROUPS_A_CALL

KIND = "flexibility"
OFFERS_A_CALL = 60
BASELINE_BACK = 1
"""Periods that have to be metered before anything against a baseline of readings is bought."""


class Bought(NamedTuple):
    """Leg of a request: the seller's point, its obligation, and True where the DSO rejected it."""

    point_id: str
    leg: model.Leg
    rejected: bool


@dataclass
class PlacedRequest:
    """Request in a period. account: the buyer's; buyer: "dso", "tso" or a connection point.

    agents: the salt of each agent whose offers by declared schedules are under it.
    """

    number: int
    buyer: str
    account: int
    product: int
    zone: str
    request: model.Request
    seed: bytes
    agents: dict[int, bytes] = field(default_factory=dict)
    offers: list[model.Offer] = field(default_factory=list)
    bought: list[Bought] = field(default_factory=list)


@dataclass
class FlexibilityPeriod:
    """Result of a period. declared_wh: schedules; promised: by participant, kind and quantity."""

    asked: list[PlacedRequest] = field(default_factory=list)
    needed: list[Need] = field(default_factory=list)
    declared_wh: dict[int, int] = field(default_factory=dict)
    promised: dict[int, tuple[tuple[Way, bool, bool], int]] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)


@dataclass
class FlexibilityMarket:
    """Market that takes a period's flexibility from need to DSO verdict. `sessions`: by period."""

    judging: Judging
    view: GridView
    sessions: dict[int, FlexibilityPeriod] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scenario, members = self.judging.scenario, self.judging.members
        self.table = scenario.flexibility_table
        self.chain = self.judging.market.flexibility
        self._keys = self.judging.market.keys
        self._sellers = Sellers(scenario, self.table, self.judging.homes)
        self._zones = Zones(
            {str(p): str(zone) for p, zone in scenario.points["zone"].items()}, scenario.zones
        )
        self._route_of = routes_of(scenario, members)
        portfolios = Portfolios(scenario)
        self._mandated = {
            point: portfolios.aggregator_of[point].point for point in portfolios.mandated
        }
        registry = self.judging.market.registry
        self._gateway = registry.read("gatewayNumberOf", self._keys["gateway"].address)
        self._capacity_wh = (scenario.points["capacity_w"] * scenario.mtu.hours).astype("int64")

    # --- a period ------------------------------------------------------------------------------

    def buy(self, period: int) -> None:
        """All requests of a period, step by step; the clock advances by a second in each."""
        session = self.sessions[period] = FlexibilityPeriod()
        for product in self.table.dso.products if self.table.dso else ():
            found = self._needs(period)
            session.needed = session.needed or found
            self._step(period, self._calls_of(period, product, found))
        if self.table.calls:
            self._step(period, self.table.calls_in(period))

    def moved_wh(self, period: int) -> Ints:
        """Energy moved by what was bought and not rejected, over all points of the scenario, + injects."""
        return self.judging.grid_feed.moved_wh(period)

    def _needs(self, period: int) -> list[Need]:
        schedule = self.judging.forecast_wh(period) + self.moved_wh(period)
        return needs(self.view, self._zones, schedule, self.judging.scenario.forecast_var(period))

    def _calls_of(self, period: int, product: int, found: Sequence[Need]) -> list[PlannedRequest]:
        """Requests of the DSO for a product, need by need."""
        assert self.table.dso is not None
        terms = self.table.products[product]
        metered_before = period - self.judging.scenario.first_period
        if not terms.declared and metered_before < BASELINE_BACK:
            return []
        ways = {1: Way.UP, -1: Way.DOWN}
        share = 1 + self.table.dso.reserve
        return [
            PlannedRequest(
                DSO,
                period,
                product,
                ways[need.direction.value],
                math.ceil(need.wh * share),
                self.table.dso.tick,
                need.zone,
            )
            for need in found
            if ways[need.direction.value] & terms.directions
        ]

    def _step(self, period: int, calls: Sequence[PlannedRequest]) -> None:
        """Post requests, collect offers, and once all are closed clear, award and judge them."""
        if not calls:
            return
        clock, operator = self.judging.market.clock, self._keys["operator"]
        closes_at = clock.timestamp() + 1
        asked = [self._ask(period, call, closes_at) for call in calls]
        for one in asked:
            self._offer(period, one)
        clock.advance_to(operator, closes_at)
        trades: list[TradeWord] = []
        owners: list[tuple[PlacedRequest, model.Leg]] = []
        for one in asked:
            awarded = self._clear(period, one)
            trades += [self._word(one, leg) for leg in awarded]
            owners += [(one, leg) for leg in awarded]
        self._judge(period, trades, owners)

    # --- asked and offered ---------------------------------------------------------------------

    def _ask(self, period: int, call: PlannedRequest, closes_at: int) -> PlacedRequest:
        product, session = self.table.products[call.product], self.sessions[period]
        seed = self._seed(period, len(session.asked)) if product.declared else NO_SEED
        lot = lot_commitment(seed) if product.declared else NO_SEED
        terms = RequestTerms(
            call.product, self.judging.members.zones[call.zone], call.way, self.table.pay_as_bid,
            call.wh, call.tick, closes_at, lot=lot,
        )  # fmt: skip
        house = call.buyer in (DSO, TSO)
        key = call.buyer if house else account_name(call.buyer)
        number = self.chain.request(self._keys[key], period, terms)
        account = {DSO: self.judging.market.dso_account, TSO: TSO_ACCOUNT}.get(call.buyer)
        if account is None:
            account = self.judging.members.number_of[call.buyer]
        asked = PlacedRequest(
            number, call.buyer, account, call.product, call.zone,
            model.Request(product, call.way, call.wh, call.tick, self.table.pay_as_bid, house), seed,
        )  # fmt: skip
        session.asked.append(asked)
        return asked

    def _seed(self, period: int, place: int) -> bytes:
        """Seed of a lot, known only to a holder of the deployment's secret until it is revealed."""
        return keccak(deployment_salt(self._keys) + f"lot/{period}/{place}".encode())

    def _offer(self, period: int, asked: PlacedRequest) -> None:
        """Offers of all sellers that may and can: schedules first, where the product rests on them."""
        mine = [able for able in self._able(period, asked) if self._may(period, asked, able)]
        number_of = self.judging.members.number_of
        mine.sort(key=lambda able: number_of[able.point_id])
        by_agent: dict[str, list[PossibleOffer]] = {}
        for able in mine:
            by_agent.setdefault(self._agent_key(able.point_id, asked), []).append(able)
        if asked.request.product.declared:
            self._declare(period, by_agent)
        for key, ables in by_agent.items():
            rows = [Row(number_of[able.point_id], able.tick, able.wh) for able in ables]
            lot = self._commit(period, asked, key, self._agent_number(ables[0].point_id, asked))
            for start in range(0, len(rows), OFFERS_A_CALL):
                some = rows[start : start + OFFERS_A_CALL]
                self.chain.offer(self._account(key), period, asked.number, some, lot)
        session = self.sessions[period]
        for able in mine:
            who = number_of[able.point_id]
            agent = self._agent_number(able.point_id, asked)
            salt = asked.agents.get(agent, NO_SALT)
            drawn = lot_drawn(asked.seed, salt, self.judging.market.area, period, asked.number, who)
            asked.offers.append(model.Offer(who, agent, able.tick, able.wh, drawn))
            kind = self._kind(asked)
            former = session.promised.get(who, (kind, 0))[1]
            session.promised[who] = (kind, former + able.wh)

    def _commit(self, period: int, asked: PlacedRequest, key: str, agent: int) -> bytes:
        """Commitment of an agent's offers by declared schedules, with a salt that nobody else knows."""
        if not asked.request.product.declared:
            return NO_SEED
        place = f"salt/{period}/{asked.number}".encode()
        salt = keccak(bytes(self._account(key).key) + place)[: len(NO_SALT)]
        asked.agents[agent] = salt
        return salt_commitment(salt)

    def _able(self, period: int, asked: PlacedRequest) -> list[PossibleOffer]:
        able = self._sellers.able(period, asked.request.product, asked.request.way)
        return [
            one
            for one in able
            if one.tick <= asked.request.tick
            and one.point_id != asked.buyer
            and self._zones.holds(asked.zone, one.point_id)
        ]

    def _may(self, period: int, asked: PlacedRequest, able: PossibleOffer) -> bool:
        kind, who = self._kind(asked), self.judging.members.number_of[able.point_id]
        present, others = self.sessions[period].promised.get(who, (kind, 0))
        most = int(self._capacity_wh[able.point_id])
        return model.may_promise(others, present, kind, able.wh, most)

    def _kind(self, asked: PlacedRequest) -> tuple[Way, bool, bool]:
        mtu_seconds = self.judging.scenario.mtu_seconds
        return model.kind(asked.request.product, asked.request.way, mtu_seconds)

    def _declare(self, period: int, by_agent: dict[str, list[PossibleOffer]]) -> None:
        expected = self.judging.forecast_wh(period)
        members, session = self.judging.members, self.sessions[period]
        for key, ables in by_agent.items():
            schedules = {
                who: int(expected[members.row_of[who]])
                for who in (members.number_of[able.point_id] for able in ables)
                if who not in session.declared_wh
            }
            if schedules:
                self.chain.declare(self._account(key), period, schedules)
                session.declared_wh |= schedules

    def _agent_key(self, point: str, asked: PlacedRequest) -> str:
        """Key of the agent that brings an offer: the aggregator with a mandate, the participant, the gateway.

        The gateway has everybody's mandate, so to a participant each seller offers itself.
        """
        if not asked.request.house:
            return account_name(point)
        if point in self._mandated:
            return account_name(self._mandated[point])
        return account_name(point) if self._route_of[point] == "own" else "gateway"

    def _agent_number(self, point: str, asked: PlacedRequest) -> int:
        number_of = self.judging.members.number_of
        key = self._agent_key(point, asked)
        if key == account_name(point):
            return number_of[point]
        return GATEWAY_BIT | self._gateway if key == "gateway" else number_of[self._mandated[point]]

    def _account(self, key: str) -> LocalAccount:
        return self._keys[key]

    # --- cleared, awarded, judged --------------------------------------------------------------

    def _clear(self, period: int, asked: PlacedRequest) -> list[model.Leg]:
        """Legs that are called, cleared and awarded on the chain as by the model."""
        operator = self._keys["operator"]
        if asked.request.product.declared:
            self.chain.show_seed(operator, period, asked.number, asked.seed)
            for agent, salt in asked.agents.items():
                self.chain.show_salt(operator, period, asked.number, agent, salt)
        self.chain.clear(operator, period, asked.number, GROUPS_A_CALL)
        awarded = self.chain.market.award(operator, period, asked.number, GROUPS_A_CALL)
        asked.offers.sort(key=lambda offer: offer.participant)
        mtu_seconds = self.judging.scenario.mtu_seconds
        cleared = model.clear(asked.request, asked.offers, self.table.band, mtu_seconds)
        called = [leg for leg in cleared.legs if not leg.stands_by]
        require_same(KIND, period, awarded, [self._word(asked, leg) for leg in called])
        self._require_legs(period, asked, cleared.legs)
        point_of = self.judging.members.point_of
        asked.bought = [Bought(point_of[leg.participant], leg, False) for leg in cleared.legs]
        won = {leg.participant: leg.wh for leg in cleared.legs}
        for offer in asked.offers:
            self._release(
                period, asked, offer.participant, offer.wh - won.get(offer.participant, 0)
            )
        return called

    def _release(self, period: int, asked: PlacedRequest, who: int, wh: int) -> None:
        """Release a promise, to be made again; where a schedule is declared its one promise stays."""
        if not asked.request.product.declared:
            promised = self.sessions[period].promised
            kind, others = promised[who]
            promised[who] = (kind, others - wh)

    def _require_legs(self, period: int, asked: PlacedRequest, legs: Sequence[model.Leg]) -> None:
        numbers = [offer.participant for offer in asked.offers]
        found = self.chain.market.legs(period, asked.number, numbers)
        chain = {
            who: model.Leg(
                who, leg.wh, leg.price_micro_eur_per_wh, leg.bond_micro_eur, leg.stands_by
            )
            for who, leg in found.items()
        }
        expected = {leg.participant: leg for leg in legs}
        if chain != expected:
            raise VenueError(
                f"{KIND}, period {period}, request {asked.number}: legs {chain} on the chain,"
                f" {expected} by the model"
            )

    def _word(self, asked: PlacedRequest, leg: model.Leg) -> TradeWord:
        parties = (leg.participant, asked.account)
        seller, buyer = parties if asked.request.way is Way.UP else parties[::-1]
        return TradeWord(seller, buyer, leg.wh, leg.price_micro_eur_per_wh)

    def _judge(
        self,
        period: int,
        trades: Sequence[TradeWord],
        owners: Sequence[tuple[PlacedRequest, model.Leg]],
    ) -> None:
        """Bring the DSO's verdicts; legs not rejected are called."""
        judging = self.judging
        schedule, reactive = judging.forecast_wh(period), judging.scenario.forecast_var(period)
        verdicts = judging.grid_feed.check_flexibility(period, schedule, reactive)
        self.sessions[period].verdicts += verdicts
        judged = [
            (trade, place in verdict.rejected)
            for verdict in verdicts
            for place, trade in enumerate(verdict.trades)
        ]
        require_same(KIND, period, [trade for trade, _ in judged], trades)
        for (asked, leg), (_, rejected) in zip(owners, judged, strict=True):
            point = judging.members.point_of[leg.participant]
            if rejected:
                asked.bought[asked.bought.index(Bought(point, leg, False))] = Bought(
                    point, leg, True
                )
                self._release(period, asked, leg.participant, leg.wh)
            elif judging.homes is not None and point in judging.homes.households:
                wh = leg.wh if asked.request.way is Way.UP else -leg.wh
                judging.homes.activate(period, point, wh)
