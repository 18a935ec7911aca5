"""The reference ledger: by hand, and at random: money is neither made nor lost, and all of it is there."""

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.model.house_accounts import DSO_ACCOUNT as DSO
from gridbourse.model.house_accounts import MARGIN_ACCOUNT as MARGIN
from gridbourse.model.house_accounts import OPERATOR_ACCOUNT as OPERATOR
from gridbourse.model.house_accounts import SPREAD_ACCOUNT as SPREAD
from gridbourse.model.house_accounts import SUPPLIER_ACCOUNT as SUPPLIER
from gridbourse.model.house_accounts import TSO_ACCOUNT as TSO
from gridbourse.model.house_accounts import dso_account
from gridbourse.model.ledger import Ledger, Refused, Settling

ALICE, BOB, CAROL, DAVE = GROUP = range(8, 12)
P = 100
DAY = 86_400


def ledger(window: int = 0, **balances: int) -> Ledger:
    """A ledger into which this came in as deposits; accounts by their names here."""
    made = Ledger(dispute_window=window)
    for name, amount in balances.items():
        made.deposit(globals()[name], amount)
    return made


def refusal(action, *arguments) -> str:
    with pytest.raises(Refused) as refused:
        action(*arguments)
    return refused.value.rule


def is_sound(money: Ledger) -> None:
    assert money.money_sum == 0
    assert money.gap <= 0


# --- cover -------------------------------------------------------------------------------------


def test_the_supplier_stands_in_for_what_its_customers_owe():
    money = ledger(SUPPLIER=1_000, ALICE=100)
    money.settle(P, {ALICE: Settling(delta=-900)}, supplier=700)

    assert money.balances[ALICE] == -800
    assert money.debts == 800
    assert money.cover == 1_000 + 700 - 800
    assert money.spendable(SUPPLIER) == 900
    assert money.spendable(DSO) == 200
    is_sound(money)


def test_fees_nobody_paid_are_not_spent():
    money = ledger()
    money.settle(P, {ALICE: Settling(delta=-900)}, supplier=700)

    assert (money.cover, money.house) == (-200, 200)
    assert refusal(money.withdraw, DSO, 1, 0) == "HouseMustCover"
    assert refusal(money.transfer, "market", DSO, MARGIN, 1) == "HouseMustCover"
    money.deposit(ALICE, 150)
    money.transfer("market", DSO, MARGIN, 150)
    assert refusal(money.transfer, "market", DSO, MARGIN, 1) == "HouseMustCover"
    is_sound(money)


def test_what_the_supplier_cannot_cover_waits_and_comes_when_it_can():
    money = ledger(SUPPLIER=500)
    waits = money.settle(P, {ALICE: Settling(delta=300), BOB: Settling(delta=400)}, supplier=-700)
    assert waits == {ALICE: 300, BOB: 400}
    assert (money.balances[SUPPLIER], money.cover) == (-200, 500)
    is_sound(money)

    assert money.pay_waiting([BOB, ALICE]) == {BOB: 400, ALICE: 100}
    assert money.cover == 0
    money.deposit(SUPPLIER, 200)
    assert money.pay_waiting([ALICE, ALICE]) == {ALICE: 200}
    assert money.balances[ALICE] == 300
    is_sound(money)


def test_a_credit_pays_debts_before_it_waits():
    money = ledger()
    money.settle(P, {ALICE: Settling(delta=-500)}, supplier=500)
    assert money.settle(P, {ALICE: Settling(delta=800)}, supplier=-800) == {ALICE: 300}
    assert (money.balances[ALICE], money.balances[SUPPLIER]) == (0, -300)
    is_sound(money)


def test_a_trade_is_paid_by_its_buyer_whether_there_is_cover_or_not():
    money = ledger(BOB=1_000)
    money.hold(P, BOB, 900)
    group = {ALICE: Settling(payment=600), BOB: Settling(held=900, payment=-600)}
    assert money.settle(P, group, supplier=0) == {}
    money.finish_period(P)

    assert (money.balances[ALICE], money.balances[BOB]) == (600, 400)
    is_sound(money)


