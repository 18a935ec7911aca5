"""What the supplier's account covers, and what waits for it; the desk is what no honest module would be."""

import pytest

from gridbourse.model.ledger import Ledger, Settling
from tests.contracts.any_state import require_sound
from tests.contracts.market import (
    CAPACITY_WH,
    DSO,
    FEES,
    FIRST,
    RETAIL,
    SETTLEMENT,
    SUPPLIER,
    Market,
)
from tests.contracts.refusal import fact, told
from tests.contracts.test_corrections import lanes

P = FIRST + 2
GROUPS = (2, 3)
GUARANTEE = 500
# By group: what its four accounts change by, what the supplier gets, what the DSO.
CASES = {
    "exporters after consumers": (((-900, 0, 0, 0), 700, 200), ((300, 0, 250, 0), -550, 0)),
    "exporters before consumers": (((300, 0, 450, 0), -760, 10), ((-900, 0, 0, 0), 700, 200)),
    "both in one group": (((300, -80, 450, 0), -680, 10), ((0, 20, 0, 0), -20, 0)),
    "nothing is covered": (((5_000, 0, 0, 1), -5_001, 0), ((1, 1, 1, 1), -4, 0)),
    "all is covered": (((200, 0, 0, 0), -200, 0), ((300, 0, 0, 0), -300, 0)),
}


@pytest.fixture(scope="module")
def bare(market, accounts):
    """Eight participants without money, and a supplier with 500 µEUR."""
    whole = Market(market.contracts).admit(8, purse=0, guarantee=GUARANTEE)
    whole.authorise(accounts[9], SETTLEMENT)
    return whole


@pytest.fixture
def settling(bare, accounts):
    bare.house.activate(0, P, {"from": accounts[9]})
    return bare


def settle(market, by, *changes):
    groups = GROUPS[: len(changes)]
    deltas, suppliers, dso = zip(*changes, strict=True)
    words = (0, P, groups, [lanes(four) for four in deltas], suppliers, sum(dso))
    return market.house.settle(*words, {"from": by})


def expected(changes):
    money = Ledger()
    money.deposit(SUPPLIER, GUARANTEE)
    for group, (deltas, supplier, _) in zip(GROUPS, changes, strict=True):
        due = {4 * group + lane: Settling(delta=delta) for lane, delta in enumerate(deltas)}
        money.settle(P, due, supplier)
    return money


def require_equal(market, money):
    house = market.house
    for who in range(1, 16):
        assert house.balanceOf(who) == money.balances.get(who, 0), who
        assert house.waitingOf(who) == money.waiting.get(who, 0), who
        assert house.spendableOf(who) == money.spendable(who), who
    assert house.coverMicroEur() == money.cover
    assert house.debtsMicroEur() == money.debts
    assert house.waitingMicroEur() == sum(money.waiting.values())
    require_sound(market)


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_what_waits_does_not_depend_on_how_the_range_was_cut(settling, accounts, changes):
    settle(settling, accounts[9], *changes)
    require_equal(settling, expected(changes))


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_what_waits_is_the_same_group_by_group(settling, accounts, changes):
    settle(settling, accounts[9], changes[0])
    words = (0, P, [GROUPS[1]], [lanes(changes[1][0])], [changes[1][1]], changes[1][2])
    settling.house.settle(*words, {"from": accounts[9]})
    require_equal(settling, expected(changes))


def test_what_waits_is_paid_in_the_order_given(settling, accounts):
    changes = CASES["nothing is covered"]
    settle(settling, accounts[9], *changes)
    house, money = settling.house, expected(changes)
    order = [12, 11, 8, 9]
    tx = house.payWaiting(order, {"from": settling.stranger})

    paid = money.pay_waiting(order)
    assert paid == {11: 1, 8: 495}
    assert {e["participant"]: e["amountMicroEur"] for e in told(tx, "WaitingPaid")} == paid
    require_equal(settling, money)
    assert "WaitingPaid" not in house.payWaiting(order, {"from": settling.stranger}).events
    settling.fund({SUPPLIER: 10_000})
    money.deposit(SUPPLIER, 10_000)
    house.payWaiting(list(range(8, 16)), {"from": settling.stranger})
    money.pay_waiting(range(8, 16))
    assert house.waitingMicroEur() == 0
    require_equal(settling, money)


@pytest.mark.parametrize(
    ("deltas", "supplier", "dso"),
    [
        ((300, 0, 400, 0), -700, 0),
        ((40, 0, 0, 0), 0, -40),
        ((-900, 0, 300, 0), 500, 100),
        ((-900, 0, 2_000, 0), -1_200, 100),
    ],
)
def test_a_correction_waits_as_the_model_says(settling, accounts, deltas, supplier, dso):
    group = GROUPS[0]
    tx = settling.house.correct(0, P, group, lanes(deltas), supplier, dso, {"from": accounts[9]})

    money = Ledger()
    money.deposit(SUPPLIER, GUARANTEE)
    changes = {4 * group + lane: delta for lane, delta in enumerate(deltas)}
    waits = money.credit(changes, supplier, dso)
    assert {e["participant"]: e["amountMicroEur"] for e in told(tx, "CreditWaits")} == waits
    require_equal(settling, money)


def test_unordered_consumption_costs_the_supplier_no_more_than_the_connection_carries(bare):
    """One without money and without an order draws all its connection carries: a debt, and no more of it than
    the supplier stands in for. The DSO's fee waits for it too."""
    drawer = bare.members[0]
    bare.trade(P)
    bare.deliver(P)
    bare.meter(P, {m.number: 0 for m in bare.members} | {drawer.number: -CAPACITY_WH})
    tx = bare.settle(P)

    owed, fee = CAPACITY_WH * (RETAIL + FEES[0][0]), CAPACITY_WH * FEES[0][0]
    assert fact(tx, "DebtIncurred") == (drawer.number, P, -owed)
    assert bare.house.coverMicroEur() == GUARANTEE - fee
    assert bare.house.spendableOf(DSO) == GUARANTEE
    assert bare.house.spendableOf(SUPPLIER) == 0
    require_sound(bare)
