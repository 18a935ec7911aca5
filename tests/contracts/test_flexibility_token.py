"""Tokens: minted for verified delivery, moved with their claims, redeemed; hostile receivers gain nothing."""

import random

import pytest
from brownie import accounts as brownie_accounts
from brownie.exceptions import VirtualMachineError
from eth_utils import keccak

from gridbourse.chain.bindings.flexibility import NO_SEED, token_id
from gridbourse.chain.encoding.arguments import NOBODY
from gridbourse.model.flexibility.market import claim_moved
from gridbourse.model.flexibility.products import CONGESTION_METERED, Way
from tests.contracts.flexibility_hall import (
    DSO,
    ENDED,
    MARGIN,
    NUMBER,
    SUPPLIER,
    TSO,
    FlexibilityHall,
    P,
)
from tests.contracts.harnesses import deploy_contract, transact
from tests.contracts.market import FIRST, PURSE
from tests.contracts.refusal import fact, refusal


@pytest.fixture(scope="module")
def hall(market):
    return FlexibilityHall(market)


@pytest.fixture(scope="module")
def people(hall):
    return hall.whole.in_area(0)


@pytest.fixture
def token(hall, people):
    """700 Wh of the first participant at 40 µEUR each, 300 of the second at 70."""
    return hall.token_of_two(*people[:2])


def held(hall, who, token):
    account = getattr(who, "account", who)
    return hall.token.balanceOf(account, token), hall.token.claimOf(token, account)


def send(hall, who, to, token, wh):
    to = getattr(to, "account", to)
    return hall.token.safeTransferFrom(who.account, to, token, wh, b"", who.sends)


def test_a_token_says_product_zone_direction_and_period(hall, token):
    number = NUMBER["congestion-metered"]
    assert token == token_id(number, 0, Way.UP, P) == hall.token.idOf(number, 0, 1, P)
    places = {token_id(*each) for each in ((1, 2, 1, 3), (2, 1, 1, 3), (1, 1, 2, 3), (1, 1, 1, 4))}
    assert len(places) == 4


def test_verified_delivery_is_minted_with_its_payment(hall, people, token):
    assert held(hall, people[0], token) == (700, 28_000)
    assert held(hall, people[1], token) == (300, 21_000)
    assert tuple(hall.token.supplyOf(token)) == (1_000, 49_000)
    assert hall.balance(MARGIN) == 49_000


def test_claims_go_with_tokens_rounded_down_and_none_is_lost(hall, people, token):
    draw = random.Random(2)
    model = {who: held(hall, who, token) for who in people}
    for _ in range(25):
        who = draw.choice([w for w in people if model[w][0]])
        to, wh = draw.choice(people), draw.randint(0, model[who][0])
        moved = claim_moved(model[who][1], model[who][0], wh)
        tx = send(hall, who, to, token, wh)
        assert fact(tx, "ClaimMoved") == (token, who.account, to.account, moved)
        model[who] = (model[who][0] - wh, model[who][1] - moved)
        model[to] = (model[to][0] + wh, model[to][1] + moved)
    assert {who: held(hall, who, token) for who in people} == model
    assert sum(claim for _, claim in model.values()) == 49_000
    assert tuple(hall.token.supplyOf(token)) == (1_000, 49_000)


def test_a_token_named_twice_in_a_batch_takes_the_whole_claim_along(hall, people, token):
    ann, carol = people[0], people[2]
    ids, parts = [token, token, token], [333, 0, 367]
    hall.token.safeBatchTransferFrom(ann.account, carol.account, ids, parts, b"", ann.sends)
    assert held(hall, ann, token) == (0, 0)
    assert held(hall, carol, token) == (700, 28_000)
    lengths = (ann.account, carol.account, [token], [], b"")
    refused = refusal(hall.token.safeBatchTransferFrom, *lengths, by=ann.account)
    assert refused == ("ERC1155InvalidArrayLength", 1, 0)


def test_redeemed_tokens_are_burnt_and_paid(hall, people, token):
    ann = people[0]
    before = hall.balance(ann)
    hall.token.redeem([token], ann.sends)
    assert hall.balance(ann) == before + 28_000
    assert held(hall, ann, token) == (0, 0)
    assert tuple(hall.token.supplyOf(token)) == (300, 21_000)
    assert hall.balance(MARGIN) == 21_000
    again = refusal(hall.token.redeem, [token], by=ann.account)
    assert again == ("NothingToRedeem", ann.number, token)
    twice = refusal(hall.token.redeem, [token, token], by=people[1].account)
    assert twice == ("NothingToRedeem", people[1].number, token)


def test_house_parties_hold_and_redeem_and_strangers_do_not(hall, people, token):
    ann, whole = people[0], hall.whole
    parties = {DSO: whole.dso, TSO: hall.tso, SUPPLIER: whole.supplier, 3: whole.operator}
    for number, party in parties.items():
        before = hall.balance(number)
        send(hall, ann, party, token, 100)
        assert hall.token.accountNumberOf(party) == number
        hall.token.redeem([token], {"from": party})
        assert hall.balance(number) == before + 4_000
    for stranger in (hall.whole.treasurer, brownie_accounts[12]):
        refused = refusal(
            hall.token.safeTransferFrom, ann.account, stranger, token, 1, b"", by=ann.account
        )
        assert refused == ("UnknownParticipant", stranger)
    assert refusal(hall.token.redeem, [], by=brownie_accounts[12])[0] == "UnknownParticipant"


