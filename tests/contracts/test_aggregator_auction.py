"""Auctions of aggregators: the contract is the model, seals hold, nothing is promised twice."""

import random

import numpy as np
import pytest
from brownie import Agents, AggregatorAuction, Portfolios
from eth_abi import encode
from eth_utils import keccak

from gridbourse.chain.encoding.lanes import BID, group_words, order_lane
from gridbourse.model import aggregator_auction as model
from gridbourse.model.trade import TradeWord
from tests.contracts.bilateral_markets import anchors, authorise
from tests.contracts.market import (
    ALGORITHM,
    BAND,
    CAPACITY_WH,
    FIRST,
    GATE_CLOSURE,
    HOLD_RATE,
    MTU,
    PURSE,
    REPORT,
    RING,
    role,
)
from tests.contracts.refusal import fact, refusal

P = FIRST + 2
GROUP_SIZE, REVEAL_SECONDS, BOND = 64, 120, 5_000
MIN_WH, MAX_POSTED = 10, 4
MARGIN = 6
OPEN, CLEARED, ENDED = range(3)
SALT = b"\x07" * 32


class Hall:
    """The auctions, alone in the clearing house, and two aggregators among ten prosumers."""

    def __init__(self, market):
        by = {"from": market.operator}
        market.house.revokeModule(market.auction, by)
        self.portfolios = Portfolios.deploy(market.registry, market.clock, by)
        self.agents = Agents.deploy(market.registry, self.portfolios, by)
        settings = (
            anchors(market), market.tariff, self.agents,
            BAND.floor_micro_eur_per_wh, BAND.tick_micro_eur_per_wh,
            BAND.ticks, GROUP_SIZE, REVEAL_SECONDS, BOND, MIN_WH, MAX_POSTED,
        )  # fmt: skip
        self.market, self.contract = market, AggregatorAuction.deploy(settings, by)
        authorise(market, self.contract)
        self.buyer, self.seller, *self.prosumers = market.in_area(0)
        market.give("AGGREGATOR", self.buyer.account, self.seller.account)
        for aggregator in (self.buyer, self.seller):  # else its gateway answers it for nobody else
            market.registry.giveMandate(0, aggregator.sends)

    def post(self, who, buys, wh, tick, pay_as_bid=False, is_sealed=False):
        tx = self.contract.post(P, buys, wh, tick, pay_as_bid, is_sealed, who.sends)
        return fact(tx, "AuctionPosted")[2]

    def answer(self, number, who, tick, wh, area=0):
        return self.contract.answer(area, P, number, who.number, tick, wh, who.sends)

    def bring(self, number, by, answers):
        """answers: member -> (tick, Wh)."""
        return self.contract.answerBatch(0, P, number, lanes_of(answers), {"from": by})

    def refused_batch(self, number, by, answers, area=0):
        words = answers if isinstance(answers, list) else lanes_of(answers)
        return refusal(self.contract.answerBatch, area, P, number, words, by=by)

    def contract_with(self, aggregator, who, may_trade=True, until=P + 1):
        """A contract from the next open period on."""
        first = self.market.clock.nextOpenPeriod()
        terms = (who.number, first, until, 1, 0, 800, may_trade)
        tx = self.portfolios.propose(*terms, aggregator.sends)
        self.portfolios.accept(fact(tx, "ContractProposed")[0], who.sends)

    def refused(self, number, who, tick, wh, by=None, area=0):
        arguments = (area, P, number, who.number, tick, wh)
        return refusal(self.contract.answer, *arguments, by=by or who.account)

    def end(self, number, groups_a_call=2):
        """Clear and award; the trades."""
        by, trades = {"from": self.market.stranger}, []
        self.market.close_gate(P)
        self.contract.clear(0, P, number, by)
        while self.contract.auctionOf(0, P, number)["phase"] == CLEARED:
            tx = self.contract.award(0, P, number, groups_a_call, by)
            if "Awarded" in tx.events:
                trades += [word for event in tx.events["Awarded"] for word in event["trades"]]
        return trades

    def reserved(self, who):
        return tuple(self.market.house.accountInPeriod(who.number, P))[1:3]

    def phase(self, number):
        return self.contract.auctionOf(0, P, number)["phase"]


