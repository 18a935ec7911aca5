"""Curtailment that is paid for: stated before delivery, proven after it, rebuilt by the checker."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from gridbourse.audit.check import start
from gridbourse.audit.core.events import Event
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import load_run
from gridbourse.audit.settlement.curtailment import Curtailment
from gridbourse.audit.statement import statement
from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.deployment.record import DeploymentRecord
from gridbourse.chain.encoding.lanes import PER_GROUP
from gridbourse.model.caps import NO_CAP
from gridbourse.model.curtailment import compensation_micro_eur, held_back_wh, outstanding_wh
from gridbourse.model.house_accounts import DSO_ACCOUNT
from gridbourse.report.record import RunRecord
from gridbourse.report.summary import bills_table
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.scenario import load
from scripts import check, replay
from tests.replay.noon import START, write_scenario

PERIODS = 6
LEVY, FEED_IN = 900, 80  # enough for six periods, in which little is drawn
TABLE = f"""
[curtailment]
compensation = "feed_in"
paid_by = "consumption"
levy_micro_eur_per_wh = {LEVY}

[strategy]"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A noon whose caps are compensated, run and checked."""
    base = tmp_path_factory.mktemp("compensated")
    file = write_scenario(base)
    file.write_text(file.read_text().replace("\n[strategy]", TABLE))
    replay.main(
        str(file), "--network", "devnet-child", "--out", str(base / "run"), "--start", START,
        "--periods", str(PERIODS),
    )  # fmt: skip
    return base / "run"


@pytest.fixture(scope="module")
def rebuilt(folder: Path) -> Rebuilt:
    return walked(folder)


def walked(folder: Path) -> Rebuilt:
    """The run's log, rebuilt."""
    run = load_run(folder)
    decoder, found = start(run.deployment, run.rules)
    found.walk(decoder.decode(run.logs))
    return found


def test_the_checker_finds_the_same(folder: Path) -> None:
    assert check.main(str(folder)) == 0
    found = json.loads((folder / "check.json").read_text())
    assert found["rebuilt"]["compensations"] > 0
    assert found["compared"]["curtailment"] > 0


def test_who_was_capped_is_paid_by_the_dso_and_nobody_else(folder: Path) -> None:
    record = RunRecord.load(folder / "record")
    table = bills_table(record)
    paid = table["compensation_micro_eur"]
    assert paid.sum() > 0
    assert not paid[table["curtailed_wh"] == 0].any()
    flow = record.money.set_index("kind").loc["curtailment_compensation"]
    assert tuple(flow[["payer", "payee", "micro_eur"]]) == ("dso", "participants", paid.sum())
    # What it paid for is the forecast's energy; what was lost is the day's.
    cost = table["curtailment_micro_eur"].sum()
    assert paid.sum() == pytest.approx(cost, rel=0.25)
    assert record.money_sum_micro_eur == 0


def test_what_is_stated_is_the_forecast_the_caps_were_made_of(
    folder: Path, rebuilt: Rebuilt
) -> None:
    run = load_run(folder)
    scenario = load(run.scenario_file, run.overrides)
    points = scenario.points.index[scenario.points["participant"]]
    point_of = dict(zip(sorted(rebuilt.members.participants), points, strict=True))
    assert rebuilt.curtailment is not None
    stated = rebuilt.curtailment.schedules_wh
    capped = {(p, who) for p in scenario.replayed for who in rebuilt.metering.capped(p)}
    assert stated.keys() == capped
    for (period, who), wh in stated.items():
        row = scenario.points.index.get_loc(point_of[who])
        assert wh == max(int(scenario.forecast_wh(period)[row]), 0)


def test_every_wh_drawn_pays_the_levy(folder: Path) -> None:
    """In both fees; the baselines have no levy, so that it is a cost of compensation for who pays it."""
    run = load_run(folder)
    scenario = load(run.scenario_file, run.overrides)
    plain = load(run.scenario_file, run.overrides | {"curtailment": {"compensation": "none"}})
    for zone, fees in scenario.tariff.fees.items():
        before = plain.tariff.fees[zone]
        assert (fees.import_, fees.local) == (before.import_ + LEVY, before.local + LEVY)
        assert fees.export == before.export
    assert plain.curtailment is None
    assert plain.levy_micro_eur_per_wh == 0
    table = bills_table(RunRecord.load(folder / "record"))
    only_draws = table[(table["exported_wh"] == 0) & (table["bought_wh"] == 0)]
    assert len(only_draws)
    assert (only_draws["by_market_micro_eur"] == -LEVY * only_draws["imported_wh"]).all()


