"""`scripts.withdraw`: money set aside, paid after the dispute window, put back, kept for a debt."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from eth_account import Account
from web3 import Web3

from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.chain.node.connect import let_time_pass, session
from gridbourse.chain.node.transactions import Reverted
from gridbourse.chain.operations.market_state import backing, slots_of
from gridbourse.chain.operations.withdrawals import under_way
from gridbourse.crowdsale.errors import CrowdsaleError
from scripts import settle, status, withdraw
from tests.invariants.model_market import FEED_IN, FEES, Order
from tests.invariants.ring_market import FIRST, NUMBERS, RingMarket

ORDERS = {8: Order(OFFER, 10, 900), 9: Order(BID, 20, 500), 14: Order(BID, 15, 300)}
START = 400_000
SUPPLIER = 2
Run = Callable[..., str]


@pytest.fixture(scope="module")
def market() -> Iterator[RingMarket]:
    with session("devnet-child") as w3:
        market = RingMarket(w3)
        market.deposit(dict.fromkeys(NUMBERS, START))
        yield market


@pytest.fixture
def run(
    market: RingMarket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """One step; what it says."""
    path = tmp_path / "here.json"
    market.market.record.save(path)
    rows = "\n".join(f"{n},{n}" for n in NUMBERS)
    path.with_suffix(".participants.csv").write_text(f"point_id,number\n{rows}\n")
    monkeypatch.setattr("scripts.record_path", lambda network: path)
    monkeypatch.setenv("COLUMNS", "140")

    def step(*words: str, web3: Web3 = market.chain.w3) -> str:
        capsys.readouterr()
        with seen(market):
            withdraw.main(*words, web3=web3)
        return capsys.readouterr().out

    return step


@contextmanager
def seen(market: RingMarket) -> Iterator[None]:
    """The checker learns of what a script sends, with the same keys."""
    eth = market.chain.w3.eth
    since = eth.block_number
    try:
        yield
    finally:
        for block in range(since + 1, eth.block_number + 1):
            hashes = eth.get_block(block)["transactions"]
            market.chain.unseen += [eth.get_transaction_receipt(each) for each in hashes]
        market.chain._nonces.clear()


def number_in(said: str) -> int:
    return int(re.findall(r"withdrawal (\d+)", said)[0])


def currency_of(market: RingMarket, who: int) -> int:
    held: int = market.market.currency.read("balanceOf", market.key(who).address)
    return held


def wait(market: RingMarket) -> None:
    let_time_pass(market.chain.w3, market.market.house.read("disputeWindowSeconds"))


def test_money_is_set_aside_and_paid_after_the_window(market: RingMarket, run: Run) -> None:
    assert "No withdrawal is under way." in run("status")
    said = run("announce", "0.1", "--by", "10")
    number = number_in(said)
    assert "0.1 EUR set aside, paid from" in said
    assert f"scripts.withdraw finish {number}" in said
    assert f"scripts.withdraw cancel {number}" in said
    assert market.look()[10] == START - 100_000
    assert currency_of(market, 10) == 0
    with pytest.raises(Reverted, match="WithdrawalWaits"):
        run("finish", str(number))
    assert "No withdrawal is due." in run("finish")
    said = run("status", "--by", "10")
    assert "Free     0.3 EUR" in said
    assert f"{number} │ 10" in said
    wait(market)
    assert f"withdrawal {number}: 0.1 EUR paid to 10" in run("finish")
    assert currency_of(market, 10) == 100_000
    assert under_way(market.market) == []
    market.look()


def test_it_is_put_back_by_its_holder_alone(market: RingMarket, run: Run) -> None:
    number = number_in(run("announce", "0.2", "--by", "11"))
    with pytest.raises(Reverted, match="NotHolder"):
        run("cancel", str(number), "--by", "12")
    assert f"withdrawal {number}: 0.2 EUR back in its account" in run(
        "cancel", str(number), "--by", "11"
    )
    assert market.look()[11] == START
    with pytest.raises(Reverted, match="NoWithdrawal"):
        run("finish", str(number))


def test_who_is_nobody_and_what_is_not_free_is_refused(market: RingMarket, run: Run) -> None:
    with pytest.raises(Reverted, match="InsufficientMoney"):
        run("announce", "0.5", "--by", "12")
    with pytest.raises(CrowdsaleError, match="'99'"):
        run("announce", "0.1", "--by", "99")
    with pytest.raises(CrowdsaleError, match="who\\?"):
        run("announce", "0.1")
    market.look()


def test_who_has_its_own_key_gives_its_keystore(
    market: RingMarket, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDBOURSE_KEYSTORE_PASSWORD", "correct horse battery")
    path = tmp_path / "mine.json"
    path.write_text(
        json.dumps(Account.encrypt(market.key(13).key, "correct horse battery", iterations=2))
    )
    number = number_in(run("announce", "0.05", "--keystore", str(path)))
    assert f"{number} │ 13" in run("status", "--keystore", str(path))
    run("cancel", str(number), "--keystore", str(path))
    assert market.look()[13] == START


def test_a_forged_reading_is_corrected_before_what_it_brought_is_gone(
    market: RingMarket, run: Run
) -> None:
    """8 injects all its connection carries, says its meter; the supplier has a guarantee for it."""
    market.deposit({SUPPLIER: 1_000_000})
    market.live(FIRST, ORDERS, 9)
    before = market.look()[8]
    market.correct(FIRST, {8: 4_000})
    gained = market.look()[8] - before
    assert gained == 3_100 * (FEED_IN - FEES[1][2]), (
        "fed in beyond what it sold, less the export fee"
    )
    number = number_in(run("announce", f"{(before + gained) / 1e6}", "--by", "8"))
    market.correct(FIRST, {8: 900})
    assert market.look()[8] == -gained
    wait(market)
    said = run("finish", str(number))
    assert f"{gained / 1e6:g} EUR kept for what it owed" in said
    assert currency_of(market, 8) == before
    assert market.look()[8] == 0


def test_credits_wait_and_come_when_the_supplier_pays_in(
    market: RingMarket, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    spare = market.market.house.read("spendableOf", SUPPLIER)
    run("announce", f"{spare / 1e6}", "--by", "supplier")
    market.correct(FIRST, {8: 2_900})
    credit = market.market.house.read("waitingOf", 8)
    assert credit > 0
    found = backing(market.market, slots_of(market.market))
    assert found.solvent
    assert found.waiting == credit
    assert f"Waits    {credit / 1e6:g} EUR" in run("status", "--by", "8")
    assert f"{credit / 1e6:g} EUR wait until the supplier pays in" in run("pay-waiting")
    capsys.readouterr()
    status.main(web3=market.chain.w3)
    said = capsys.readouterr().out
    assert "Solvent       yes" in said
    assert f"Credits wait  {credit / 1e6:,.2f} EUR of 1 participant" in said
    assert re.search(r"Going out     \S+ EUR in 1 withdrawal, the first from \d{4}-", said)
    fee = 2_000 * FEES[1][2]  # the DSO's part of the export comes before
    market.deposit({SUPPLIER: fee + credit - 1_000})
    assert f"8: {(credit - 1_000) / 1e6:g} EUR" in run("pay-waiting")
    market.deposit({SUPPLIER: 1_000})
    capsys.readouterr()
    with seen(market):
        settle.main(web3=market.chain.w3)
    assert "0.001000 EUR that waited are in 1 account." in capsys.readouterr().out
    assert "No credit waits." in run("pay-waiting")
    market.look()
