"""One member against the others of a batch: of orders for the book, and of answers to an auction."""

import pytest
from brownie import chain, web3
from brownie.exceptions import VirtualMachineError
from eth_account import Account

from gridbourse.chain.encoding.book_order import Action, BookOrder
from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.chain.encoding.signed_orders import book_domain, sign_book_order
from tests.contracts import test_aggregator_auction as auctions
from tests.contracts.any_state import GAS_LIMIT, undone
from tests.contracts.market import CAPACITY_WH, FIRST, PURSE
from tests.contracts.order_books import MAX_OPEN, Hall, rested_at
from tests.contracts.refusal import refusal

P = FIRST + 2
ERRORS = {
    "AboveConnectionCapacity": "(uint256,uint256,uint256)",
    "InsufficientMoney": "(uint256,int256,uint256)",
    "NoMandate": "(uint256,uint256,uint256)",
    "NotItsAggregator": "(uint256,uint256,uint256,bool)",
    "ParticipantNotActive": "(uint256,uint256)",
    "SignatureExpired": "(uint256,uint256,uint256)",
    "SignerIsNotParticipant": "(uint256,address,address)",
    "StaleSequence": "(uint256,uint256,uint256)",
    "TooManyOrders": "(uint256,uint256)",
}
NAMES = {bytes(web3.keccak(text=name + types)[:4]): name for name, types in ERRORS.items()}


@pytest.fixture(scope="module")
def hall(market):
    return Hall.open(market)


def left_out(tx, event="OrderLeftOut", word="order"):
    """(word, error) of the rows a batch went in without."""
    told = tx.events[event] if event in tx.events else []  # noqa: SIM401
    return [(row[word], NAMES[bytes(row["reason"])[:4]]) for row in told]


def who(rows):
    return [(BookOrder.unpack(word).participant, error) for word, error in rows]


# --- orders under mandate ----------------------------------------------------------------------


def withdraws_its_money(hall, member):
    hall.market.house.withdraw(PURSE, member.sends)


def takes_its_mandate_back(hall, member):
    hall.market.registry.giveMandate(0, member.sends)


def sells_its_connection(hall, member):
    hall.market.auction.place(P, OFFER, 30, CAPACITY_WH, member.sends)


def fills_its_own_room(hall, member):
    for _ in range(MAX_OPEN):
        hall.bid(P, member, 5, 10)


def is_suspended(hall, member):
    hall.market.registry.suspend(member.number, {"from": hall.market.operator})


@pytest.mark.parametrize("place", [0, 4, 9])
@pytest.mark.parametrize(
    ("trick", "side", "error"),
    [
        (withdraws_its_money, BID, "InsufficientMoney"),
        (takes_its_mandate_back, BID, "NoMandate"),
        (sells_its_connection, OFFER, "AboveConnectionCapacity"),
        (fills_its_own_room, BID, "TooManyOrders"),
        (is_suspended, BID, "ParticipantNotActive"),
    ],
)
def test_one_member_cannot_undo_the_orders_of_its_gateways_others(
    market, hall, place, trick, side, error
):
    """Before: one transaction of a member in the block before, and none of the batch's orders came in."""
    members = market.in_area(0)
    trick(hall, members[place])
    orders = [BookOrder(member.number, side=side, tick=30, wh=100) for member in members]
    tx = hall.batch(P, *orders)

    assert left_out(tx) == [(orders[place].pack(), error)]
    others = [member.number for member in members if member is not members[place]]
    assert [number for number, tick, _ in hall.resting(P, side) if tick == 30] == others
    assert market.money_sum() == 0


@pytest.mark.parametrize("area", [0, 1])
@pytest.mark.parametrize("kind", [Action.LIMIT, Action.CANCEL, Action.REPLACE])
def test_one_who_left_cannot_undo_the_orders_of_its_gateways_others(market, hall, area, kind):
    """Before: in every area but 0 a cancellation of who had left was its gateway's fault (OtherArea),
    and no order of the whole batch came in. Its blank profile is of no area."""
    ann, ben, leaver = market.in_area(area)[:3]
    position = rested_at(
        hall.batch(P, BookOrder(leaver.number, side=BID, tick=5, wh=100), area=area)
    )
    hall.cancel(P, leaver, 5, position)
    market.registry.leaveMarket(leaver.number, leaver.sends)
    stale = BookOrder(leaver.number, kind, BID, 5, 100, position, new_tick=6)
    others = [BookOrder(member.number, side=BID, tick=7, wh=100) for member in (ann, ben)]
    tx = hall.batch(P, others[0], stale, others[1], area=area)

    assert left_out(tx) == [(stale.pack(), "ParticipantNotActive")]
    assert hall.resting(P, BID, area) == [(ann.number, 7, 100), (ben.number, 7, 100)]
    alone = refusal(hall.contract.placeBatch, area, P, [stale.pack()], by=market.gateway)
    assert alone == ("ParticipantNotActive", leaver.number, 0)
    assert market.money_sum() == 0


