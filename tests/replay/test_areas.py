"""Two areas of two DSOs on one chain, walked in step: each its own, and both checked from the log."""

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.report.areas import ALL
from gridbourse.report.record import RunRecord
from gridbourse.scenario.areas import load_areas
from scripts import check, replay

PERIODS = 2
NAMES = ("rural", "town")


@dataclass
class Run:
    folder: Path
    shown: str
    records: dict[str, RunRecord]
    checked: dict[str, Any]

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    base = tmp_path_factory.mktemp("areas")
    text = (CHECKOUT / "scenarios" / "two-dsos.toml").read_text()
    for name in ("rural3", "semiurb5", "rural3.toml", "semiurb5.toml"):
        (base / name).symlink_to(CHECKOUT / "scenarios" / name)
    few = "".join(f"\n[areas.{name}.parties]\nparticipation = 0.15\n" for name in NAMES)
    (base / "two.toml").write_text(text + few)
    out, shown = base / "out", io.StringIO()
    with contextlib.redirect_stdout(shown):
        replay.main(
            str(base / "two.toml"), "--network", "devnet-child", "--out", str(out),
            "--start", "2016-07-24T10:00Z", "--periods", str(PERIODS),
        )  # fmt: skip
        check.main(str(out))
    records = {name: RunRecord.load(out / name / "record") for name in NAMES}
    return Run(out, shown.getvalue(), records, json.loads((out / "check.json").read_text()))


def test_both_areas_trade_are_settled_and_checked_from_one_log(run):
    assert run.checked["identical"], run.checked["differences"]
    assert run.checked["rebuilt"]["periods_settled"] == PERIODS
    for record in run.records.values():
        assert (record.money_sum_micro_eur, record.energy_gap_wh) == (0, 0)
        assert record.periods["matched_wh"].sum() > 0


def test_an_area_has_its_own_tariff_people_and_files(run):
    rural, town = (run.records[name] for name in NAMES)
    assert (rural.retail_micro_eur_per_wh, town.retail_micro_eur_per_wh) == (300, 320)
    assert set(rural.participants["number"]).isdisjoint(town.participants["number"])
    assert set(rural.participants.index) & set(town.participants.index)  # points of one name
    for name in NAMES:
        there = {path.name for path in (run.folder / name).iterdir()}
        assert {
            "report.html",
            "summary.json",
            "participants.csv",
            "readings",
            "oracle.sqlite",
        } <= there
    groups = [{number // 4 for number in r.participants["number"]} for r in (rural, town)]
    assert groups[0].isdisjoint(groups[1])


def test_fees_of_an_area_are_in_its_own_dsos_account(run):
    balances = run.read("state.json")["balances"]
    accounts = {"rural": 1, "town": 0xFFFF_FF01}
    for name, account in accounts.items():
        fees = run.read(f"{name}/summary.json")["fees_micro_eur"]["total"]
        assert balances[str(account)] == fees > 0


def test_the_report_shows_each_area_and_all(run):
    page, told = (run.folder / "report.html").read_text(), run.read("summary.json")
    for name in NAMES:
        assert f'<a href="{name}/report.html">{name}</a>' in page
        assert told["areas"][name]["matched_wh"] == int(
            run.records[name].periods["matched_wh"].sum()
        )
    whole = told["rows"][ALL]
    for key in ("matched_wh", "gain_micro_eur", "fees_micro_eur", "participants"):
        assert whole[key] == sum(told["rows"][name][key] for name in NAMES)
    assert ALL in run.shown
    assert "Money of all areas sums to 0 µEUR" in run.shown


def test_an_area_of_the_run_is_as_if_it_were_alone(run, tmp_path):
    """Its orders, fills and bills do not depend on the other area."""
    base = run.folder.parent
    (rural, _) = load_areas(base / "two.toml", {"start": "2016-07-24T10:00Z", "periods": PERIODS})
    alone = tmp_path / "alone"
    with contextlib.redirect_stdout(io.StringIO()):
        text = (base / "two.toml").read_text()
        (base / "one.toml").write_text(text[: text.index("[areas.town]")] + few_of("rural"))
        replay.main(
            str(base / "one.toml"), "--network", "devnet-child", "--out", str(alone),
            "--start", "2016-07-24T10:00Z", "--periods", str(PERIODS),
        )  # fmt: skip
    record = RunRecord.load(alone / "record")
    both = run.records["rural"]
    assert rural.market.area == record.area == "rural"
    columns = ["bill_micro_eur", "bought_wh", "sold_wh", "fees_micro_eur", "curtailed_wh"]
    assert both.participants[columns].equals(record.participants[columns])
    assert both.periods["price_micro_eur_per_wh"].equals(record.periods["price_micro_eur_per_wh"])


def few_of(name: str) -> str:
    return f"\n[areas.{name}.parties]\nparticipation = 0.15\n"
