"""Attacks on tokens, which are money, by who has the key of an account that was replaced."""

import pytest
from brownie import accounts as brownie_accounts
from brownie import chain

from tests.contracts.flexibility_hall import MARGIN, FlexibilityHall
from tests.contracts.market import signer
from tests.contracts.refusal import fact, refusal

NEWCOMER = 100
VETO = 7 * 86_400
WH, CLAIM = 700, 28_000


@pytest.fixture(scope="module")
def hall(market):
    return FlexibilityHall(market)


@pytest.fixture(scope="module")
def people(hall):
    return hall.whole.in_area(0)


@pytest.fixture(scope="module")
def token(hall, people):
    """700 Wh of the first participant at 40 µEUR each, 300 of the second at 70."""
    return hall.token_of_two(*people[:2])


@pytest.fixture
def fresh(hall, people, token):
    """The first participant's new account; who has the old key let an accomplice move all it holds."""
    ann, accomplice = people[0], people[2]
    hall.token.setApprovalForAll(accomplice.account, True, ann.sends)
    replace(hall, ann.number, ann.account, signer(NEWCOMER))
    return signer(NEWCOMER)


def replace(hall, number, by, account):
    registry = hall.whole.registry
    registry.proposeAccount(number, account, {"from": by})
    chain.sleep(VETO)
    registry.takeAccount(number, {"from": account})


def held(hall, account, token):
    return hall.token.balanceOf(account, token), hall.token.claimOf(token, account)


def follow(hall, former, ids):
    return hall.token.follow(former, ids, {"from": hall.whole.stranger})


def test_a_replaced_key_cannot_move_tokens(hall, people, token, fresh):
    """Before: an accomplice redeemed 28,000 µEUR of the owner's, who got NothingToRedeem."""
    ann, accomplice = people[0], people[2]
    replaced = ("AccountWasReplaced", ann.account, ann.number)
    one, many = hall.token.safeTransferFrom, hall.token.safeBatchTransferFrom
    for by in (ann.account, accomplice.account):
        move = (ann.account, accomplice.account, token, WH, b"")
        assert refusal(one, *move, by=by) == replaced
        batch = (ann.account, accomplice.account, [token], [WH], b"")
        assert refusal(many, *batch, by=by) == replaced
        assert refusal(one, ann.account, fresh, token, WH, b"", by=by) == replaced
    unknown = ("UnknownParticipant", ann.account)
    assert refusal(hall.token.redeem, [token], by=ann.account) == unknown
    assert held(hall, ann.account, token) == (WH, CLAIM)


def test_who_lost_its_key_cannot_lose_its_tokens(hall, people, token, fresh):
    """Anyone brings them after it, twice named and twice asked as well as once."""
    ann, ben = people[:2]
    tx = follow(hall, ann.account, [token, token])
    assert fact(tx, "ClaimMoved") == (token, ann.account, fresh, CLAIM)
    assert "ClaimMoved" not in follow(hall, ann.account, [token]).events
    assert held(hall, ann.account, token) == (0, 0)
    assert held(hall, fresh, token) == (WH, CLAIM)
    before = hall.balance(ann)
    hall.token.redeem([token], {"from": fresh})
    assert hall.balance(ann) == before + CLAIM
    assert tuple(hall.token.supplyOf(token)) == (300, 21_000)
    assert hall.balance(MARGIN) == 21_000
    assert held(hall, ben.account, token) == (300, 21_000)
    assert hall.whole.money_sum() == 0


def test_tokens_follow_through_any_number_of_keys(hall, people, token, fresh):
    ann, last = people[0], signer(NEWCOMER + 1)
    replace(hall, ann.number, fresh, last)
    for former in (ann.account, fresh):
        follow(hall, former, [token])
    assert held(hall, last, token) == (WH, CLAIM)


def test_nobody_follows_an_account_that_was_not_replaced(hall, people, token, fresh):
    ben, stranger = people[1], brownie_accounts[12]
    for account in (ben.account, fresh, stranger, hall.whole.dso):
        asked = refusal(hall.token.follow, account, [token], by=people[2].account)
        assert asked == ("NotReplaced", account)


def test_a_replaced_key_cannot_come_back(hall, people, token, fresh):
    """Neither as an accomplice's account nor as a newcomer's: what lies there would be its to move."""
    ann, accomplice, registry = people[0], people[2], hall.whole.registry
    back = ("ReplacedAccount", ann.account, ann.number)
    for number, by in ((accomplice.number, accomplice.account), (ann.number, fresh)):
        assert refusal(registry.proposeAccount, number, ann.account, by=by) == back
    row = (ann.account, b"another meter".ljust(32), 0, 0, 25_000, 9)
    assert refusal(registry.register, [row], by=hall.whole.operator) == back
