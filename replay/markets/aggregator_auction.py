"""The aggregators' auctions of a replay: posted, answered openly or under seal, awarded as by the model."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from eth_utils import keccak

from gridbourse.agents.portfolios import Answer, Portfolios, Posted
from gridbourse.chain.bindings.aggregator_auction import Answer as ChainAnswer
from gridbourse.chain.bindings.aggregator_auction import commitment_to
from gridbourse.deployment.participants import account_name, routes_of
from gridbourse.model.aggregator_auction import award
from gridbourse.model.trade import TradeWord
from gridbourse.onboarding.pseudonyms import deployment_salt
from replay.markets.checked_trades import Judging, Match, Placed
from replay.markets.market import Ints, Trading
from replay.order_routes import GROUPS_A_CALL

ANSWERS_A_CALL = 250
AWARDED_GROUPS_A_CALL = GROUPS_A_CALL // 3


@dataclass
class AuctionPeriod:
    """One period's auctions, and the answers to each in participant order."""

    posted: list[Posted]
    answers: list[Answer]
    placed: list[Placed] = field(default_factory=list)


@dataclass
class AggregatorAuctionVenue:
    """Aggregators ask, prosumers answer, the rest follows from the model."""

    judging: Judging
    kind: str = "aggregator_auction"
    _sessions: dict[int, AuctionPeriod] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._scenario, self._members = self.judging.scenario, self.judging.members
        self._market = self.judging.market
        self._contract = self._market.aggregator_auction
        self._route_of = routes_of(self._scenario, self._members)

    @cached_property
    def _portfolios(self) -> Portfolios:
        return Portfolios(self._scenario)

    def trade(self, period: int, wanted_wh: Ints) -> Ints:
        """Post and answer; what is asked for and answered is promised until the award."""
        posted = self._portfolios.auctions(wanted_wh)
        number_of = self._members.number_of
        answers = sorted(
            self._portfolios.answers(period, wanted_wh, posted),
            key=lambda answer: (answer.auction, number_of[answer.point_id]),
        )
        self._sessions[period] = AuctionPeriod(posted, answers)
        sealed = self._scenario.auction_rules.is_sealed
        for one in posted:
            account = self._market.keys[account_name(one.aggregator.point)]
            self._contract.post(account, period, one.auction, sealed)
        if sealed:
            self._seal(period, answers)
        else:
            self._bring(period, answers)
        return self._promised(posted, answers)

    def withdraw(self, period: int) -> None:
        """Answers stand until the award."""

    def reveal(self, period: int) -> None:
        """Each shows its own answers, once no more are sealed."""
        if not self._scenario.auction_rules.is_sealed:
            return
        for answer in self._sessions[period].answers:
            self._contract.reveal(
                self._market.keys[account_name(answer.point_id)], period, answer.auction,
                ChainAnswer(answer.tick, answer.wh), self._salt(period, answer),
            )  # fmt: skip

    def close(self, period: int) -> Trading:
        """Clear and award every auction, and have the DSO judge each trade."""
        session = self._sessions.pop(period)
        operator = self._market.keys["operator"]
        for number in range(len(session.posted)):
            units = sum(answer.auction == number for answer in session.answers)
            self._contract.clear(operator, period, number)
            self._contract.award(operator, period, number, AWARDED_GROUPS_A_CALL, units)
        matches = [
            match
            for number in range(len(session.posted))
            for match in self._awarded(session, number)
        ]
        return self.judging.decide(self.kind, self._contract, period, session.placed, matches)

    # --- answers -------------------------------------------------------------------------------

    def _bring(self, period: int, answers: list[Answer]) -> None:
        """Own ones each by itself, the rest by the gateway: no aggregator answers its own auction."""
        keys, number_of = self._market.keys, self._members.number_of
        batches: dict[int, dict[int, ChainAnswer]] = defaultdict(dict)
        for answer in answers:
            given, who = ChainAnswer(answer.tick, answer.wh), number_of[answer.point_id]
            if self._route_of[answer.point_id] == "own":
                account = keys[account_name(answer.point_id)]
                self._contract.answer(account, period, answer.auction, who, given)
            else:
                batches[answer.auction][who] = given
        for number, given_by in batches.items():
            rows = [*given_by.items()]
            for start in range(0, len(rows), ANSWERS_A_CALL):
                some = dict(rows[start : start + ANSWERS_A_CALL])
                self._contract.answer_batch(keys["gateway"], period, number, some)

    def _seal(self, period: int, answers: list[Answer]) -> None:
        """By each itself: a seal that somebody else can break is none."""
        keys, number_of = self._market.keys, self._members.number_of
        for answer in answers:
            commitment = commitment_to(
                number_of[answer.point_id],
                ChainAnswer(answer.tick, answer.wh),
                self._salt(period, answer),
            )
            account = keys[account_name(answer.point_id)]
            self._contract.commit(account, period, answer.auction, commitment)

    def _salt(self, period: int, answer: Answer) -> bytes:
        """Known to nobody but who has the deployment's secret."""
        secret = deployment_salt(self._market.keys)
        return keccak(secret + f"{answer.point_id}/{period}/{answer.auction}".encode())

    # --- the model -----------------------------------------------------------------------------

    def _promised(self, posted: list[Posted], answers: list[Answer]) -> Ints:
        """Everything asked for and answered: none of it may be promised once more, + sells."""
        rows = {str(point): row for row, point in enumerate(self._scenario.points.index)}
        values = np.zeros(len(rows), dtype=np.int64)
        for one in posted:
            values[rows[one.aggregator.point]] += (
                -one.auction.wh if one.auction.buys else one.auction.wh
            )
        for answer in answers:
            sells = posted[answer.auction].auction.buys
            values[rows[answer.point_id]] += answer.wh if sells else -answer.wh
        return values

    def _awarded(self, session: AuctionPeriod, number: int) -> list[Match]:
        """The trades of an auction by the model, in participant order."""
        posted, band = session.posted[number], self._scenario.band
        auction, point = posted.auction, posted.aggregator.point
        answers = [answer for answer in session.answers if answer.auction == number]
        tick, wh = np.array([(a.tick, a.wh) for a in answers], np.int64).reshape(-1, 2).T
        found = award(auction, tick, wh, band)
        sides = ("bid", "offer") if auction.buys else ("offer", "bid")
        asked = Placed(point, "own", sides[0], auction.wh, band.price(auction.tick))
        session.placed.append(asked)
        aggregator = self._members.number_of[point]
        matches = []
        rows = zip(
            answers, found.won_wh.tolist(), found.price_micro_eur_per_wh.tolist(), strict=True
        )
        for answer, won, price in rows:
            route = self._route(answer)
            placed = Placed(answer.point_id, route, sides[1], answer.wh, band.price(answer.tick))
            session.placed.append(placed)
            if not won:
                continue
            who = self._members.number_of[answer.point_id]
            seller, buyer = (who, aggregator) if auction.buys else (aggregator, who)
            matches.append(Match(TradeWord(seller, buyer, won, price), (placed, asked)))
        return matches

    def _route(self, answer: Answer) -> str:
        itself = self._route_of[answer.point_id] == "own"
        return "own" if self._scenario.auction_rules.is_sealed or itself else "mandate"
