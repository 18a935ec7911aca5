"""Rewards: goods for money given, handed over when both sides say so, void with the refund."""

import pytest
from eth_utils import keccak

from tests.contracts.campaigns import EVIDENCE, GOAL, launch, mint
from tests.contracts.refusal import fact, refusal

DRAFT, OPEN, SUCCEEDED, FAILED, BUILT = range(5)
HONEY, TOUR = 0, 1
GOODS = ((keccak(text="a jar of honey"), 500, 10), (keccak(text="a tour of the roof"), 3_000, 2))


@pytest.fixture(scope="module")
def owner(market):
    return market.members[9]


@pytest.fixture(scope="module")
def draft(market, owner):
    launched = launch(market, "RewardCampaign", owner)
    for good in GOODS:
        launched.contract.list(*good, owner.sends)
    return launched


@pytest.fixture
def full(draft, alice, bob):
    return draft.funded({alice.account: 7_000, bob.account: 4_000})


def left(launched):
    return [good[2] for good in launched.contract.goods()]


def test_the_owner_lists_goods_before_it_opens(market, owner, alice):
    contract = launch(market, "RewardCampaign", owner).contract
    text = GOODS[0][0]
    assert refusal(contract.list, *GOODS[0], by=alice.account) == (
        "OnlyOwner", alice.account, owner.account,
    )  # fmt: skip
    by = owner.account
    assert refusal(contract.list, text, 0, 1, by=by) == ("BadTerms", "price above zero", 0, 0)
    assert refusal(contract.list, text, 1, 0, by=by) == ("BadTerms", "stock above zero", 0, 0)
    tx = contract.list(*GOODS[0], owner.sends)
    assert fact(tx, "GoodListed") == (0, "0x" + text.hex(), 500, 10)
    for _ in range(15):
        contract.list(*GOODS[1], owner.sends)
    assert refusal(contract.list, *GOODS[0], by=by) == ("BadTerms", "goods below", 16, 16)
    contract.open([GOAL], owner.sends)
    assert refusal(contract.list, *GOODS[0], by=by) == ("WrongPhase", OPEN)


def test_each_unit_given_stands_for_one_voucher_at_most(market, draft, alice):
    draft.open()
    mint(market, {alice.account: 8_000})
    pick = draft.contract.pick
    assert refusal(pick, HONEY, 1, by=alice.account) == ("NotGivenEnough", alice.account, 0, 500)
    draft.fund(alice.account, 4_000)
    assert fact(pick(TOUR, 1, alice.sends), "Picked") == (alice.account, TOUR, 1)
    pick(HONEY, 2, alice.sends)
    assert refusal(pick, HONEY, 1, by=alice.account) == (
        "NotGivenEnough",
        alice.account,
        4_000,
        4_500,
    )
    assert refusal(pick, HONEY, 0, by=alice.account) == ("NothingToMove", alice.account)
    assert refusal(pick, 2, 1, by=alice.account) == ("NoSuchGood", 2, 2)
    assert draft.contract.spokenForMicroEur(alice.account) == 4_000
    assert left(draft) == [8, 1]


def test_goods_go_as_far_as_the_stock(full, alice, bob):
    full.contract.pick(TOUR, 2, alice.sends)
    assert refusal(full.contract.pick, TOUR, 1, by=bob.account) == ("OutOfStock", TOUR, 1, 0)


def test_a_good_is_handed_over_when_both_say_so(full, owner, alice):
    contract = full.contract
    contract.pick(HONEY, 3, alice.sends)
    tx = contract.handOver(alice.account, HONEY, 2, owner.sends)
    assert fact(tx, "HandOverStated") == (alice.account, HONEY, 2, True)
    assert "Redeemed" not in tx.events
    tx = contract.confirmReceipt(HONEY, 3, alice.sends)
    assert fact(tx, "Redeemed") == (alice.account, HONEY, 2)
    above = ("AbovePicked", alice.account, HONEY, 4, 3)
    assert refusal(contract.confirmReceipt, HONEY, 1, by=alice.account) == above
    assert refusal(contract.handOver, alice.account, HONEY, 2, by=owner.account) == above
    assert fact(contract.handOver(alice.account, HONEY, 1, owner.sends), "Redeemed")[2] == 1
    assert tuple(contract.voucherOf(alice.account, HONEY)) == (3, 3, 3)


def test_only_the_two_sides_speak_and_only_of_something(full, owner, alice, bob):
    contract = full.contract
    contract.pick(HONEY, 1, alice.sends)
    refused = refusal(contract.handOver, alice.account, HONEY, 1, by=bob.account)
    assert refused == ("OnlyOwner", bob.account, owner.account)
    refused = refusal(contract.confirmReceipt, HONEY, 1, by=bob.account)
    assert refused == ("AbovePicked", bob.account, HONEY, 1, 0)
    refused = refusal(contract.confirmReceipt, HONEY, 0, by=alice.account)
    assert refused == ("NothingToMove", alice.account)


def test_nothing_is_handed_over_before_the_funding_has_succeeded(market, draft, owner, alice):
    draft.open()
    mint(market, {alice.account: 8_000})
    draft.fund(alice.account, 4_000)
    draft.contract.pick(HONEY, 1, alice.sends)
    assert refusal(draft.contract.handOver, alice.account, HONEY, 1, by=owner.account) == (
        "WrongPhase", OPEN,
    )  # fmt: skip


def test_nothing_is_picked_once_it_is_built(full, alice):
    full.contract.confirmBuilt(EVIDENCE, {"from": full.attester})
    assert refusal(full.contract.pick, HONEY, 1, by=alice.account) == ("WrongPhase", BUILT)


def test_vouchers_are_void_with_the_refund_and_the_stock_is_back(market, full, owner, alice, bob):
    contract = full.contract
    contract.pick(HONEY, 3, alice.sends)
    contract.pick(TOUR, 1, alice.sends)
    contract.handOver(alice.account, HONEY, 1, owner.sends)
    contract.confirmReceipt(HONEY, 1, alice.sends)
    contract.abandon(EVIDENCE, {"from": full.attester})
    tx = contract.refund(alice.sends)

    voided = [tuple(event.values()) for event in tx.events["VouchersVoided"]]
    assert voided == [(alice.account, HONEY, 2), (alice.account, TOUR, 1)]
    assert fact(tx, "Refunded") == (alice.account, 7_000, 7_000)
    assert left(full) == [9, 2]  # a jar was handed over
    assert tuple(contract.voucherOf(alice.account, HONEY)) == (1, 1, 1)
    assert refusal(contract.handOver, alice.account, HONEY, 1, by=owner.account)[0] == "WrongPhase"
    assert contract.spokenForMicroEur(alice.account) == 0


def test_a_reward_never_moves_money_back_or_to_another(full, owner, alice, bob):
    assert refusal(full.contract.refund, by=alice.account) == ("WrongPhase", SUCCEEDED)
    refused = refusal(full.contract.transfer, bob.account, 1, by=alice.account)
    assert refused == ("NotTransferable", alice.account, bob.account)