@pytest.fixture(scope="module")
def hall(market):
    return Hall(market)


def lanes_of(answers):
    """The words of a batch: member -> (tick, Wh)."""
    return group_words(
        {who.number: order_lane(BID, tick, wh, 1) for who, (tick, wh) in answers.items()}
    )


def expected(auction, answers):
    """(who, Wh, price) by the model; answers: member -> (tick, Wh), in participant order."""
    members = sorted(answers, key=lambda member: member.number)
    tick, wh = (np.array([answers[m][i] for m in members], dtype=np.int64) for i in (0, 1))
    found = model.award(auction, tick, wh, BAND)
    rows = zip(members, found.won_wh.tolist(), found.price_micro_eur_per_wh.tolist(), strict=True)
    return [(member.number, won, price) for member, won, price in rows if won]


def as_model(buys, words):
    trades = map(TradeWord.unpack, words)
    return [(t.seller if buys else t.buyer, t.wh, t.price_micro_eur_per_wh) for t in trades]


# --- the contract is the model -----------------------------------------------------------------


@pytest.mark.parametrize("seed", range(25))
def test_random_auctions_are_the_models(hall, seed):
    draw = random.Random(seed)
    buys = draw.random() < 0.5
    auction = model.Auction(
        buys, draw.randint(1, 6_000), draw.randrange(BAND.ticks), draw.random() < 0.5
    )
    aggregator = hall.buyer if buys else hall.seller
    number = hall.post(aggregator, buys, auction.wh, auction.tick, auction.pay_as_bid)
    low, high = (0, auction.tick) if buys else (auction.tick, BAND.ticks - 1)
    chosen = draw.sample(hall.prosumers, draw.randint(1, len(hall.prosumers)))
    answers = {}
    for who in chosen:
        answers[who] = (draw.randint(max(low, high - 3), high), draw.randint(0, 2_000))
    if draw.random() < 0.5:
        hall.bring(number, hall.market.gateway, answers)
    else:
        for who in chosen:
            hall.answer(number, who, *answers[who])
    for who in chosen:
        if draw.random() < 0.3:
            answers[who] = (draw.randint(low, high), draw.randint(0, 2_000))
            hall.answer(number, who, *answers[who])
    words = hall.end(number, draw.choice((1, 2, 9)))

    assert as_model(buys, words) == expected(auction, answers)
    volume = sum(TradeWord.unpack(word).wh for word in words)
    assert hall.contract.outcomeOf(0, P, number)[0] == volume
    traded = {who: wh for who, wh, _ in as_model(buys, words)}
    for who in hall.prosumers:
        wh = traded.get(who.number, 0)
        assert hall.reserved(who) == ((wh, 0) if buys else (0, wh))
    assert hall.reserved(aggregator) == ((0, volume) if buys else (volume, 0))
    assert hall.market.money_sum() == 0


def test_nobody_ends_an_auction_by_another_number_of_its_area(hall):
    number = hall.post(hall.buyer, True, 1_000, 20)
    hall.answer(number, hall.prosumers[0], 5, 400)
    hall.market.close_gate(P)
    hall.contract.clear(0, P, number, {"from": hall.market.stranger})
    alias, by = (P % RING) << 64, hall.market.stranger
    refused = refusal(hall.contract.award, alias, P, number, 9, by=by)
    assert refused == ("AreaOutOfRange", alias)


