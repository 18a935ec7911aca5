"""An honest run is rebuilt to the last micro-euro."""

import json
from pathlib import Path

import pytest

from gridbourse.audit.check import check
from gridbourse.audit.markets.call_auction_orders import Phase
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import load_run
from gridbourse.scenario.scenario import load
from scripts.check import main
from tests.audit.conftest import PRICINGS


def _check(folder: Path) -> Rebuilt:
    given = load_run(folder)
    return check(given, [load(given.scenario_file, given.overrides)])


@pytest.mark.parametrize("pricing", PRICINGS)
def test_chain_and_rebuilt_market_are_the_same(runs: dict[str, Path], pricing: str) -> None:
    rebuilt = _check(runs[pricing])
    assert list(map(str, rebuilt.findings.differences)) == []


def test_every_kind_of_fact_was_compared(runs: dict[str, Path]) -> None:
    compared = set(_check(runs["pay_as_bid"]).findings.compared)
    assert compared >= {
        "registry", "tariff", "order", "book root", "cap", "clearing", "price", "fill", "payment",
        "spread", "reading", "estimate", "settlement", "debt", "balance", "position", "identity",
        "money", "scenario", "market time", "verdict",
    }  # fmt: skip


def test_the_story_is_in_the_rebuilt_market(runs: dict[str, Path]) -> None:
    rebuilt = _check(runs["uniform"])
    assert rebuilt.pool is not None
    first = rebuilt.members.participants[8].from_period
    books = {period - first: book for (_, period), book in rebuilt.pool.books.items()}
    phases = [books[i].phase for i in range(6)]
    assert phases == [Phase.BOOKED] * 5 + [Phase.OPEN]
    assert [books[i].round for i in range(6)] == [0, 1, 2, 0, 0, 0]
    assert books[0].matched_wh == 933, "both offers trade whole"
    rationed = [fill.bought_wh for who, fill in sorted(books[0].fills.items()) if 11 <= who <= 13]
    assert sum(rationed) == 633 < 211 + 307 + 150, "the three bids at the margin share what is left"
    assert books[1].orders[8].wh == 500, "shrunk to its cap"
    assert (books[2].price, books[2].matched_wh) == (None, 0), "void"
    assert books[3].price is None, "bids only"
    assert min(rebuilt.money.free.values()) < 0, "someone is in debt"
    assert sum(rebuilt.money.holds.values()) > 0, "two periods are not settled"


def test_pay_as_bid_leaves_a_spread(runs: dict[str, Path]) -> None:
    assert _check(runs["uniform"]).money.free[5] == 0
    assert _check(runs["pay_as_bid"]).money.free[5] > 0


def test_command_reports_and_succeeds(honest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(str(honest)) == 0
    assert "the chain and the rebuilt market are the same" in capsys.readouterr().out
    record = json.loads((honest / "check.json").read_text())
    assert record["identical"]
    assert record["differences"] == []
    assert record["rebuilt"]["periods_settled"] == 4
    assert record["rebuilt"]["participants"] == 9
    assert record["compared"]["balance"] > 9