def test_one_who_left_cannot_undo_signed_orders_of_others(market, hall):
    ann, leaver = market.in_area(1)[:2]
    market.registry.leaveMarket(leaver.number, leaver.sends)
    rows = [
        signed(hall, ann, area=1),
        signed(hall, leaver, area=1, action=Action.CANCEL, side=0, wh=0),
    ]
    tx = hall.contract.placeSigned(1, P, rows, {"from": market.gateway})

    assert who(left_out(tx)) == [(leaver.number, "ParticipantNotActive")]
    assert hall.resting(P, BID, 1) == [(ann.number, 30, 100)]


def test_what_stays_of_a_batch_trades_in_its_order_and_is_backed(market, hall):
    """A row left out changes nothing for those before and behind it, cancellations and replacements too."""
    ann, ben, cat, dan, eve = market.in_area(0)[:5]
    hall.offer(P, ann, 30, 100)
    hall.bid(P, eve, 10, 100)
    withdraws_its_money(hall, cat)
    rows = [
        BookOrder(ben.number, side=BID, tick=30, wh=60),
        BookOrder(cat.number, side=BID, tick=31, wh=100),
        BookOrder(eve.number, Action.CANCEL, tick=10, position=0),
        BookOrder(ann.number, Action.REPLACE, tick=30, position=0, new_tick=29, wh=200),
        BookOrder(dan.number, side=BID, tick=29, wh=150),
    ]
    tx = hall.batch(P, *rows)

    assert left_out(tx) == [(rows[1].pack(), "InsufficientMoney")]
    assert hall.resting(P, OFFER) == [(ann.number, 29, 50)]
    assert hall.resting(P, BID) == []
    reserved = [hall.reserved(P, member) for member in (ann, ben, cat, dan, eve)]
    assert reserved == [(260, 0), (0, 60), (0, 0), (0, 150), (0, 0)]
    assert market.money_sum() == 0


def test_a_batch_of_which_nothing_goes_in_is_refused_by_its_first_error(market, hall):
    ann, ben = market.in_area(0)[:2]
    withdraws_its_money(hall, ann)
    takes_its_mandate_back(hall, ben)
    words = [BookOrder(member.number, side=BID, tick=30, wh=100).pack() for member in (ann, ben)]
    send = hall.contract.placeBatch
    assert refusal(send, 0, P, words, by=market.gateway)[:2] == ("InsufficientMoney", ann.number)
    assert refusal(send, 0, P, words[1:], by=market.gateway)[:2] == ("NoMandate", ben.number)


