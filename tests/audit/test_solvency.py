"""The auditor's watch: what can be withdrawn is there after every block; the first that is not is named."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gridbourse.audit.check import check
from gridbourse.audit.core.balances import Balances
from gridbourse.audit.core.findings import Difference, Findings
from gridbourse.audit.core.money import GroupChange, Money, Position, Rates
from gridbourse.audit.core.solvency import Solvency
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import load_run
from gridbourse.audit.statement import statement
from gridbourse.model.house_accounts import DSO_ACCOUNT, SUPPLIER_ACCOUNT
from gridbourse.scenario.scenario import load
from tests.audit.forging import altered, altered_topic, logs_of, plus

Forging = Callable[[str, Callable[[Any], None]], list[Difference]]
A, P, ANN, BOB = 0, 7, 8, 9


class OneArea:
    """Members, as far as they are asked: everybody is of one area."""

    def area_of(self, participant: int) -> int:
        return A


@pytest.fixture
def money() -> Money:
    """100 of the supplier's, 50 each of two participants, all of it there."""
    members: Any = OneArea()
    nothing: Any = None
    made = Money("house", members, nothing, Findings())
    for account, amount in ((SUPPLIER_ACCOUNT, 100), (ANN, 50), (BOB, 50)):
        made.free[account] += amount
        made.currency_held += amount
    return made


def broken(money: Money) -> list[str]:
    findings = Findings()
    solvency = Solvency(money, findings)
    solvency.before(3)
    solvency.look()
    assert findings.compared["solvency"] == 1
    return [str(each) for each in findings.differences]


def test_sums_of_accounts_follow_every_change() -> None:
    balances = Balances()
    for account, by in (
        (ANN, 5),
        (ANN, -8),
        (BOB, 4),
        (DSO_ACCOUNT, -9),
        (ANN, 1),
        (SUPPLIER_ACCOUNT, 7),
    ):
        balances[account] += by
        people = [amount for who, amount in balances.items() if who >= 8]
        assert balances.free_micro_eur == sum(max(amount, 0) for amount in people)
        assert balances.debts_micro_eur == sum(max(-amount, 0) for amount in people)


def test_a_credit_beyond_the_guarantee_waits_and_the_rest_is_there(money: Money) -> None:
    """One meter says 1,000 were fed in: nobody's 50 pays it, though all sums are right."""
    change = GroupChange({ANN: 1_000, BOB: 0}, -1_000, 0)
    settled = money.settle(A, P, [change])
    assert settled.waits == {ANN: 1_000}
    assert money.free[ANN] == money.free[BOB] == 50
    assert money.total() == money.currency_held
    assert broken(money) == []


def test_without_waiting_it_is_named(money: Money) -> None:
    """The same as it was booked before: conserved, and not solvent."""
    money.free[ANN] += 1_000
    money.free[SUPPLIER_ACCOUNT] -= 1_000
    assert money.total() == money.currency_held
    [found] = broken(money)
    assert found.startswith("solvency: block 3, the first: chain 1100 µEUR can be asked for")


def test_a_debt_is_covered_by_the_supplier_first_and_then_by_who_earned(money: Money) -> None:
    settled = money.settle(A, P, [GroupChange({ANN: -170}, 150, 20)])
    assert settled.debts == {ANN: -120}
    assert money.backing() == (130, 20)
    assert (money.may_leave(SUPPLIER_ACCOUNT), money.may_leave(DSO_ACCOUNT)) == (130, 20)
    money.settle(A, P + 1, [GroupChange({BOB: -200}, 20, 180)])
    assert money.backing() == (0, 200)
    money.settle(A, P + 2, [GroupChange({BOB: -30}, 0, 30)])
    assert money.backing() == (-30, 230)
    assert (money.may_leave(SUPPLIER_ACCOUNT), money.may_leave(DSO_ACCOUNT)) == (0, 200)
    assert broken(money) == []


def test_a_fee_nobody_paid_does_not_go_out(money: Money) -> None:
    """What the DSO has is a debt of Ann's: spent, it would be Bob's money."""
    money.free[SUPPLIER_ACCOUNT] -= 100
    money.currency_held -= 100
    money.settle(A, P, [GroupChange({ANN: -80}, 0, 80)])
    assert money.may_leave(DSO_ACCOUNT) == 50
    money.free[DSO_ACCOUNT] -= 80
    money.currency_held -= 80
    assert broken(money)


