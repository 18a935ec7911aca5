"""What a run leaves for people and for scripts: figures, a page that opens offline, words on the way."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.report import formatting as words
from gridbourse.report.record import RunRecord
from gridbourse.report.summary import bills_table
from scripts import check
from tests.replay.conftest import NETWORKS, Run
from tests.replay.noon import PERIODS


@pytest.fixture(params=NETWORKS)
def run(request: pytest.FixtureRequest, runs: dict[str, Run]) -> Run:
    return runs[request.param]


@pytest.fixture
def figures(run: Run) -> dict[str, Any]:
    return json.loads((run.folder / "summary.json").read_text())


def test_the_summary_has_what_was_asked_for(figures: dict[str, Any]) -> None:
    kinds = {
        "scenario": str,
        "network": str,
        "periods": int,
        "participants": int,
        "orders": int,
        "matched_wh": int,
        "readings": int,
        "verdicts": dict,
        "money_sum_microeur": int,
        "energy_gap_wh": int,
        "self_sufficiency": dict,
        "self_consumption": dict,
        "gas": dict,
        "wall_s": float,
    }
    assert {key: type(figures.get(key)) for key in kinds} == kinds


def test_the_figures_fit_each_other(figures: dict[str, Any]) -> None:
    assert figures["scenario"] == "rural3"
    assert figures["network"] in NETWORKS
    assert figures["periods"] == PERIODS
    assert set(figures["verdicts"]) == {"accepted", "capped", "fallback"}
    assert sum(figures["verdicts"].values()) == PERIODS
    assert figures["readings"] == PERIODS * figures["participants"]
    assert 0 < figures["orders"] <= PERIODS * figures["participants"]
    assert figures["orders"] == sum(figures["orders_by_side"].values())
    assert figures["money_sum_microeur"] == 0
    assert figures["energy_gap_wh"] == 0
    assert figures["wall_s"] > 0
    for share in ("self_sufficiency", "self_consumption"):
        assert set(figures[share]) == {"before", "after"}
        assert 0 < figures[share]["before"] < figures[share]["after"] <= 1
    for step in ("deploy", "clear", "verdict", "caps", "book", "readings", "settle"):
        assert figures["gas"][step]["transactions"] > 0
        assert figures["gas"][step]["gas"] > 21_000


def test_bills_are_what_the_accounts_changed_by(run: Run, figures: dict[str, Any]) -> None:
    """Figures come from the record, balances from the chain: each participant began with the same."""
    balances = json.loads((run.folder / "state.json").read_text())["balances"]
    participants = {who: held for who, held in balances.items() if int(who) >= 8 and held}
    assert len(participants) == figures["participants"]
    paid_in = 1_000_000_000 * figures["participants"]
    assert sum(participants.values()) - paid_in == figures["bills_micro_eur"]["with_market"]


class Fetched(HTMLParser):
    """Addresses a browser would go to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "link", "iframe", "object", "embed"}:
            self.addresses.append(tag)
        self.addresses += [
            value or "" for key, value in attrs
            if key in {"src", "srcset", "href", "xlink:href", "data", "poster"}
        ]  # fmt: skip


def test_the_report_opens_offline(run: Run) -> None:
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert [a for a in Fetched(page).addresses if not a.startswith(("#", "data:"))] == []
    assert not re.search(r"@import|url\((?!#|data:)", page)


def test_the_report_has_its_pictures(run: Run, figures: dict[str, Any]) -> None:
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 4
    assert "Money sums to 0 µEUR" in page
    assert f"{figures['participants']}" in page


def test_progress_then_the_table_and_where_to_look(run: Run) -> None:
    assert f"{PERIODS}/{PERIODS}" in run.said
    assert "Replaying" in run.said
    assert f"Report   {run.folder / 'report.html'}" in run.said
    assert f"python -m scripts.check {run.folder}" in run.said
    (figures,) = re.findall(r"Figures  (\S+)", run.said)
    assert Path(figures).is_file()


def test_nothing_unfinished_is_left(run: Run) -> None:
    left = {path.name for path in run.folder.iterdir()}
    assert left == {
        "deployment.json", "logs.json", "oracle.sqlite", "participants.csv", "readings", "record",
        "report.html", "scenario.json", "state.json", "summary.json", "verdicts",
    }  # fmt: skip
    assert len(list((run.folder / "readings").iterdir())) == PERIODS


def test_the_demo_is_one_day_on_a_devnet_of_its_own() -> None:
    """What `make demo` runs are options the script has, and the scenario's own length and factor."""
    makefile = (CHECKOUT / "Makefile").read_text()
    (line,) = re.findall(r"^DEMO := \$\(PY\) -m scripts\.replay (.*)$", makefile, re.MULTILINE)
    assert line.split()[1:] == ["--network", "devnet-child", "--out", "out/demo", "--overwrite"]
    (scenario,) = re.findall(r"^DEMO_SCENARIO \?= (\S+)$", makefile, re.MULTILINE)
    assert (CHECKOUT / scenario).is_file()


GROUPS = {"buyers", "sellers", "participants"}


def test_the_money_table_adds_up_to_the_bills(run: Run, figures: dict[str, Any]) -> None:
    """Every flow with its sign: what participants received less what they paid is all their bills."""
    money = RunRecord.load(run.folder / "record").money
    assert (money["micro_eur"] > 0).all()
    into = money.loc[money["payee"].isin(GROUPS), "micro_eur"].sum()
    out = money.loc[money["payer"].isin(GROUPS), "micro_eur"].sum()
    assert into - out == figures["bills_micro_eur"]["with_market"]


def test_the_checker_finds_the_same_bills_without_a_market(
    run: Run, figures: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the logs and the profiles, not from the replay's accounts; a summary that is off is named."""
    folder = shutil.copytree(run.folder, tmp_path / "run")
    assert check.main(str(folder)) == 0
    bills = figures["bills_micro_eur"]
    assert bills["curtailment"] > 0
    found = json.loads((folder / "check.json").read_text())["bills_micro_eur"]
    assert found == {name: bills[name] for name in ("no_market", "no_market_capped", "curtailment")}
    assert f"curtailment took {words.euro(bills['curtailment'])}" in " ".join(
        capsys.readouterr().out.split()
    )
    bills["no_market"] -= 1
    (folder / "summary.json").write_text(json.dumps(figures))
    assert check.main(str(folder)) == 1
    assert "bill without a market: no_market" in capsys.readouterr().out


def test_who_was_curtailed_is_ranked_by_what_it_lost(run: Run, figures: dict[str, Any]) -> None:
    table = bills_table(RunRecord.load(run.folder / "record"))
    capped = table[table["curtailed_wh"] > 0]
    assert len(capped)
    assert (capped["curtailment_micro_eur"] == 80 * capped["curtailed_wh"]).all()
    whole = capped[capped["exported_wh"] + capped["imported_wh"] == 0]
    assert (whole["gain_micro_eur"] < 0).all()
    assert figures["losers"] == int((table["gain_micro_eur"] < 0).sum())