def test_who_was_suspended_or_left_still_redeems(hall, people, token):
    (ann, ben), registry = people[:2], hall.whole.registry
    registry.suspend(ann.number, hall.by)
    registry.leaveMarket(ben.number, ben.sends)
    for who, claim in ((ann, 28_000), (ben, 21_000)):
        hall.token.redeem([token], who.sends)
        assert hall.balance(who) == PURSE + claim


def test_only_verification_mints_and_only_tokens_are_paid(hall, people):
    ann = people[0].account
    assert refusal(hall.token.mint, ann, 1, 1, 1, by=ann) == ("OnlyDelivery", ann)
    assert refusal(hall.market.payClaim, 8, 1, by=ann) == ("OnlyToken", ann)
    assert refusal(hall.market.close, 0, P, 0, [], by=ann) == ("OnlyDelivery", ann)
    operator = hall.whole.operator
    refused = refusal(hall.market.connect, ann, ann, ann, by=operator)
    assert refused == (
        "ConnectedBefore", hall.requests.address, hall.delivery.address, hall.token.address,
    )  # fmt: skip
    assert refusal(hall.market.connect, ann, ann, ann, by=ann)[0] == "MissingRole"


def test_nobody_moves_what_another_holds(hall, people, token):
    ann, ben = people[:2]
    move = (ann.account, ben.account, token, 1, b"")
    refused = refusal(hall.token.safeTransferFrom, *move, by=ben.account)
    assert refused == ("ERC1155MissingApprovalForAll", ben.account, ann.account)
    hall.token.setApprovalForAll(ben.account, True, ann.sends)
    hall.token.safeTransferFrom(*move, ben.sends)
    assert held(hall, ben, token) == (301, 21_040)
    more = (ann.account, ben.account, token, 700, b"")
    refused = refusal(hall.token.safeTransferFrom, *more, by=ann.account)
    assert refused == ("ERC1155InsufficientBalance", ann.account, 699, 700, token)


# --- hostile receivers -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile(hall, tmp_path_factory, accounts):
    """A contract that is a participant: its number and itself."""
    contract = deploy_contract("HostileHolder", tmp_path_factory, accounts)
    row = (contract.address, keccak(text="hostile"), 0, 0, 25_000, FIRST)
    tx = hall.whole.registry.register([row], hall.by)
    number = fact(tx, "ParticipantRegistered")[0]
    hall.whole.fund({number: PURSE})
    return number, contract


def arm(contract, accounts, refuses=False, target=NOBODY, data=b""):
    transact(contract.functions.arm(refuses, str(target), data), accounts)


def run(contract, accounts, method, *arguments):
    data = method.encode_input(*arguments)
    transact(contract.functions.run(method._address, data), accounts)


def test_a_receiver_that_calls_back_gets_what_it_was_sent_and_no_more(
    hall, people, token, hostile, accounts
):
    ann, (number, contract) = people[0], hostile
    attacks = [
        hall.token.redeem.encode_input([token]),
        hall.token.safeTransferFrom.encode_input(contract.address, ann.account, token, 50, b""),
        hall.token.safeTransferFrom.encode_input(contract.address, contract.address, token, 50, b""),
        hall.token.redeem.encode_input([token, token]),
        hall.token.safeTransferFrom.encode_input(ann.account, contract.address, token, 50, b""),
    ]  # fmt: skip
    succeeded = []
    for attack in attacks:
        arm(contract, accounts, target=hall.token.address, data=bytes.fromhex(attack[2:]))
        send(hall, ann, contract.address, token, 100)
        succeeded.append(contract.functions.succeeded().call())
        holdings = [held(hall, who, token) for who in (*people, contract.address)]
        supply = tuple(hall.token.supplyOf(token))
        assert supply == tuple(sum(pair[i] for pair in holdings) for i in (0, 1))
        assert hall.balance(MARGIN) == supply[1]
        assert all(holdings[i][1] == 40 * holdings[i][0] for i in (0, -1))
        assert hall.whole.money_sum() == 0
    assert succeeded == [True, True, True, False, False]
    assert hall.balance(number) == PURSE + 4_000  # of the one redemption


def test_a_receiver_that_refuses_keeps_no_period_from_being_settled(hall, hostile, accounts):
    number, contract = hostile
    arm(contract, accounts, refuses=True)
    posted = hall.request(CONGESTION_METERED, Way.UP, 500, 10)
    run(contract, accounts, hall.requests.offer, 0, P, posted.number, [(number, 4, 500)], NO_SEED)
    hall.judge(hall.run(posted))
    hall.deliver({number: 500})
    hall.verify(posted, {number: 0})
    assert hall.phase(posted) == ENDED
    token = hall.token_of(posted)
    assert held(hall, contract.address, token) == (500, 20_000)
    assert contract.functions.asked().call() == 0
    hall.whole.settle(P)
    run(contract, accounts, hall.token.redeem, [token])
    assert hall.balance(number) == PURSE + 20_000


def test_a_transfer_to_who_refuses_is_refused(hall, people, token, hostile, accounts):
    _, contract = hostile
    arm(contract, accounts, refuses=True)
    to = (people[0].account, contract.address, token, 1, b"")
    with pytest.raises(VirtualMachineError, match="refused"):
        hall.token.safeTransferFrom.call(*to, people[0].sends)
    assert held(hall, people[0], token) == (700, 28_000)