def test_a_whole_period_settles(hall):
    market, (ann, ben) = hall.market, hall.prosumers[:2]
    number = hall.post(hall.buyer, True, 1_000, 20)
    hall.answer(number, ann, 5, 700)
    hall.answer(number, ben, 8, 700)
    words = hall.end(number)
    assert not hall.contract.booked(0, P)
    hall.contract.sealGroup(0, P, {"from": market.stranger})
    verdict = (hall.contract, 0, P, 0, words, 0, ALGORITHM, REPORT, [])
    market.grid.judge(*verdict, {"from": market.grid_oracle})
    assert hall.contract.booked(0, P)
    market.deliver(P)
    readings = {ann.number: 700, ben.number: 300, hall.buyer.number: -1_000}
    market.meter(P, {m.number: 0 for m in market.members} | readings)
    market.settle(P)

    price = BAND.price(8)
    assert market.house.balanceOf(ann.number) - PURSE == 700 * price
    assert market.house.balanceOf(ben.number) - PURSE == 300 * price
    assert market.money_sum() == 0


def test_two_aggregators_at_once_and_nothing_is_promised_twice(hall):
    ann = hall.prosumers[0]
    first = hall.post(hall.buyer, True, 1_000, 20)
    second = hall.post(hall.seller, False, 1_000, 3)
    third = hall.post(hall.seller, True, 9_000, 20)
    hall.answer(first, ann, 5, CAPACITY_WH - 100)

    assert hall.refused(third, ann, 5, 101) == (
        "AboveConnectionCapacity", ann.number, CAPACITY_WH + 1, CAPACITY_WH,
    )  # fmt: skip
    hall.answer(third, ann, 5, 100)
    hall.answer(second, ann, 5, 300)
    assert hall.reserved(ann) == (CAPACITY_WH, 300)
    for number in (first, second, third):
        hall.end(number)
    assert hall.reserved(ann) == (1_000 + 100, 300)
    assert hall.contract.boardOf(0, P)["ended"] == 3


def test_an_auction_nobody_answers_ends_and_gives_everything_back(hall):
    number = hall.post(hall.buyer, True, 1_000, 20)
    assert hall.market.house.balanceOf(hall.buyer.number) == PURSE - 1_000 * HOLD_RATE

    assert hall.end(number) == []
    assert hall.market.house.balanceOf(hall.buyer.number) == PURSE
    assert hall.contract.booked(0, P)


# --- answers for others ------------------------------------------------------------------------


def test_a_gateway_brings_the_answers_of_many(hall):
    market, (ann, ben, cat, *_) = hall.market, hall.prosumers
    number = hall.post(hall.buyer, True, 1_000, 20)
    hall.answer(number, ben, 3, 900)
    words = lanes_of({ann: (5, 700), ben: (8, 600), cat: (20, 1)})
    tx = hall.contract.answerBatch(0, P, number, words, {"from": market.gateway})

    *told, brought = fact(tx, "AnswersBrought")
    assert (told, list(map(int, brought))) == ([0, P, number, market.gateway], words)
    assert tuple(hall.contract.answerOf(0, P, number, ben.number)) == (8, 600)
    assert hall.reserved(ben) == (600, 0)
    hall.bring(number, market.gateway, {cat: (20, 0)})
    assert hall.reserved(cat) == (0, 0)
    assert as_model(True, hall.end(number)) == [
        (ann.number, 700, BAND.price(8)), (ben.number, 300, BAND.price(8)),
    ]  # fmt: skip


