"""Aggregator auctions, rebuilt: posted, answered, cleared and awarded (`AggregatorAuction.sol`)."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridbourse.audit.core.agents import Agents
from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.modules import Handlers, Modules
from gridbourse.audit.core.reservations import Energy
from gridbourse.audit.core.transfers import Transfer
from gridbourse.audit.markets.checked_trades import CheckedTrades, shown, trade_of
from gridbourse.audit.markets.left_out import require_left_out
from gridbourse.audit.markets.rebuild_context import RebuildContext
from gridbourse.chain.bindings.aggregator_auction import FIRST_ANSWER, Answer, commitment_to
from gridbourse.chain.encoding.lanes import BID, OFFER, PER_GROUP, lanes56, order_lane
from gridbourse.model.aggregator_auction import LEAST_REVEAL_SECONDS, Auction, Award, award
from gridbourse.model.call_auction import Band
from gridbourse.model.errors import ModelError
from gridbourse.model.house_accounts import MARGIN_ACCOUNT
from gridbourse.model.trade import MOST_WH, TradeWord

MOST_AUCTIONS = 256
MASK224 = (1 << 224) - 1


@dataclass(frozen=True)
class AuctionRules:
    """Rules of the aggregators' auctions; group_size: trades of one verdict."""

    band: Band
    group_size: int
    reveal_seconds: int
    bond_micro_eur: int
    min_wh: int
    max_posted: int


@dataclass
class PostedAuction:
    """Auction and its state; committed: answers not revealed yet, by participant."""

    aggregator: int
    auction: Auction
    is_sealed: bool
    answers: dict[int, Answer] = field(default_factory=dict)
    committed: dict[int, bytes] = field(default_factory=dict)
    award: Award | None = None
    groups_awarded: int = 0
    ended: bool = False

    @property
    def answering(self) -> list[int]:
        """Participants with an answer, in order."""
        return sorted(self.answers)

    def energy(self, wh: int) -> Energy:
        """Energy that so many Wh of the aggregator's side promise."""
        return Energy.of(BID if self.auction.buys else OFFER, wh)

    def answered(self, wh: int) -> Energy:
        """Energy that so many Wh of an answer promise."""
        return Energy.of(OFFER if self.auction.buys else BID, wh)

    def trade(self, participant: int, wh: int, price: int) -> TradeWord:
        """Trade of an answer."""
        parties = (participant, self.aggregator)
        seller, buyer = parties if self.auction.buys else parties[::-1]
        return TradeWord(seller, buyer, wh, price)