def test_what_trades_leave_over_is_spread():
    money = ledger(BOB=1_000)
    money.hold(P, BOB, 900)
    assert refusal(money.finish_period, P) == "PeriodHasOpenMoney"
    money.settle(P, {ALICE: Settling(payment=500), BOB: Settling(held=900, payment=-600)}, 0)
    money.collect_spread(P, 60)
    money.finish_period(P)

    assert money.balances[SPREAD] == 100
    is_sound(money)


def test_fees_given_back_wait_for_the_dso():
    money = ledger(DSO=10, SUPPLIER=5)
    assert money.credit({ALICE: 40}, supplier=0, dso=-40) == {ALICE: 40}
    assert money.pay_waiting([ALICE]) == {ALICE: 15}  # what the supplier still covers
    money.deposit(DSO, 30)
    assert money.pay_waiting([ALICE]) == {ALICE: 25}
    is_sound(money)


def test_every_areas_dso_earns_and_covers():
    """What a debtor owes the DSO of one area is not spent, by it or by another one."""
    money = Ledger()
    money.deposit(SUPPLIER, 100)
    money.deposit(ALICE, 50)
    money.settle(P, {ALICE: Settling(delta=-30)}, 0, area=0)
    money.settle(P, {ALICE: Settling(delta=-170)}, 0, area=3)
    dso = dso_account(3)
    assert (money.balances[DSO], money.balances[dso], money.debts) == (30, 170, 150)
    assert (money.cover, money.house, money.money_sum) == (-50, 200, 0)
    assert (money.spendable(DSO), money.spendable(dso)) == (30, 150)
    assert refusal(money.withdraw, dso, 151, 0) == "HouseMustCover"
    money.withdraw(dso, 150, 0)
    assert (money.spendable(DSO), money.gap) == (0, 0)


def test_changes_sum_to_zero():
    assert refusal(ledger().credit, {ALICE: 40}, -39, 0) == "SumNotZero"


def test_credit_lends_no_more_than_is_covered():
    money = ledger(SUPPLIER=100)
    money.credit_limits[ALICE] = 1_000
    assert refusal(money.hold, P, ALICE, 101) == "CreditNotCovered"
    assert refusal(money.hold, P, ALICE, 1_001) == "InsufficientMoney"
    money.hold(P, ALICE, 100)
    assert money.spendable(SUPPLIER) == 0
    money.credit_limits[ALICE] = 99
    assert refusal(money.hold, P, ALICE, 1) == "InDebt"
    is_sound(money)


# --- the way out -------------------------------------------------------------------------------


def test_money_waits_a_dispute_window_before_it_leaves():
    money = ledger(DAY, ALICE=100)
    number = money.withdraw(ALICE, 70, now=1_000)
    assert (money.balances[ALICE], money.set_aside) == (30, 70)
    assert refusal(money.finish, number, 1_000 + DAY - 1) == "WithdrawalWaits"
    assert money.finish(number, 1_000 + DAY) == 70
    assert refusal(money.finish, number, 1_000 + DAY) == "NoWithdrawal"
    is_sound(money)


def test_a_debt_of_a_correction_is_paid_from_what_was_on_its_way():
    money = ledger(DAY, ALICE=100, SUPPLIER=1_000)
    money.credit({ALICE: 50}, -50, 0)
    number = money.withdraw(ALICE, 150, now=0)
    money.credit({ALICE: -50}, 50, 0)
    assert money.finish(number, DAY) == 100
    assert money.balances[ALICE] == money.debts == 0
    is_sound(money)