def test_what_a_batch_may_not_bring(hall):
    market, (ann, ben, *_) = hall.market, hall.prosumers
    far = market.in_area(1)[0]
    number, gateway = hall.post(hall.buyer, True, 1_000, 20), market.gateway
    refused = lambda answers, by=gateway: hall.refused_batch(number, by, answers)  # noqa: E731

    assert refused({ann: (5, 700)}, market.other_gateway) == ("NoMandate", ann.number, 1, 2)
    assert refused({ann: (5, 700)}, market.stranger) == ("UnknownParticipant", market.stranger)
    assert refused({ann: (5, 7), ben: (5, 7)}, ann.account) == (
        "NotForAnother", ben.number, ann.number,
    )  # fmt: skip
    assert refused({far: (5, 700)}) == ("GroupOfOtherArea", far.group, 0)
    assert refused({hall.buyer: (5, 700)}) == ("OwnAuction", hall.buyer.number, number)
    assert refused({ann: (21, 700)}) == ("BeyondLimit", ann.number, 21, 20)
    assert refused({ann: (BAND.ticks, 700)})[0] == "TickOutOfBand"
    for lane in (order_lane(1, 5, 700, 1), order_lane(BID, 5, 700, 2), 1 << 55 | 1):
        assert refused(group_words({ann.number: lane})) == ("MalformedAnswer", ann.number, lane)
    sealed_one = hall.post(hall.buyer, True, 100, 20, is_sealed=True)
    assert hall.refused_batch(sealed_one, gateway, {ann: (5, 7)}) == ("UnderSeal", sealed_one, True)
    market.close_gate(P)
    assert refused({ann: (5, 700)})[0] == "GateClosed"


def test_an_aggregator_answers_for_whom_its_contract_lets_it_trade(hall):
    ann, ben, cat = hall.prosumers[:3]
    hall.contract_with(hall.seller, ann)
    hall.contract_with(hall.seller, ben, may_trade=False)
    hall.contract_with(hall.seller, cat, until=P)
    number, by = hall.post(hall.buyer, True, 1_000, 20), hall.seller.account
    hall.bring(number, by, {ann: (5, 700)})
    assert tuple(hall.contract.answerOf(0, P, number, ann.number)) == (5, 700)
    hall.contract.answer(0, P, number, ann.number, 6, 300, {"from": by})

    assert hall.reserved(ann) == (300, 0)
    not_his = lambda who, number_, may: (  # noqa: E731
        "NotItsAggregator", who.number, P, number_, may,
    )  # fmt: skip
    assert hall.refused(number, ben, 5, 10, by) == not_his(ben, hall.seller.number, False)
    assert hall.refused_batch(number, by, {cat: (5, 7)}) == not_his(cat, 0, False)
    other = hall.buyer.account
    assert hall.refused(number, ann, 5, 10, other) == not_his(ann, hall.seller.number, True)
    hall.market.registry.revokeRole(role("AGGREGATOR"), by, {"from": hall.market.operator})
    assert hall.refused(number, ann, 5, 10, by) == (
        "NotForAnother", ann.number, hall.seller.number,
    )  # fmt: skip
    hall.answer(number, ann, 7, 200)
    assert as_model(True, hall.end(number)) == [(ann.number, 200, BAND.price(7))]


def test_without_portfolios_no_aggregator_answers_for_another(hall):
    market, ann = hall.market, hall.prosumers[0]
    by = {"from": market.operator}
    agents = Agents.deploy(market.registry, "0x" + "00" * 20, by)
    settings = (
        anchors(market), market.tariff, agents, BAND.floor_micro_eur_per_wh,
        BAND.tick_micro_eur_per_wh, BAND.ticks, GROUP_SIZE, REVEAL_SECONDS, BOND, MIN_WH, MAX_POSTED,
    )  # fmt: skip
    contract = AggregatorAuction.deploy(settings, by)
    authorise(market, contract)
    contract.post(P, True, 1_000, 20, False, False, hall.buyer.sends)
    refused = refusal(contract.answer, 0, P, 0, ann.number, 5, 10, by=hall.seller.account)
    assert refused == ("NotForAnother", ann.number, hall.seller.number)


# --- seals -------------------------------------------------------------------------------------


def sealed(hall, who, tick, wh, salt=SALT):
    """The commitment, computed apart from the contract."""
    values = encode(["uint256", "uint256", "uint256", "bytes32"], [who.number, tick, wh, salt])
    return keccak(values)[:28]


