"""A campaign in a replay: funded, built, in the market, paid; the checker rebuilds every step."""

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gridbourse.audit.check import check as audit
from gridbourse.audit.run_folder import load_run, logs_of
from gridbourse.chain.bindings.crowdsale import EquityCampaign
from gridbourse.report.record import RunRecord
from gridbourse.scenario.scenario import Scenario, load
from replay.period_walk import ReplayError
from scripts import check, replay
from tests.audit.forging import altered, dropped, plus, repeated
from tests.replay.solar_roof import GOAL, PERIODS, START, write_preset

RENT = (
    ("profit_share_permille = 800", "rent_micro_eur_per_day = 9_600_000"),
    ('profile_of = "P0001"', 'profile_of = "P0001"\noffered_by = "FUNDER"'),
    ('offered_by = "owner"', ""),
)
Content = dict[str, Any]


def run(path: Path, out: Path) -> dict[str, Any]:
    """summary.json of a replay on the embedded chain."""
    with contextlib.redirect_stdout(io.StringIO()):
        replay.main(
            str(path), "--network", "devnet-child", "--out", str(out),
            "--start", START, "--periods", str(PERIODS),
        )  # fmt: skip
    return json.loads((out / "summary.json").read_text())


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    return write_preset(tmp_path_factory.mktemp("scenario"))


