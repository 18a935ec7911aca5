"""`scripts.agents`: what a participant lets others do, said, changed and shown by its own key."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from gridbourse.chain.encoding.lanes import OFFER
from gridbourse.chain.node.transactions import Reverted
from gridbourse.crowdsale.errors import CrowdsaleError
from gridbourse.scenario.scenario import load
from scripts import agents
from tests.audit.mixed_market import EVERY_KIND, MixedMarket
from tests.audit.small_market import SmallMarket
from tests.replay.noon import write_scenario

Run = Callable[..., str]
ALL = "all it carries"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> SmallMarket:
    return MixedMarket(
        load(write_scenario(tmp_path_factory.mktemp("agents")), EVERY_KIND), groups_a_call=500
    )


@pytest.fixture
def run(
    market: SmallMarket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """One step; what it says."""
    path = tmp_path / "here.json"
    market.market.record.save(path)
    rows = "".join(f"{point},{market.numbers[i]}\n" for point, i in market.places.items())
    path.with_suffix(".participants.csv").write_text(f"point_id,number\n{rows}")
    monkeypatch.setattr("scripts.record_path", lambda network: path)
    monkeypatch.setenv("COLUMNS", "140")

    def step(*words: str) -> str:
        capsys.readouterr()
        agents.main(*words, web3=market.market.chain.w3)
        return capsys.readouterr().out

    return step


@pytest.fixture
def point(market: SmallMarket) -> str:
    return next(point for point, i in market.places.items() if i == 0)


def next_words(said: str) -> list[str]:
    """Of the command that is said to come next, behind the script's name."""
    (line,) = re.findall(r"^Next +(.+)$", said, re.MULTILINE)
    words = shlex.split(line)
    assert words[1:3] == ["-m", "scripts.agents"], line
    return words[3:]


def test_a_participant_limits_what_its_gateway_promises(
    market: SmallMarket, run: Run, point: str
) -> None:
    assert f"{ALL} sold, {ALL} bought" in run("status", "--by", point)
    said = run("limit", "0.5", "none", "--by", point)
    assert f"0.5 kWh sold, {ALL} bought" in said
    assert f"0.5 kWh sold, {ALL} bought" in run(*next_words(said))
    period = market.scenario.first_period
    market.open(period)
    with pytest.raises(Reverted, match="AboveAgentLimit"):
        market.mandated(period, {0: (OFFER, 20, 501)})
    market.mandated(period, {0: (OFFER, 20, 500)})
    run("limit", "none", "none", "--by", point)
    market.mandated(period, {0: (OFFER, 20, 600)}, sequence=2)


def test_a_mandate_is_taken_back_and_given_again(run: Run, point: str) -> None:
    assert "nobody orders in its name" in run("mandate", "no", "--by", point)
    assert re.search(r"Mandate +nobody", run("status", "--by", point))
    said = run("mandate", "yes", "--by", point)
    assert f"up to {ALL} sold" in said
    assert next_words(said)[:3] == ["limit", "KWH", "KWH"]
    assert re.search(r"Mandate +gateway 1", run("status", "--by", point))


def test_an_allowance_is_shown_and_taken_back(market: SmallMarket, run: Run, point: str) -> None:
    assert "3.5 EUR" in run("allow", "gateway", "3.50", "--by", point)
    assert re.search(r"Gateway may risk +3\.5 EUR", run("status", "--by", point))
    run("allow", "gateway", "0", "--by", point)
    assert re.search(r"Gateway may risk +0 EUR", run("status", "--by", point))
    plant = next(other for other, i in market.places.items() if i == 8)
    run("allow", plant, "1", "--by", point)
    number = market.numbers[0], market.numbers[8]
    assert market.market.agents is not None
    assert market.market.agents.read("allowanceOf", *number) == 1_000_000


@pytest.mark.parametrize("kwh", ["-1", "nan", "inf", "268435.456", "a lot", ""])
def test_energy_that_is_none_is_refused(
    run: Run, point: str, kwh: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        run("limit", f"--by={point}", "--", kwh, "none")
    assert exit_.value.code == 2
    assert "is neither none nor kWh from 0 to 268,435.455" in capsys.readouterr().err


def test_an_unknown_point_is_named(run: Run) -> None:
    with pytest.raises(CrowdsaleError, match="P9999"):
        run("status", "--by", "P9999")
    with pytest.raises(CrowdsaleError, match="who"):
        run("status")