def begin_reveal(hall):
    hall.market.clock.advanceTo(
        P * MTU - GATE_CLOSURE - REVEAL_SECONDS, {"from": hall.market.operator}
    )


def test_a_sealed_answer_is_bonded_revealed_and_wins(hall):
    market, ann = hall.market, hall.prosumers[0]
    number = hall.post(hall.buyer, True, 1_000, 20, is_sealed=True)
    hall.contract.commit(0, P, number, sealed(hall, ann, 5, 700), ann.sends)
    assert market.house.balanceOf(MARGIN) == BOND
    assert hall.reserved(ann) == (0, 0)
    reveal = (0, P, number, 5, 700, SALT)
    refused = refusal(hall.contract.reveal, *reveal, by=ann.account)
    start = P * MTU - GATE_CLOSURE - REVEAL_SECONDS
    assert refused == ("RevealNotBegun", P, start, market.clock.timestamp())
    begin_reveal(hall)
    tx = hall.contract.reveal(*reveal, ann.sends)

    assert fact(tx, "AnswerRevealed")[3:] == (ann.number, 5, 700, "0x" + SALT.hex())
    assert market.house.balanceOf(MARGIN) == 0
    assert hall.reserved(ann) == (700, 0)
    assert as_model(True, hall.end(number)) == [(ann.number, 700, BAND.price(5))]


def test_who_does_not_reveal_loses_the_bond_to_the_aggregator(hall):
    market, ann = hall.market, hall.prosumers[0]
    number = hall.post(hall.buyer, True, 1_000, 20, is_sealed=True)
    hall.contract.commit(0, P, number, sealed(hall, ann, 5, 700), ann.sends)
    forfeit = (0, P, number, ann.number)
    assert refusal(hall.contract.forfeit, *forfeit, by=market.stranger) == ("GateStillOpen", P)
    assert hall.end(number) == []
    tx = hall.contract.forfeit(*forfeit, {"from": market.stranger})

    assert fact(tx, "BondForfeited") == (0, P, number, ann.number, BOND)
    assert market.house.balanceOf(hall.buyer.number) == PURSE + BOND
    assert market.house.balanceOf(ann.number) == PURSE - BOND
    again = refusal(hall.contract.forfeit, *forfeit, by=market.stranger)
    assert again == ("NotCommitted", ann.number, number, bytes(28), bytes(28))
    assert market.money_sum() == 0


def test_a_seal_binds_who_what_and_when(hall):
    market, (ann, ben) = hall.market, hall.prosumers[:2]
    number = hall.post(hall.buyer, True, 1_000, 20, is_sealed=True)
    commitment = sealed(hall, ann, 5, 700)
    hall.contract.commit(0, P, number, commitment, ann.sends)
    twice = refusal(hall.contract.commit, 0, P, number, commitment, by=ann.account)
    assert twice == ("CommittedBefore", ann.number, number)
    assert hall.refused(number, ann, 5, 700) == ("UnderSeal", number, True)
    opened = hall.post(hall.buyer, True, 100, 20)
    refused = refusal(hall.contract.commit, 0, P, opened, commitment, by=ann.account)
    assert refused == ("UnderSeal", opened, False)
    begin_reveal(hall)

    for who, tick, wh, salt in (
        (ann, 5, 701, SALT),
        (ann, 4, 700, SALT),
        (ann, 5, 700, bytes(32)),
        (ben, 5, 700, SALT),
    ):
        given = sealed(hall, who, tick, wh, salt)
        committed = commitment if who is ann else bytes(28)
        refused = refusal(hall.contract.reveal, 0, P, number, tick, wh, salt, by=who.account)
        assert refused == ("NotCommitted", who.number, number, committed, given)
    late = refusal(hall.contract.commit, 0, P, number, commitment, by=ben.account)
    assert late[0] == "RevealHasBegun"
    assert market.house.balanceOf(MARGIN) == BOND


# --- bad input ---------------------------------------------------------------------------------