def test_the_statement_tells_of_it_and_adds_up(rebuilt: Rebuilt) -> None:
    assert rebuilt.curtailment is not None
    told = [
        statement(rebuilt, FIRST_AREA, period)
        for period in sorted(rebuilt.metering.finished_in(FIRST_AREA))
    ]
    paid = Counter[str]()
    for one in told:
        flows = one.flows[one.flows["kind"] == "curtailment_compensation"]
        paid.update(
            dict(zip(flows["payer"] + ">" + flows["payee"], flows["micro_eur"], strict=True))
        )
        amount = int(flows["micro_eur"].sum())
        assert amount == one.energy_wh["compensated"] * FEED_IN
    assert paid.keys() == {"dso>participants"}
    assert paid.total() == sum(rebuilt.curtailment.paid_micro_eur.values())


@pytest.mark.parametrize(
    "forged", ["heldBackWh", "amountMicroEur", "participant", "words", "twice", "unsaid"]
)
def test_forged_compensation_is_named(folder: Path, tmp_path: Path, forged: str) -> None:
    spoiled = shutil.copytree(folder, tmp_path / "run")
    content = json.loads((spoiled / "logs.json").read_text())
    record = DeploymentRecord.load(spoiled / "deployment.json")
    address = record.contracts["CurtailmentCompensation"].address.lower()
    mine = [log for log in content["logs"] if log["address"].lower() == address]
    says = f"0x{keccak(text='SchedulesStated(uint256,uint256,uint256[])').hex()}"
    stated = [log for log in mine if log["topics"][0] == says]
    paid = [log for log in mine if log not in stated]
    assert paid
    assert stated
    _forge(content["logs"], paid[0], stated, forged)
    (spoiled / "logs.json").write_text(json.dumps(content))
    assert check.main(str(spoiled)) == check.DIFFERENT
    found = json.loads((spoiled / "check.json").read_text())["differences"]
    kinds = {difference["what"] for difference in found}
    assert kinds & {"curtailment", "transfer"}


def _forge(logs: list[Any], paid: dict[str, Any], stated: list[dict[str, Any]], how: str) -> None:
    if how in ("heldBackWh", "amountMicroEur"):
        at = 2 + 64 * ("heldBackWh", "amountMicroEur").index(how)
        value = int(paid["data"][at : at + 64], 16) + 1
        paid["data"] = paid["data"][:at] + f"{value:064x}" + paid["data"][at + 64 :]
    elif how == "participant":
        paid["topics"][2] = f"0x{int(paid['topics'][2], 16) + 1:064x}"
    elif how == "words":
        for log in stated:  # everybody was expected to feed in 1 Wh more
            words = log["data"][2 + 128 :]
            more = [f"{int(words[i : i + 64], 16) + 1:064x}" for i in range(0, len(words), 64)]
            log["data"] = log["data"][: 2 + 128] + "".join(more)
    elif how == "twice":
        logs.append({**paid, "blockNumber": logs[-1]["blockNumber"] + 1})
    else:
        logs.remove(paid)