def test_a_house_account_waits_for_cover_and_may_take_its_money_back():
    money = ledger(DAY, SUPPLIER=200)
    number = money.withdraw(SUPPLIER, 200, now=0)
    money.settle(P, {ALICE: Settling(delta=-900)}, supplier=700)
    assert refusal(money.finish, number, DAY) == "HouseMustCover"
    money.cancel(number)
    assert money.balances[SUPPLIER] == 900
    assert money.cover == 0
    is_sound(money)


def test_a_market_takes_no_margin_of_another():
    money = ledger(ALICE=100, BOB=100)
    money.transfer("auction", ALICE, MARGIN, 80)
    money.transfer("deals", BOB, MARGIN, 30)
    assert refusal(money.transfer, "deals", MARGIN, BOB, 31) == "MarginOfOthers"
    money.transfer("deals", MARGIN, BOB, 30)
    assert money.margins == {"auction": 80, "deals": 0}
    is_sound(money)


# --- at random ---------------------------------------------------------------------------------

AMOUNT = st.integers(0, 400)
CHANGE = st.integers(-400, 400)
WHO = st.sampled_from(GROUP)
ACCOUNT = st.sampled_from((DSO, SUPPLIER, OPERATOR, SPREAD, TSO, *GROUP))
CHARGES = st.dictionaries(WHO, st.tuples(CHANGE, st.integers(0, 60)), min_size=1)
"""By participant: what the supplier gets of it, and what the DSO."""


@st.composite
def steps(draw):
    """One step of a life, as a function of the ledger."""
    kind = draw(
        st.sampled_from(
            (
                "deposit",
                "withdraw",
                "finish",
                "cancel",
                "settle",
                "correct",
                "order",
                "margin",
                "pay",
            )
        )
    )
    who, account, amount, charges = draw(WHO), draw(ACCOUNT), draw(AMOUNT), draw(CHARGES)
    suppliers, dso = (sum(pair[i] for pair in charges.values()) for i in (0, 1))
    deltas = {who: -a - b for who, (a, b) in charges.items()}

    def step(money: Ledger) -> None:
        numbers = sorted(money.on_the_way)
        if kind == "deposit":
            money.deposit(account, amount)
        elif kind == "withdraw":
            money.withdraw(account, amount, 0)
        elif kind in ("finish", "cancel") and numbers:
            number = numbers[amount % len(numbers)]
            money.cancel(number) if kind == "cancel" else money.finish(number, DAY)
        elif kind == "order":
            money.credit_limits[who] = amount // 2
            money.hold(P, who, amount)
        elif kind == "margin":
            money.transfer("market", account, MARGIN, amount)
        elif kind == "pay":
            money.pay_waiting(GROUP)
        elif kind == "settle":
            held = dict.fromkeys(GROUP, 0)
            held[who] = min(money.holds[P], amount)
            money.settle(P, {w: Settling(held[w], 0, deltas.get(w, 0)) for w in GROUP}, suppliers)
        elif kind == "correct":  # fees may be given back
            money.credit({w: -d for w, d in deltas.items()}, -suppliers, -dso)

    return step


@given(life=st.lists(steps(), max_size=40))
@settings(max_examples=300)
def test_whatever_happens_all_money_is_there(life):
    money = Ledger(dispute_window=DAY)
    for step in life:
        try:
            step(money)
        except Refused:
            continue
        is_sound(money)


@given(life=st.lists(steps(), max_size=30))
@settings(max_examples=100)
def test_everybody_can_take_out_what_it_may(life):
    """All at once, in any order: nobody comes too late."""
    money = Ledger(dispute_window=DAY)
    for step in life:
        before = deepcopy(money)
        try:
            step(money)
        except Refused:
            money = before
    for account in (*GROUP, TSO, DSO, OPERATOR, SPREAD, SUPPLIER):
        if amount := money.spendable(account):
            money.withdraw(account, amount, 0)
    for number in sorted(money.on_the_way):
        money.finish(number, DAY)
    assert money.deposits - money.withdrawals >= money.balances[MARGIN] + sum(money.holds.values())