def test_who_may_post(hall):
    market, ann = hall.market, hall.prosumers[0]
    post = lambda by, *rest: refusal(hall.contract.post, P, True, *rest, by=by)  # noqa: E731
    assert post(ann.account, 10, 1, False, False) == ("NotAnAggregator", ann.number)
    assert post(market.stranger, 10, 1, False, False) == ("UnknownParticipant", market.stranger)
    buyer = hall.buyer
    assert post(buyer.account, 0, 1, False, False)[0] == "QuantityOutOfRange"
    assert post(buyer.account, 1 << 28, 1, False, False)[0] == "QuantityOutOfRange"
    assert post(buyer.account, 10, BAND.ticks, False, False) == (
        "TickOutOfBand", buyer.number, BAND.ticks, BAND.ticks,
    )  # fmt: skip
    above = PURSE // HOLD_RATE + 1
    if above <= CAPACITY_WH:
        assert post(buyer.account, above, 1, False, False)[0] == "InsufficientMoney"
    assert post(buyer.account, CAPACITY_WH + 1, 1, False, False)[0] in (
        "AboveConnectionCapacity", "InsufficientMoney",
    )  # fmt: skip


def test_who_may_answer_what(hall):
    market, ann, far = hall.market, hall.prosumers[0], hall.market.in_area(1)[0]
    number = hall.post(hall.buyer, True, 1_000, 20)

    assert hall.refused(number + 1, ann, 5, 10) == ("NoAuction", 0, P, number + 1)
    assert hall.refused(number, hall.buyer, 5, 10) == ("OwnAuction", hall.buyer.number, number)
    assert hall.refused(number, far, 5, 10) == ("GroupOfOtherArea", far.group, 0)
    assert hall.refused(number, ann, 21, 10) == ("BeyondLimit", ann.number, 21, 20)
    assert hall.refused(number, ann, BAND.ticks, 10)[0] == "TickOutOfBand"
    assert hall.refused(number, ann, 5, 1 << 28)[0] == "QuantityOutOfRange"
    ben = hall.prosumers[1]
    assert hall.refused(number, ann, 5, 10, by=ben.account) == (
        "NotForAnother",
        ann.number,
        ben.number,
    )
    refused = hall.refused(number, ann, 5, 10, by=market.other_gateway)
    assert refused == ("NoMandate", ann.number, 1, 2)
    hall.contract.answer(0, P, number, ann.number, 5, 10, {"from": market.gateway})
    assert tuple(hall.contract.answerOf(0, P, number, ann.number)) == (5, 10)
    market.close_gate(P)
    assert hall.refused(number, ann, 5, 10)[0] == "GateClosed"


def test_each_step_has_its_time(hall):
    market = hall.market
    number = hall.post(hall.buyer, True, 1_000, 20)
    by = market.stranger
    assert refusal(hall.contract.clear, 0, P, number, by=by) == ("GateStillOpen", P)
    market.close_gate(P)
    wrong = lambda phase: ("WrongPhase", 0, P, number, phase)  # noqa: E731
    assert refusal(hall.contract.award, 0, P, number, 9, by=by) == wrong(OPEN)
    hall.contract.clear(0, P, number, {"from": by})
    assert refusal(hall.contract.clear, 0, P, number, by=by) == wrong(CLEARED)
    hall.contract.award(0, P, number, 9, {"from": by})
    assert refusal(hall.contract.award, 0, P, number, 9, by=by) == wrong(ENDED)
    assert hall.phase(number) == ENDED


def test_what_is_taken_back_is_free(hall):
    ann = hall.prosumers[0]
    number = hall.post(hall.seller, False, 1_000, 3)
    hall.answer(number, ann, 5, 700)
    assert hall.reserved(ann) == (0, 700)
    hall.answer(number, ann, 5, 0)

    assert hall.reserved(ann) == (0, 0)
    assert hall.market.house.balanceOf(ann.number) == PURSE
