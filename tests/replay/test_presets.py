"""The presets in `scenarios/`, each a few periods from start to the checker's word."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.report.record import RunRecord
from gridbourse.scenario.scenario import load
from scripts import check, replay

NOON = {
    "piclo": "2016-07-24T11:00Z",
    "vandebron": "2016-07-24T11:00Z",
    "elecbay": "2016-07-24T10:45Z",
    "smart-watts": "2016-07-24T10:30Z",
}
PERIODS = 2
Run = tuple[RunRecord, dict[str, Any], str]


@pytest.fixture(scope="module", params=NOON)
def preset(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def run(preset: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """(record, check.json, page) of two sunny periods."""
    out = tmp_path_factory.mktemp(preset)
    with contextlib.redirect_stdout(io.StringIO()):
        replay.main(
            str(CHECKOUT / "scenarios" / f"{preset}.toml"), "--network", "devnet-child",
            "--out", str(out), "--start", NOON[preset], "--periods", str(PERIODS),
        )  # fmt: skip
        check.main(str(out))
    checked = json.loads((out / "check.json").read_text())
    return RunRecord.load(out / "record"), checked, (out / "report.html").read_text("utf-8")


def test_it_trades_adds_up_and_is_checked(run: Run) -> None:
    record, checked, _ = run
    assert (record.money_sum_micro_eur, record.energy_gap_wh) == (0, 0)
    assert record.periods["matched_wh"].sum() > 0
    assert checked["identical"], checked["differences"]
    assert checked["rebuilt"]["periods_settled"] == PERIODS


def test_its_markets_are_in_the_report(run: Run) -> None:
    record, _, page = run
    names = {
        "bilateral": "Neighbour to neighbour",
        "order_book": "Order book",
        "aggregator_auction": "Aggregators&#39; auctions",
    }
    for market in record.markets:
        assert names.get(market, "Over the counter") in page
    assert "Every trade" in page
    assert "The life of orders" in page
    assert "Clearing at" not in page, "there is no pool"


def test_a_preset_is_a_day(preset: str) -> None:
    scenario = load(CHECKOUT / "scenarios" / f"{preset}.toml")
    assert scenario.periods * scenario.mtu_seconds == 86_400
    assert scenario.name == preset


def piclo() -> Any:
    return load(CHECKOUT / "scenarios" / "piclo.toml")


def test_piclo_is_half_hourly_and_has_places_and_sources() -> None:
    scenario = piclo()
    assert (scenario.mtu_seconds, scenario.periods) == (1800, 48)
    assert scenario.points["zone"].nunique() == 9
    assert len(scenario.bilateral_rules.sources) > 1
    assert scenario.bilateral_rules.premiums.own_zone > 0


def test_vandebron_has_no_energy_margin_and_a_subscription() -> None:
    rules = load(CHECKOUT / "scenarios" / "vandebron.toml").bilateral_rules
    assert (rules.pricing, rules.choice) == ("seller", "standing")
    assert rules.subscription_micro_eur_per_day > 0


@pytest.mark.parametrize("preset", ["vandebron"], indirect=True)
def test_every_vandebron_buyer_has_one_producer_and_pays_its_price(run: Run) -> None:
    record, _, _ = run
    trades = record.trades
    assert (trades.groupby("buyer")["seller"].nunique() == 1).all()
    assert (trades.groupby("seller")["price_micro_eur_per_wh"].nunique() == 1).all()
    kinds = record.money.set_index("kind")
    assert tuple(kinds.loc["subscription", ["payer", "payee"]]) == ("participants", "operator")


@pytest.mark.parametrize("preset", ["elecbay"], indirect=True)
def test_elecbay_orders_are_accepted_and_rejected_beside_a_private_deal(run: Run) -> None:
    record, _, page = run
    assert set(record.trades["market"]) == {"order_book", "over_the_counter"}
    assert record.trades["rejected"].any()
    assert not record.trades["rejected"].all()
    assert record.money.set_index("kind").loc["damages", "micro_eur"] == 13_800 * (300 - 290)
    for life in (
        "rejected by the network", "delivered and paid", "found nobody", "a party in default",
    ):  # fmt: skip
        assert life in page


@pytest.mark.parametrize("preset", ["smart-watts"], indirect=True)
def test_smart_watts_aggregators_buy_and_sell_by_auction_and_steer(run: Run) -> None:
    record, checked, _ = run
    scenario = load(CHECKOUT / "scenarios" / "smart-watts.toml")
    own = {one.point for one in scenario.aggregators}
    trades = record.trades
    assert own & set(trades["buyer"])
    assert own & set(trades["seller"])
    assert (trades["buyer"].isin(own) ^ trades["seller"].isin(own)).all()
    assert checked["rebuilt"]["aggregator_auctions"] == PERIODS * len(own)
    assert checked["compared"]["contract"] > 0


def test_feeder_zones_are_what_the_script_makes(tmp_path: Path) -> None:
    """Made again from the grid, to the byte."""
    import shutil
    import subprocess
    import sys

    source = CHECKOUT / "scenarios"
    for name in ("grid.json", "points.csv"):
        shutil.copy(source / "rural3" / name, tmp_path / name)
    program = [sys.executable, str(source / "feeder_zones.py"), str(tmp_path), "LV3.101"]
    subprocess.run(program, check=True)
    made = (tmp_path / "points.feeders.csv").read_bytes()
    assert made == (source / "rural3" / "points.feeders.csv").read_bytes()
