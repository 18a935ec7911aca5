"""README shows what the repository says: figures as on record, a snippet that prints what is below it."""

import contextlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3

from benchmarks.crowdsale import figures as crowdsale_figures
from gridbourse.chain.deployment import record as deployments
from gridbourse.chain.deployment.market import Market, open_market
from gridbourse.chain.node import connect as connecting
from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.chain.node.connect import session
from gridbourse.chain.node.transactions import Reverted
from gridbourse.report import terminal as tables
from gridbourse.report.summary import summary
from scripts import deploy
from tests.report.report_records import day_record

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
ROWS = {
    cells[0]: cells[1:]
    for cells in (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in README.splitlines()
        if line.startswith("|")
    )
}
"""Every row of every table, by its first cell."""
TOLERANCE = 0.002
"""Of gas: signatures differ by a few zero bytes in calldata when a chain's addresses do."""


def results(name: str) -> Any:
    return json.loads((CHECKOUT / "benchmarks" / "results" / f"{name}.json").read_text())


def gas(*values: int) -> str:
    return " / ".join(f"{value:,}" for value in values)


def block_with(words: str) -> str:
    """The fenced block that has these words."""
    found = [
        block for block in re.findall(r"```\w*\n(.*?)```", README, re.DOTALL) if words in block
    ]
    assert len(found) == 1, f"README has {len(found)} blocks with {words!r}"
    return found[0]


# --- figures on record -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "step"),
    [
        ("one order in its own transaction", "own_order"),
        ("an order in a gateway's batch, by mandate", "batch_order_mandate"),
        ("an order in a batch, signed (EIP-712)", "batch_order_signed"),
        ("a fill booked", "book_fill"),
        ("a meter reading", "reading"),
        ("an account settled", "settle_account"),
    ],
)
def test_gas_of_a_step_is_what_the_benchmark_wrote(label: str, step: str) -> None:
    assert ROWS[label][0] == gas(results("gas")[step]["recycled"])


def test_gas_of_a_clearing_is_what_the_benchmark_wrote() -> None:
    found = results("gas")["clear"]
    by_orders = [found[orders]["recycled"] for orders in ("100", "1000", "5000")]
    assert ROWS["a clearing, 256 ticks, 100 / 1,000 / 5,000 orders"][0] == gas(*by_orders)


@pytest.mark.parametrize(
    ("label", "steps"),
    [
        ("place", ["place"]),
        ("take one resting order, whole / in part", ["take1_whole", "take1_part"]),
        ("take five", ["take5"]),
        ("cancel", ["cancel"]),
    ],
)
def test_gas_of_the_order_book_is_what_the_benchmark_wrote(label: str, steps: list[str]) -> None:
    found = results("orderbook")
    wanted = [gas(*(of[step] for step in steps)) for of in (found, found["reserving"])]
    assert ROWS[label][:2] == wanted


def test_gas_of_deep_books_and_batches_is_what_the_benchmark_wrote() -> None:
    found = results("orderbook")
    depth = found["place_at_depth"]
    assert ROWS["place at depth 10 / at depth 5,000 after 2,500 cancels"][0] == gas(
        depth["10"], depth["5000"]
    )
    assert ROWS["an order in a gateway's batch"][1] == gas(found["place_batch_order"])


def test_gas_elsewhere_is_what_the_benchmarks_wrote() -> None:
    rows = {label.split(" ([")[0]: cells for label, cells in ROWS.items()}
    auction = results("aggregator_auction")["1000"]["whole_auction_per_answer"]["recycled"]
    label = "an aggregator's auction of 1,000 answers, all in, an answer"
    assert rows[label] == [gas(auction)]
    flexible = results("flexibility")["recycled"]
    label = "flexibility: an offer in a batch, an award, a verified leg with its token"
    steps = ("flexibility offer", "flexibility award", "flexibility verify")
    assert rows[label] == [", ".join(gas(flexible[step]) for step in steps)]
    claims = results("crowdsale")["gas_by_number_of_holders"]
    assert claims["10"]["claim_again"] == claims["10000"]["claim_again"]
    label = "crowdsale: a claim, for 10 holders or for 10,000"
    assert rows[label] == [gas(claims["10"]["claim_again"])]