def test_who_sells_is_paid_with_its_settlement(money: Money) -> None:
    money.holds[P, BOB] = 40
    money.free[BOB] -= 40
    money.book(P, ANN, Position(1, 0), 30)
    money.book(P, BOB, Position(0, 1), -30)
    assert money.free[ANN] == 50, "nothing is paid at booking"
    money.settle(A, P, [GroupChange({ANN: 0}, 0, 0)])
    assert (money.free[ANN], money.open_trades[A, P]) == (80, -30)
    assert money.periods_short() == {}
    money.settle(A, P, [GroupChange({BOB: 0}, 0, 0)])
    assert (money.free[BOB], money.open_trades[A, P]) == (20, 0)


def test_a_seller_that_no_buyer_backs_is_named(money: Money) -> None:
    money.book(P, ANN, Position(1, 0), 30)
    money.settle(A, P, [GroupChange({ANN: 0}, 0, 0)])
    [found] = broken(money)
    assert "holds and open trades of area 0, period 7 are -30 µEUR" in found


def test_credit_is_lent_by_the_suppliers_cover(money: Money) -> None:
    money._rates[A, P] = Rates(300, 300)
    money.credit_limits[ANN] = 1_000
    money.hold(P, ANN, 1)
    found = broken(money)
    assert "money rule: credit of participants [8], block 3" in found[0], (
        "250 of credit, 100 of cover"
    )


# --- on a log ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rebuilt(runs: dict[str, Path]) -> Rebuilt:
    run = load_run(runs["uniform"])
    return check(run, [load(run.scenario_file, run.overrides)])


def test_every_block_was_looked_at(rebuilt: Rebuilt, runs: dict[str, Path]) -> None:
    logs = json.loads((runs["uniform"] / "logs.json").read_text())["logs"]
    blocks = {log["blockNumber"] for log in logs}
    assert rebuilt.findings.compared["solvency"] == len(blocks)
    assert rebuilt.solvency.first_broken is None
    assert sum(rebuilt.money.waiting.values()) > 0
    assert rebuilt.withdrawals.under_way


def test_the_supplier_pays_feed_in(rebuilt: Rebuilt) -> None:
    """In the third period 100 Wh within a cap are fed in beyond all contracts, and 100 more by another."""
    period = sorted(rebuilt.metering.finished_in(0))[2]
    flows = statement(rebuilt, 0, period).flows.set_index(["payer", "payee", "kind"])["micro_eur"]
    assert flows["supplier", "participants", "feed_in"] == 100 * 80
    estimated = sorted(rebuilt.metering.finished_in(0))[3]
    told = statement(rebuilt, 0, estimated)
    capacity = rebuilt.members.participants[16].capacity_wh
    assert told.energy_wh["from_supplier"] > capacity, "a silent connection draws all it can"


def first_broken(found: Sequence[Difference]) -> int:
    [difference] = [each for each in found if each.what == "solvency"]
    return int(difference.where.split()[1].rstrip(","))


def test_currency_that_leaves_with_nobodys_withdrawal(honest: Path, forge: Forging) -> None:
    """The last that came in goes out instead: by sums of the log alone nothing is missing before."""
    blocks: list[int] = []

    def steal(content: dict[str, Any]) -> None:
        *_, last = logs_of(content, "SettlementCurrency", "Transfer")
        last["topics"][1], last["topics"][2] = last["topics"][2], last["topics"][1]
        blocks.append(last["blockNumber"])

    assert first_broken(forge("logs", steal)) == blocks[0]


def test_a_deposit_that_never_came(forge: Forging) -> None:
    blocks: list[int] = []

    def invent(content: dict[str, Any]) -> None:
        altered("ClearingHouse", "Deposited", plus("amountMicroEur", 10**9), 3)(content)
        blocks.append(logs_of(content, "ClearingHouse", "Deposited")[3]["blockNumber"])

    assert first_broken(forge("logs", invent)) == blocks[0]


def test_money_credited_to_another_account_than_it_was_brought_for(forge: Forging) -> None:
    """The supplier's guarantee in a participant's account is no guarantee: what is owed is not covered."""

    def divert(content: dict[str, Any]) -> None:
        logs = logs_of(content, "ClearingHouse", "Deposited")
        nth = next(n for n, log in enumerate(logs) if int(log["topics"][1], 16) == SUPPLIER_ACCOUNT)
        altered_topic("ClearingHouse", "Deposited", 1, nth)(content)

    found = forge("logs", divert)
    assert {"credit that waits", "money rule"} & {each.what for each in found}