class AggregatorAuction(CheckedTrades):
    """Auctions of every area and period. `asked` counts them."""

    name = "AggregatorAuction"

    def __init__(
        self, rules: AuctionRules, common: Common, modules: Modules, agents: Agents
    ) -> None:
        super().__init__(rules.group_size, common)
        self._rules, self._transfers, self._agents = rules, common.transfers, agents
        self._modules = modules
        self._boards: defaultdict[tuple[int, int], list[PostedAuction]] = defaultdict(list)
        self.asked = 0

    def handlers(self) -> Handlers:
        """Handler of each event of the contract."""
        return super().handlers() | {
            "AuctionPosted": self.posted,
            "Answered": self.answered,
            "AnswersBrought": self.brought,
            "AnswerLeftOut": self.left_out,
            "AnswerCommitted": self.committed,
            "AnswerRevealed": self.revealed,
            "BondReturned": self.returned,
            "BondForfeited": self.forfeited,
            "AuctionCleared": self.cleared,
            "Awarded": self.awarded,
            "AuctionEnded": self.ended,
        }

    def totals(self) -> dict[str, int]:
        """Counts for the audit's summary, by name."""
        return {"aggregator_auctions": self.asked, "auction_trades": self.trades}

    @property
    def bonds_micro_eur(self) -> int:
        """Sum that the margin account has to hold for answers neither revealed nor forfeited, µEUR."""
        waiting = sum(len(one.committed) for board in self._boards.values() for one in board)
        return waiting * self._rules.bond_micro_eur

    def is_booked(self, area: int, period: int) -> bool:
        """True where every auction has ended and no trade waits for a verdict."""
        ended = all(one.ended for one in self._boards[area, period])
        return ended and super().is_booked(area, period)

    # --- auctions and answers ------------------------------------------------------------------

    def posted(self, event: Event) -> None:
        """AuctionPosted: numbered in order, within the rules, and backed."""
        area, period, who = event["area"], event["period"], event["aggregator"]
        where = f"aggregator {who}, {event.at('area', 'period')}"
        board, band = self._boards[area, period], self._band(area, period)
        self._clock.require_open(period, f"auction, {where}")
        self._findings.compare("auction", f"number, {where}", event["auction"], len(board))
        posted = sum(other.aggregator == who for other in board)
        for holds, rule in (
            (who in self._members.aggregators, "not an aggregator"),
            (self._members.area_of(who) == area, "of another area"),
            (len(board) < MOST_AUCTIONS, "too many auctions"),
            (posted < self._rules.max_posted, "too many auctions of one"),
            (self._rules.min_wh <= event["wh"] <= MOST_WH, "too little or too much energy"),
            (event["tick"] < band.ticks, "outside the price band"),
            (not event["isSealed"] or self._can_reveal, "no time to reveal"),
        ):
            self._require("auction", where, holds, rule)
        auction = Auction(event["buys"], event["wh"], event["tick"], event["payAsBid"])
        board.append(PostedAuction(who, auction, event["isSealed"]))
        self.asked += 1
        self._reservations.claim(period, who, board[-1].energy(auction.wh), where)

    def answered(self, event: Event) -> None:
        """Answered: openly, in place of the participant's former answer."""
        if (asked := self._open(event, is_sealed=False)) is not None:
            answer = Answer(event["tick"], event["wh"])
            self._answer(event, asked, event["participant"], answer)

    def brought(self, event: Event) -> None:
        """AnswersBrought: by the gateway each has given its mandate, or by its aggregator; by none acting for
        the auction's aggregator too."""
        if (asked := self._open(event, is_sealed=False)) is None:
            return
        agent, period = self._agents.agent_of(event["by"]), event["period"]
        for word in event["groups"]:
            for who, answer in self._lanes(event, word):
                where = f"participant {who}, {event.at('area', 'period')}"
                may = agent is not None and self._agents.may_act(agent, who, period)
                self._require("auction answer", where, may, "nobody who may bring it")
                towards = asked.aggregator
                one = agent not in (None, who) and self._agents.is_one_with(agent, towards, period)
                self._require("auction answer", where, not one, "acts for its aggregator too")
                self._answer(event, asked, who, answer, event["by"])

    def left_out(self, event: Event) -> None:
        """AnswerLeftOut: of a batch, well formed and within the auction's limit; changes nothing."""
        if (asked := self._open(event, is_sealed=False)) is None:
            return
        found = [*self._lanes(event, event["word"])]
        where = event.at("area", "period", "auction")
        self._require("auction answer", where, len(found) == 1, "not one answer")
        for who, answer in found:
            self._require_terms(event, asked, who, answer)
            require_left_out(self._findings, "auction answer", where, who, event["reason"])

    def _lanes(self, event: Event, word: int) -> Iterator[tuple[int, Answer]]:
        """(participant, answer) of each lane of a group's word that holds one."""
        for who, lane in lanes56(word >> 224, word & MASK224):
            if lane == 0:
                continue
            answer = Answer(lane >> 9 & 0xFFFF, lane >> 25)
            formed = lane == order_lane(BID, answer.tick, answer.wh, FIRST_ANSWER)
            where = f"participant {who}, {event.at('area', 'period')}"
            self._require("auction answer", where, formed, "malformed")
            yield who, answer

    def _require_terms(self, event: Event, asked: PostedAuction, who: int, answer: Answer) -> str:
        """Require the rules of every answer, whoever brings it; its place."""
        where = f"participant {who}, {event.at('area', 'period', 'auction')}"
        limit = asked.auction.tick
        within = answer.tick <= limit if asked.auction.buys else answer.tick >= limit
        for holds, rule in (
            (who != asked.aggregator, "its own auction"),
            (answer.wh <= MOST_WH, "too much energy"),
            (
                answer.tick < self._band(event["area"], event["period"]).ticks,
                "outside the price band",
            ),
            (within, "beyond the limit"),
        ):
            self._require("auction answer", where, holds, rule)
        return where

    def _answer(
        self, event: Event, asked: PostedAuction, who: int, answer: Answer, by: str | None = None
    ) -> None:
        where = self._require_terms(event, asked, who, answer)
        in_area = self._members.area_of(who) == event["area"]
        self._require("auction answer", where, in_area, "of another area")
        former = asked.answers.get(who, Answer(0, 0))
        asked.answers[who] = answer
        self._reservations.exchange(
            event["period"], who, asked.answered(former.wh), asked.answered(answer.wh), where, by
        )

    # --- sealed answers ------------------------------------------------------------------------

    def committed(self, event: Event) -> None:
        """AnswerCommitted: bonded, before answers are revealed."""
        who, where = event["participant"], event.at("area", "period", "auction", "participant")
        if (asked := self._open(event, is_sealed=True)) is None:
            return
        self._clock.require_revealing(
            event["period"], self._rules.reveal_seconds, where, begun=False
        )
        self._require("seal", where, who not in asked.committed, "committed before")
        self._require("seal", where, who in self._members.participants, "never registered")
        self._transfers.move(
            self.name, [Transfer(who, MARGIN_ACCOUNT, self._rules.bond_micro_eur)], where
        )
        asked.committed[who] = event["commitment"]

    def revealed(self, event: Event) -> None:
        """AnswerRevealed: the committed one; the bond goes back."""
        who, where = event["participant"], event.at("area", "period", "auction", "participant")
        if (asked := self._open(event, is_sealed=True)) is None:
            return
        self._clock.require_revealing(
            event["period"], self._rules.reveal_seconds, where, begun=True
        )
        answer = Answer(event["tick"], event["wh"])
        expected = asked.committed.pop(who, None)
        given = commitment_to(who, answer, event["salt"])
        self._findings.compare("seal", where, given, expected)
        self._transfers.move(
            self.name, [Transfer(MARGIN_ACCOUNT, who, self._rules.bond_micro_eur)], where
        )
        self._answer(event, asked, who, answer)

    def returned(self, event: Event) -> None:
        """BondReturned: to a participant that may not answer any more, by others' decision."""
        who, where = event["participant"], event.at("area", "period", "auction", "participant")
        if (asked := self._open(event, is_sealed=True)) is None:
            return
        seconds, bond = self._rules.reveal_seconds, self._rules.bond_micro_eur
        self._clock.require_revealing(event["period"], seconds, where, begun=True)
        waits = asked.committed.pop(who, None) is not None
        self._require("seal", where, waits, "nothing it committed to")
        member = self._members.participants.get(who)
        kept = (member is not None and member.held_back) or self not in self._modules.in_service
        self._require("seal", where, kept, "nobody keeps it from answering")
        self._findings.compare("seal", f"bond, µEUR, {where}", event["amountMicroEur"], bond)
        self._transfers.move(self.name, [Transfer(MARGIN_ACCOUNT, who, bond)], where)

    def forfeited(self, event: Event) -> None:
        """BondForfeited: after gate closure, of an answer never revealed, to the aggregator."""
        who, where = event["participant"], event.at("area", "period", "auction", "participant")
        if (asked := self._auction(event)) is None:
            return
        self._clock.require_closed(event["period"], where)
        bond = self._rules.bond_micro_eur
        waits = asked.committed.pop(who, None) is not None
        self._require("seal", where, waits, "nothing it committed to")
        self._findings.compare("seal", f"bond, µEUR, {where}", event["amountMicroEur"], bond)
        self._transfers.move(self.name, [Transfer(MARGIN_ACCOUNT, asked.aggregator, bond)], where)

    # --- clearing and awards -------------------------------------------------------------------

    def cleared(self, event: Event) -> None:
        """AuctionCleared: once, after gate closure, compared with the model."""
        where = event.at("area", "period", "auction")
        if (asked := self._auction(event)) is None:
            return
        self._clock.require_closed(event["period"], where)
        self._require("auction", where, asked.award is None, "cleared before")
        asked.award = found = self._award(asked, where)
        margin = (0, 0, 0)
        if found is not None and found.margin is not None:
            margin = (found.margin.tick, found.margin.accepted_wh, found.margin.offered_wh)
        volume = 0 if found is None else found.volume_wh
        self._findings.compare("award", f"Wh, {where}", event["volumeWh"], volume)
        self._findings.compare("award", f"margin, {where}", tuple(event["margin"]), margin)

    def _award(self, asked: PostedAuction, where: str) -> Award | None:
        given = [asked.answers[who] for who in asked.answering]
        tick, wh = np.array(given, dtype=np.int64).reshape(-1, 2).T
        try:
            return award(asked.auction, tick, wh, self._rules.band)
        except ModelError as error:
            self._require("award", where, False, str(error))
            return None

    def awarded(self, event: Event) -> None:
        """Awarded: the next groups of the area, winners as trades, the rest given back."""
        area, period = event["area"], event["period"]
        where = event.at("area", "period", "auction")
        asked = self._auction(event)
        if asked is None or asked.award is None:
            self._require("auction", where, False, "not cleared")
            return
        groups = self._members.groups(area)
        until = event["untilGroup"]
        there = asked.groups_awarded <= until <= len(groups) and not asked.ended
        self._require("auction", f"awarded until, {where}", there, "not the next groups")
        page = set(groups[asked.groups_awarded : until])
        asked.groups_awarded = max(asked.groups_awarded, min(until, len(groups)))
        rows = zip(
            asked.answering,
            asked.award.won_wh.tolist(),
            asked.award.price_micro_eur_per_wh.tolist(),
            strict=True,
        )
        due = []
        for who, won, price in rows:
            if who // PER_GROUP not in page:
                continue
            self._reservations.give_back(period, who, asked.answered(asked.answers[who].wh - won))
            if won:
                due.append(asked.trade(who, won, price))
        told = [shown(trade_of(word)) for word in event["trades"]]
        self._findings.compare("trade", where, told, [shown(trade) for trade in due])
        for trade in due:
            self.record(area, period, trade)

    def ended(self, event: Event) -> None:
        """AuctionEnded: all groups awarded; the aggregator gets back the energy it did not trade."""
        where = event.at("area", "period", "auction")
        asked = self._auction(event)
        if asked is None or asked.award is None or asked.ended:
            self._require("auction", where, False, "not cleared, or ended before")
            return
        count = len(self._members.groups(event["area"]))
        self._findings.compare("auction", f"groups awarded, {where}", count, asked.groups_awarded)
        rest = asked.energy(asked.auction.wh - asked.award.volume_wh)
        self._reservations.give_back(event["period"], asked.aggregator, rest)
        asked.ended = True

    # -------------------------------------------------------------------------------------------

    def _band(self, area: int, period: int) -> Band:
        return self._rules.band.in_use(self._tariffs.energy(area, period).retail)

    @property
    def _can_reveal(self) -> bool:
        return self._rules.reveal_seconds >= LEAST_REVEAL_SECONDS

    def _auction(self, event: Event) -> PostedAuction | None:
        board = self._boards[event["area"], event["period"]]
        there = event["auction"] < len(board)
        self._require("auction", event.at("area", "period", "auction"), there, "no such auction")
        return board[event["auction"]] if there else None

    def _open(self, event: Event, is_sealed: bool) -> PostedAuction | None:
        """Auction that an answer is for; its gate has to be open."""
        asked = self._auction(event)
        where = f"{event.name}, {event.at('area', 'period', 'auction')}"
        self._clock.require_open(event["period"], where)
        if asked is not None:
            fits = asked.is_sealed == is_sealed
            self._require("auction answer", where, fits, "sealed" if asked.is_sealed else "open")
        return asked


def rules_of(arguments: list[Any]) -> AuctionRules:
    """Rules of its constructor."""
    [[_, _, _, floor, tick, ticks, group_size, *rules]] = arguments
    return AuctionRules(Band(floor, tick, ticks), group_size, *rules)


def rebuild(rules: AuctionRules, about: RebuildContext) -> AggregatorAuction:
    """The market of a deployment, before its first event."""
    return AggregatorAuction(rules, about.common, about.modules, about.agents)