def test_a_gateway_cannot_leave_orders_out_by_sending_too_little_gas(market, hall):
    """Running out of gas is no reason to leave an order out: then nothing of the batch goes in."""
    members = market.in_area(0)[:4]
    withdraws_its_money(hall, members[1])
    words = [BookOrder(member.number, side=BID, tick=30, wh=100).pack() for member in members]
    send = hall.contract.placeBatch
    enough = send(0, P, words, {"from": market.gateway}).gas_used
    chain.undo()
    for gas in range(60_000, enough, enough // 15):
        try:
            send(0, P, words, {"from": market.gateway, "gas_limit": gas})
            expected = 3
        except VirtualMachineError:
            expected = 0
        assert len(hall.resting(P, BID)) == expected
        if expected:
            break


# --- signed orders -----------------------------------------------------------------------------


def signed(hall, member, expiry=3_600, area=0, **terms):
    domain = book_domain(web3.eth.chain_id, hall.contract.address)
    order = BookOrder(member.number, **{"side": BID, "tick": 30, "wh": 100, "sequence": 1} | terms)
    key, at = Account.from_key(member.account.private_key), chain[-1].timestamp + expiry
    return sign_book_order(key, domain, area, P, order, hall.market.gateway.address, at)


def test_one_signature_that_went_stale_cannot_undo_those_of_others(market, hall):
    """One ran out, one was used up by a newer one through another batch, one is not its owner's."""
    ann, ben, cat, dan, eve = market.in_area(0)[:5]
    by = {"from": market.gateway}
    hall.contract.placeSigned(0, P, [signed(hall, cat, sequence=7)], by)
    forged = (signed(hall, eve)[0], *signed(hall, dan)[1:])
    rows = [signed(hall, ann), signed(hall, ben, expiry=-10), signed(hall, cat), forged,
            signed(hall, dan)]  # fmt: skip
    tx = hall.contract.placeSigned(0, P, rows, by)

    assert who(left_out(tx)) == [
        (ben.number, "SignatureExpired"),
        (cat.number, "StaleSequence"),
        (eve.number, "SignerIsNotParticipant"),
    ]
    assert [number for number, *_ in hall.resting(P, BID)] == [cat.number, ann.number, dan.number]
    again = refusal(hall.contract.placeSigned, 0, P, [rows[0]], by=market.gateway)
    assert again == ("StaleSequence", ann.number, 1, 1)
    assert market.money_sum() == 0


def test_nobody_acts_as_a_gateway_by_what_stands_behind_its_call(market, hall):
    """A part of a batch is the contract's own call, which names the gateway behind its arguments."""
    ann = market.in_area(0)[0]
    word = BookOrder(ann.number, side=BID, tick=30, wh=100).pack()
    data = hall.contract.placeBatch.encode_input(0, P, [word])
    tail = market.gateway.address.removeprefix("0x").rjust(64, "0")
    with pytest.raises(VirtualMachineError):
        market.stranger.transfer(hall.contract, 0, data=data + tail)
    assert hall.resting(P, BID) == []


# --- answers to an auction ---------------------------------------------------------------------


@pytest.fixture
def auction_hall(market):
    return auctions.Hall(market)


@pytest.mark.parametrize("place", [0, 3, 7])
@pytest.mark.parametrize(
    ("buys", "trick", "error"),
    [
        (False, withdraws_its_money, "InsufficientMoney"),
        (True, takes_its_mandate_back, "NoMandate"),
        (True, is_suspended, "ParticipantNotActive"),
    ],
)
def test_one_member_cannot_undo_the_answers_of_its_gateways_others(
    market, auction_hall, place, buys, trick, error
):
    poster = auction_hall.buyer if buys else auction_hall.seller
    number, prosumers = auction_hall.post(poster, buys, 700, 20), auction_hall.prosumers
    stale = prosumers[place]
    trick(auction_hall, stale)
    tx = auction_hall.bring(number, market.gateway, dict.fromkeys(prosumers, (20, 100)))

    [word] = auctions.lanes_of({stale: (20, 100)})
    assert left_out(tx, "AnswerLeftOut", "word") == [(word, error)]
    answered = [auction_hall.contract.answerOf(0, P, number, m.number)[1] for m in prosumers]
    assert answered == [0 if member is stale else 100 for member in prosumers]
    assert auction_hall.reserved(stale) == (0, 0)
    won = auctions.as_model(buys, auction_hall.end(number))
    assert [who for who, *_ in won] == [m.number for m in prosumers if m is not stale]
    assert market.money_sum() == 0


def test_one_who_left_cannot_undo_the_answers_of_its_gateways_others(market, auction_hall):
    """An answer of 0 Wh claims nothing of the clearing house: before, it was its gateway's fault."""
    poster, ann, leaver, ben = market.in_area(1)[:4]
    market.give("AGGREGATOR", poster.account)
    market.registry.giveMandate(0, poster.sends)  # its gateway would be on both sides
    number = auction_hall.post(poster, True, 700, 20)
    market.registry.leaveMarket(leaver.number, leaver.sends)
    answers = {ann: (20, 100), leaver: (20, 0), ben: (20, 100)}
    send, contract = {"from": market.gateway}, auction_hall.contract
    tx = contract.answerBatch(1, P, number, auctions.lanes_of(answers), send)

    [word] = auctions.lanes_of({leaver: (20, 0)})
    assert left_out(tx, "AnswerLeftOut", "word") == [(word, "ParticipantNotActive")]
    given = [contract.answerOf(1, P, number, m.number)[1] for m in (ann, leaver, ben)]
    assert given == [100, 0, 100]


def test_who_ended_its_contract_cannot_undo_the_answers_of_its_aggregators_others(
    market, auction_hall
):
    ann, ben, cat = auction_hall.prosumers[:3]
    for member in (ann, ben, cat):
        auction_hall.contract_with(auction_hall.seller, member)
    auction_hall.portfolios.end(ben.number, 0, P, ben.sends)
    number = auction_hall.post(auction_hall.buyer, True, 700, 20)
    by = auction_hall.seller.account
    tx = auction_hall.bring(number, by, dict.fromkeys((ann, ben, cat), (5, 100)))

    assert [error for _, error in left_out(tx, "AnswerLeftOut", "word")] == ["NotItsAggregator"]
    given = [auction_hall.contract.answerOf(0, P, number, m.number)[1] for m in (ann, ben, cat)]
    assert given == [100, 0, 100]


def sent_and_undone(market, hall, words):
    """Receipt of a gateway's batch that has not happened after."""
    data = hall.contract.placeBatch.encode_input(0, P, words)
    call = {"from": str(market.gateway), "to": hall.contract.address, "data": data, "gasPrice": 0}
    with undone():
        sent = web3.eth.send_transaction(call | {"gas": GAS_LIMIT})
        return web3.eth.wait_for_transaction_receipt(sent)


def test_a_batch_with_stale_rows_costs_no_more_than_three_times_its_gas(market, hall):
    """However many rows are stale: a batch that fits three times over cannot be made too large."""
    members = market.in_area(0)
    words = [BookOrder(member.number, side=BID, tick=30, wh=100).pack() for member in members]
    whole = sent_and_undone(market, hall, words)
    assert whole["status"] == 1
    for stale in range(1, len(members)):
        withdraws_its_money(hall, members[stale])
        receipt = sent_and_undone(market, hall, words)
        topics = [log["topics"][0].to_0x_hex() for log in receipt["logs"]]
        assert topics.count(hall.contract.topics["OrderLeftOut"]) == stale
        assert receipt["gasUsed"] < 3 * whole["gasUsed"]