def test_what_cheaters_gain_is_what_the_benchmark_wrote() -> None:
    found = results("flexibility_gaming")
    for label, method in (
        ("PJM, high 4 of 5", "pjm-high-4-of-5"),
        ("CAISO, 10 of 10", "caiso-10-of-10"),
        ("NYISO, high 5 of 10", "nyiso-high-5-of-10"),
        ("meter before / meter after", "meter-before-meter-after"),
        ("PJM same day, 3 + 2", "pjm-same-day-3-plus-2"),
    ):
        methods = [case["methods"][method] for case in found["cases"]]
        gains = [
            sum(
                of[at]["gain_micro_eur"] for of in methods if at in of
            )  # none where days are too few
            for at in ("at_450", "at_600")
        ]
        assert ROWS[label] == [f"{gain / 1e6:.2f}" for gain in gains], label


def test_the_crowdsale_figures_are_those_of_the_contracts() -> None:
    """Measured anew: no snapshot holds them."""
    held = results("crowdsale")["gas_by_number_of_holders"]["10"]
    found = crowdsale_figures(10)
    assert found == {step: pytest.approx(value, rel=TOLERANCE) for step, value in held.items()}


def test_the_demo_is_shown_with_the_labels_it_prints() -> None:
    """Its figures take a minute and a half; a label that is gone tells that they are another's."""
    shown, figures = (
        block_with("Market                                  Grid"),
        summary(day_record()),
    )
    parts = (tables._market, tables._grid, tables._bills, tables._checks)
    for label in (label for part in parts for label in part(figures).columns[0].cells):
        assert f"{label}  " in shown, label
    for column in tables._participants(day_record()).columns:
        for word in str(column.header).split():
            assert word in shown, column.header


# --- on a standing devnet --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web3, Path, str]]:
    """A devnet on which README's deployment was done: the connection, its record, what it printed."""
    record = tmp_path_factory.mktemp("readme") / "devnet.json"
    said = io.StringIO()
    with (
        session("devnet-child") as w3,
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(said),
    ):
        patch.setattr(deploy, "record_path", lambda _: record)
        patch.setenv("COLUMNS", "120")
        deploy.main(str(CHECKOUT / "scenarios" / "rural3.toml"), "--network", "devnet", web3=w3)
        yield w3, record, said.getvalue()


@pytest.fixture(scope="module")
def after_the_snippet(standing: tuple[Web3, Path, str]) -> tuple[Market, str]:
    """The market after README's snippet was run on it, and what that printed and raised."""
    w3, record, _ = standing
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(connecting, "connect", lambda _: w3)
        patch.setattr(deployments, "record_path", lambda _: record)
        with pytest.raises(Reverted) as refused:
            exec(compile(block_with("market.auction.place"), "README.md", "exec"), {})
    error = refused.value
    name = f"{type(error).__module__}.{type(error).__name__}"
    return open_market(w3, record), f"{said.getvalue()}{name}: {error}\n"


def test_the_deployment_costs_and_lies_where_readme_says(standing: tuple[Web3, Path, str]) -> None:
    shown, said = block_with("participants, "), standing[2]
    (cost,) = re.findall(r"^\d+ participants, [\d.]+ M gas$", said, re.MULTILINE)
    assert cost in shown
    rows = re.findall(r"│ (\w+) +│ (0x\w{40}) │ +(\d+) │", shown)
    assert rows
    for row in rows:
        assert row in re.findall(r"│ (\w+) +│ (0x\w{40}) │ +(\d+) │", said)


def test_the_snippet_prints_what_stands_below_it(after_the_snippet: tuple[Market, str]) -> None:
    assert after_the_snippet[1] == block_with("TickOutOfBand")


def test_brownie_finds_what_the_snippet_left(after_the_snippet: tuple[Market, str]) -> None:
    house, shown = after_the_snippet[0].house, block_with("house = ClearingHouse.at")
    assert f"ClearingHouse.at('{house.address}')" in shown
    answers = dict(re.findall(r"^>>> (house\..*)\n(\d+)$", shown, re.MULTILINE))
    assert answers == {
        "house.balanceOf(8)": str(house.read("balanceOf", 8)),
        "house.moneySum(128)": str(house.money_sum(128)),
    }
