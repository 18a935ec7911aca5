"""What a market reserved, booked and put on the margin account is its own; a revoked one takes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_utils.abi import event_abi_to_log_topic

from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Difference, Findings
from gridbourse.audit.core.money import Money, Position, Rates
from gridbourse.audit.core.reservations import Energy, Reservations, Share
from gridbourse.audit.core.transfers import Transfer, Transfers
from gridbourse.chain.deployment.record import DeploymentRecord
from gridbourse.model.house_accounts import MARGIN_ACCOUNT
from tests.audit.forging import entry_of, logs_of

Forging = Callable[[str, Callable[[Any], None]], list[Difference]]
A, P, ANN, BOB = 0, 7, 8, 9


class OneArea:
    """Members, as far as they are asked: everybody is of one area."""

    def area_of(self, participant: int) -> int:
        return A


class Markets:
    """Two of them, over one ledger; both may let Ann sell and Bob buy."""

    def __init__(self) -> None:
        members: Any = OneArea()
        nothing: Any = None
        self.findings = Findings()
        self.money = Money("house", members, nothing, self.findings)
        self.money._rates[A, P] = Rates(300, 360)
        whole = Reservations(members, self.money, self.findings)
        self.one, self.other = Share("one", whole), Share("other", whole)
        for share in (self.one, self.other):
            share.take_back(P, ANN, Energy(100, 0))
            share.take_back(P, BOB, Energy(0, 100))

    def trade(self, share: Share, payment: int, payee: int) -> None:
        share.book(P, ANN, Position(100, 0), payee)
        share.book(P, BOB, Position(0, 100), -payment)

    @property
    def found(self) -> list[str]:
        return [str(each) for each in self.findings.differences]


def test_each_gives_back_what_it_reserved_itself() -> None:
    markets = Markets()
    markets.one.give_back(P, BOB, Energy(0, 100))
    assert markets.found == []
    markets.one.give_back(P, BOB, Energy(0, 1))
    [found] = markets.found
    assert found.startswith("attribution: one, participant 9, period 7")


def test_each_books_on_what_it_reserved_itself() -> None:
    """There are 200 Wh of Ann's reserved in all, but 100 in each market."""
    markets = Markets()
    markets.trade(markets.one, 10_000, 10_000)
    assert markets.found == []
    markets.one.book(P, ANN, Position(1, 0), 0)
    assert markets.found[0].startswith("attribution: one, participant 8")


def test_what_was_booked_stays_reserved() -> None:
    markets = Markets()
    markets.trade(markets.one, 10_000, 10_000)
    markets.one.give_back(P, ANN, Energy(1, 0))
    assert markets.found[0].startswith("attribution: one, participant 8")


@pytest.mark.parametrize(("payment", "payee"), [(30_001, 30_000), (0, 30_001)])
def test_nobody_pays_or_gets_more_than_the_retail_price(payment: int, payee: int) -> None:
    markets = Markets()
    markets.trade(markets.one, payment, payee)
    assert markets.found[0].startswith("payment: one, participant")


def test_a_spread_that_nobody_pays_is_named() -> None:
    markets = Markets()
    markets.trade(markets.one, 10_000, 9_000)
    markets.one.collect_spread(A, P, 1_000)
    assert markets.found == []
    markets.one.collect_spread(A, P, 1)
    assert markets.found[0].startswith("spread: one, area 0, period 7")


def test_what_a_revoked_market_booked_by_half_is_void() -> None:
    """Its payees would get what nobody pays; the other's trades stand."""
    markets = Markets()
    markets.trade(markets.other, 10_000, 10_000)
    markets.one.book(P, ANN, Position(60, 0), 12_000)
    assert markets.one.open_payments[A, P] == 12_000
    markets.one.void(A, P)
    assert markets.money.position(P, ANN) == (100, 0)
    assert markets.money.due == {(P, ANN): 10_000, (P, BOB): -10_000}


def test_a_margin_goes_back_to_who_put_it_there() -> None:
    markets = Markets()
    transfers = Transfers(markets.money, markets.findings)
    markets.money.free[ANN] = 100

    def move(market: str, *way: int) -> None:
        values = dict(zip(("from", "to", "amountMicroEur"), way, strict=True))
        transfers.transferred(market, Event("ClearingHouse", "Transferred", values, "here", 1))
        transfers.move(market, [Transfer(*way)], "here")

    move("one", ANN, MARGIN_ACCOUNT, 100)
    assert markets.found == []
    move("other", MARGIN_ACCOUNT, BOB, 40)
    assert markets.found == [
        "attribution: margin, other, here: chain allowed, rebuilt refused, of another market"
    ]


def test_a_market_that_was_revoked_books_nothing(honest: Path, forge: Forging) -> None:
    """The operator revoked the pool before its first booking, says the log."""
    record = DeploymentRecord.load(honest / "deployment.json")
    pool = record.contracts["CallAuction"].address.lower()
    entry: Any = entry_of("ClearingHouse", "ModuleRevoked")
    topic = "0x" + event_abi_to_log_topic(entry).hex()

    def revoke(content: dict[str, Any]) -> None:
        booked = logs_of(content, "ClearingHouse", "TradesBooked")[0]
        at = content["logs"].index(booked) - 1
        before = content["logs"][at]
        log = {**before, "address": booked["address"], "logIndex": before["logIndex"] + 1}
        log |= {"topics": [topic, "0x" + pool[2:].rjust(64, "0")], "data": "0x"}
        content["logs"].insert(at + 1, log)

    found = [str(each) for each in forge("logs", revoke)]
    assert any("TradesBooked of CallAuction" in line and "revoked" in line for line in found), found