def reopened(found: Rebuilt) -> tuple[Curtailment, int, int, int]:
    """The first that was paid is corrected to have drawn; (module, period, participant, Wh paid)."""
    module = found.curtailment
    assert module is not None
    period, who = next(key for key, wh in module.paid_wh.items() if wh)
    commitment = found.metering.evidence.of(FIRST_AREA, period)
    commitment.replace(commitment.leaf(who // PER_GROUP).corrected({who: -1}))
    return module, period, who, module.paid_wh[period, who]


def moved(found: Rebuilt, name: str, period: int, who: int, wh: int, amount: int) -> None:
    """The clearing house and the contract tell of a payment; amount: + to the participant."""
    parties = {"from": DSO_ACCOUNT, "to": who} if amount > 0 else {"from": who, "to": DSO_ACCOUNT}
    values = {"period": period, "participant": who, "amountMicroEur": abs(amount)}
    told = {"heldBackWh": wh, "returnedWh": wh}
    contract = "CurtailmentCompensation"
    event = Event("ClearingHouse", "Transferred", {**values, **parties}, "block 9 log 1", 9)
    found.common.transfers.transferred(contract, event)
    event = Event(contract, name, values | told, "block 9 log 2", 9)
    assert found.curtailment is not None
    found.curtailment.handlers()[name](event)


def test_the_checker_follows_what_comes_back_and_is_paid_again(folder: Path) -> None:
    found = walked(folder)
    before = [*found.findings.differences]
    module, period, who, wh = reopened(found)
    total, dso = module.paid_micro_eur[period], found.money.free[DSO_ACCOUNT]
    found.money.free[who] = (wh - 1) * FEED_IN + 3
    moved(found, "CompensationReturned", period, who, wh - 1, -(wh - 1) * FEED_IN)
    assert (found.money.free[who], module.paid_wh[period, who]) == (3, 1)
    found.money.free[who] += FEED_IN
    moved(found, "CompensationReturned", period, who, 1, -FEED_IN)
    assert module.paid_micro_eur[period] == total - wh * FEED_IN
    assert found.money.free[DSO_ACCOUNT] == dso + wh * FEED_IN
    assert found.findings.differences == before


@pytest.mark.parametrize("more", [-1, 1])
def test_another_amount_that_comes_back_is_named(folder: Path, more: int) -> None:
    found = walked(folder)
    before = len(found.findings.differences)
    _, period, who, wh = reopened(found)
    found.money.free[who] = 2 * wh * FEED_IN
    moved(found, "CompensationReturned", period, who, wh + more, -(wh + more) * FEED_IN)
    kinds = {each.what for each in found.findings.differences[before:]}
    assert kinds == {"curtailment", "transfer"}


@pytest.mark.parametrize(
    ("held_back", "paid", "free", "wh"),
    [
        (1_500, 0, 0, 1_500),
        (1_500, 1, 0, 1_499),
        (1_500, 1_500, 0, 0),
        (0, 1_500, 1_500 * 75, -1_500),
        (0, 1_500, 100 * 75 + 74, -100),  # whole Wh
        (0, 1_500, 74, 0),
        (0, 1_500, -10_000, 0),
    ],
)
def test_a_correction_reopens_what_was_paid(held_back: int, paid: int, free: int, wh: int) -> None:
    assert outstanding_wh(held_back, paid, 75, free) == wh
    assert outstanding_wh(held_back, paid, 0, free) == held_back - paid


@pytest.mark.parametrize(
    ("stated", "cap", "reading", "held_back"),
    [
        (2_000, 500, 500, 1_500),
        (2_000, 500, 480, 1_500),  # a plant stays a little below its cap
        (2_000, 500, 474, 0),  # it was not the cap that held it back
        (2_000, 500, 700, 1_300),  # what it fed in all the same is not held back
        (2_000, 0, 0, 2_000),
        (2_000, 0, -1, 0),
        (2_000, NO_CAP, 1_900, 0),
        (400, 500, 500, 0),
        (9_000, 500, 500, 5_500),  # more than its connection carries
        (None, 500, 500, 5_500),
    ],
)
def test_what_was_held_back(stated: int | None, cap: int, reading: int, held_back: int) -> None:
    assert held_back_wh(stated, cap, reading, 6_000, 950) == held_back
    assert compensation_micro_eur(held_back, 80, 5) == held_back * 75
    assert compensation_micro_eur(held_back, 5, 80) == 0


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"compensation": "all"}, "curtailment.compensation: 'all' is not one of none, feed_in"),
        ({"compensation": "feed_in"}, "curtailment.paid_by: is missing"),
        (
            {"compensation": "feed_in", "paid_by": "consumption"},
            "curtailment.levy_micro_eur_per_wh: is missing",
        ),
        (
            {"compensation": "feed_in", "paid_by": "dso", "reach_permille": 0},
            "curtailment.reach_permille: 0 is not in 1..1000",
        ),
        (
            {"compensation": "feed_in", "paid_by": "dso", "levy_micro_eur_per_wh": 3},
            "curtailment.levy_micro_eur_per_wh: is not a key of a scenario",
        ),
    ],
)
def test_bad_tables_are_named(noon: Path, table: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        load(noon, {"curtailment": table})