@pytest.fixture(scope="module")
def folder(preset: tuple[Path, dict[str, int]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("solar-roof")
    run(preset[0], out)
    return out


@pytest.fixture(scope="module")
def figures(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture(scope="module")
def scenario(preset: tuple[Path, dict[str, int]]) -> Scenario:
    return load(preset[0], {"start": START, "periods": PERIODS})


def test_the_checker_rebuilds_the_campaign_and_finds_nothing(folder: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        assert check.main(str(folder)) == 0
    compared = json.loads((folder / "check.json").read_text())["compared"]
    assert compared["crowdsale"] > 20


def test_all_that_was_funded_reached_the_owner(figures: dict[str, Any]) -> None:
    campaign = figures["crowdsale"]
    assert campaign["phase"] == "operating"
    assert campaign["funded_micro_eur"] == campaign["released_micro_eur"] == GOAL
    assert campaign["funders"] == {"participants": 2, "public": 3}


def test_no_micro_euro_is_made_or_lost(folder: Path, figures: dict[str, Any]) -> None:
    """What left the owner's account is what holders claimed and what rounding has left."""
    campaign = figures["crowdsale"]
    assert figures["money_sum_microeur"] == 0
    assert campaign["collected_micro_eur"] == campaign["due_micro_eur"] > 0
    assert campaign["arrears_micro_eur"] == 0
    holders = RunRecord.load(folder / "record").crowdsale
    assert holders is not None
    assert 0 <= campaign["remainder_micro_eur"] < len(holders["holders"])
    state = json.loads((folder / "state.json").read_text())
    assert state["withdrawals"] == campaign["collected_micro_eur"]
    record = RunRecord.load(folder / "record")
    (share,) = record.money[record.money["kind"] == "profit_share"]["micro_eur"]
    assert share == campaign["collected_micro_eur"]


def test_the_holders_get_their_part_of_what_was_exported(
    folder: Path, scenario: Scenario, figures: dict[str, Any]
) -> None:
    """80 % of each Wh of the panel's surplus, at the feed-in tariff at least."""
    campaign, plan = figures["crowdsale"], scenario.crowdsale
    assert plan is not None
    roof = scenario.points.index.get_loc(plan.panel.point)
    exported = sum(max(0, int(scenario.net_wh(p)[roof])) for p in scenario.replayed)
    assert campaign["energy"]["exported_wh"] == exported > 0
    income = campaign["income_micro_eur"]
    assert income["feed_in"] == exported * 80
    assert income["total"] == income["feed_in"] + income["premium"]
    assert campaign["due_micro_eur"] == income["total"] * 800 // 1000
    record = RunRecord.load(folder / "record")
    assert record.crowdsale is not None
    for holder in record.crowdsale["holders"]:
        part = campaign["collected_micro_eur"] * holder["stake_micro_eur"] // GOAL
        assert holder["claimed_micro_eur"] == part, holder


def test_the_owners_bill_is_that_of_the_accounts(folder: Path, figures: dict[str, Any]) -> None:
    record = RunRecord.load(folder / "record")
    campaign = figures["crowdsale"]
    bill = int(record.participants.at[campaign["point_id"], "bill_micro_eur"])
    assert campaign["owner_bill_micro_eur"]["before_holders"] == bill
    number = str(record.participants.at[campaign["point_id"], "number"])
    balance = json.loads((folder / "state.json").read_text())["balances"][number]
    assert balance == 1_000_000_000 + bill - campaign["collected_micro_eur"]


def test_without_the_panel_the_owner_would_only_consume(
    folder: Path, scenario: Scenario, figures: dict[str, Any]
) -> None:
    """Its load at the period's price and the local fee; from the supplier, at retail and import fee."""
    record, plan = RunRecord.load(folder / "record"), scenario.crowdsale
    assert plan is not None
    assert record.crowdsale is not None
    hours = scenario.mtu.hours
    for row in record.crowdsale["income"]:
        load_wh = round(scenario.profiles.load_w.loc[row["period"], plan.panel.point] * hours)
        price = record.periods["price_micro_eur_per_wh"].loc[row["period"]]
        assert row["produced_wh"] - load_wh == row["exported_wh"] > 0, "a sunny noon"
        assert row["without_micro_eur"] == -load_wh * (int(price) + 40)
        assert row["alone_micro_eur"] == -load_wh * (300 + 95)
        assert row["avoided_micro_eur"] == -row["without_micro_eur"]
    gain = figures["crowdsale"]["project_gain_micro_eur"]
    assert gain["total"] == gain["avoided"] + gain["income"] + gain["imbalance"]


def test_the_report_shows_it(folder: Path, figures: dict[str, Any]) -> None:
    page = (folder / "report.html").read_text("utf-8")
    for said in ("The campaign", "80 % of what it earns by exporting", "Payback, project", "Ada"):
        assert said in page
    assert figures["crowdsale"]["payback_years"]["holders"] > 0


FORGERIES: dict[str, tuple[Callable[[Content], None], str]] = {
    "money given": (altered("EquityCampaign", "Funded", plus("amountMicroEur", 1)), "Funded"),
    "a lost funder": (dropped("EquityCampaign", "Funded"), "funded"),
    "a milestone": (
        altered("EquityCampaign", "MilestoneConfirmed", plus("amountMicroEur", 1)), "released"),
    "an export": (altered("EquityCampaign", "ExportRecorded", plus("exportWh", 1)), "Wh, period"),
    "an export twice": (repeated("EquityCampaign", "ExportRecorded"), "ExportRecorded"),
    "a collection": (altered("EquityCampaign", "Collected", plus("amountMicroEur", -1)), "Collected"),
    "a lost collection": (dropped("EquityCampaign", "Collected"), "EquityCampaign/solar roof"),
    "a claim": (altered("EquityCampaign", "Claimed", plus("amountMicroEur", 1)), "Claimed"),
    "the agreement": (altered("EquityCampaign", "Agreed", plus("value", 1)), "agreement, campaign"),
}  # fmt: skip


@pytest.fixture(scope="module")
def rerun(folder: Path, scenario: Scenario) -> Callable[[Callable[[Content], None]], list[Any]]:
    """Differences the checker finds in the run's logs after a forgery."""
    whole = load_run(folder)

    def spoilt(forge: Callable[[Content], None]) -> list[Any]:
        content = json.loads((folder / "logs.json").read_text())
        forge(content)
        return audit(replace(whole, logs=logs_of(content["logs"])), [scenario]).findings.differences

    return spoilt


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_log_is_named(
    rerun: Callable[[Callable[[Content], None]], list[Any]], forgery: str
) -> None:
    forge, place = FORGERIES[forgery]
    found = rerun(forge)
    assert any(place in str(difference) for difference in found), found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"crowdsale.watt_peak": 9_901}, "(goal, cap)"),
        ({"crowdsale.name": "barn"}, "campaign"),
        ({"crowdsale.term_days": 7}, "term, periods"),
        ({"crowdsale.public": {"Ada": 1_000_000_000, "Ben": 370_000_000}}, "given by the public"),
    ],
)
def test_a_campaign_that_is_not_the_scenarios_is_named(
    folder: Path, preset: tuple[Path, dict[str, int]], change: dict[str, Any], said: str
) -> None:
    if "crowdsale.watt_peak" in change:
        (point,) = list(preset[1])[:1]
        change = change | {"crowdsale.funders": {**preset[1], point: preset[1][point] + 1_300_000}}
    wanted = load(preset[0], {"start": START, "periods": PERIODS, **change})
    found = audit(load_run(folder), [wanted]).findings.differences
    assert any(said in difference.where for difference in found), found


def test_a_rent_an_investor_offered_is_paid_for_every_period(tmp_path: Path) -> None:
    """Due whatever is exported: 0.1 EUR a period."""
    path, funders = write_preset(tmp_path, *RENT)
    path.write_text(path.read_text().replace("FUNDER", next(iter(funders))))
    campaign = run(path, tmp_path / "out")["crowdsale"]
    assert (campaign["form"], campaign["value"]) == ("rent", 100_000)
    assert campaign["due_micro_eur"] == campaign["collected_micro_eur"] == PERIODS * 100_000
    with contextlib.redirect_stdout(io.StringIO()):
        assert check.main(str(tmp_path / "out")) == 0


def test_a_chain_that_owes_something_else_than_the_model_is_refused(
    preset: tuple[Path, dict[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model goes by the replay's own meters and trades, not by what the campaign recorded."""
    due = EquityCampaign.due
    monkeypatch.setattr(EquityCampaign, "due", lambda campaign: due(campaign) + 1)
    with pytest.raises(ReplayError, match="µEUR are due on the chain"):
        run(preset[0], tmp_path / "out")
    assert not (tmp_path / "out").exists()
