"""The preset tennet-vandebron: cars and batteries of one aggregator, pooled for the TSO."""

import contextlib
import io
import json
from pathlib import Path

import pytest

from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.report.record import RunRecord
from gridbourse.scenario.scenario import load
from scripts import check, replay

FILE = CHECKOUT / "scenarios" / "tennet-vandebron.toml"
START = "2016-07-24T18:00Z"
Ran = tuple[RunRecord, Path]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Two quarter-hours of a summer evening in which the TSO calls upwards."""
    out = tmp_path_factory.mktemp("tennet")
    with contextlib.redirect_stdout(io.StringIO()):
        replay.main(
            str(FILE), "--network", "devnet-child", "--out", str(out),
            "--start", START, "--periods", "2",
        )  # fmt: skip
        check.main(str(out))
    return RunRecord.load(out / "record"), out


def test_it_adds_up_and_the_checker_finds_no_difference(ran: Ran) -> None:
    record, out = ran
    checked = json.loads((out / "check.json").read_text())
    assert checked["identical"], checked["differences"]
    assert checked["rebuilt"]["flexibility_legs_verified"] > 0
    assert checked["rebuilt"]["flexibility_wh_minted"] == record.flexibility["delivered_wh"].sum()
    assert (record.money_sum_micro_eur, record.energy_gap_wh) == (0, 0)


def test_cars_and_batteries_are_pooled_and_the_aggregator_keeps_its_part(ran: Ran) -> None:
    record, _ = ran
    table, money = record.flexibility, record.money.set_index(["payer", "payee", "kind"])
    assert (table["buyer"] == "tso").all()
    bought = table[table["bought_wh"] > 0]
    assert len(bought)
    assert (bought["delivered_wh"] > 0).any()
    assert bought["shared_micro_eur"].sum() > 0
    share = money.loc[("tso", "participants", "aggregator_share"), "micro_eur"]
    seller = money.loc[("tso", "participants", "flexibility"), "micro_eur"]
    assert share == table["shared_micro_eur"].sum()
    # A quarter of what its members are paid, each rounded down; who is nobody's member keeps all.
    assert share <= (share + seller) // 4


def test_offers_below_the_minimum_bid_win_nothing(ran: Ran) -> None:
    scenario = load(FILE)
    least = scenario.flexibility_table.products[0].minimum_bid_wh(scenario.mtu_seconds)
    table = ran[0].flexibility
    small = table[table["offered_wh"] < least]
    assert (small["bought_wh"] + small["standing_by_wh"] == 0).all()
    assert least == 2_000


def test_the_preset_is_a_day_and_its_calls_are_what_the_script_draws() -> None:
    import subprocess
    import sys

    scenario = load(FILE)
    assert scenario.periods * scenario.mtu_seconds == 86_400
    program = [sys.executable, str(CHECKOUT / "scenarios" / "make_calls.py"), "tennet"]
    drawn = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    assert drawn == (CHECKOUT / "scenarios" / "rural3" / "calls.tennet.csv").read_text()
    assert {call.way.name for call in scenario.flexibility_table.calls} == {"UP", "DOWN"}
