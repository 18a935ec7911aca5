"""Flexibility in a replay: a congested grid is relieved, all are paid by the model, forged logs are found."""

import contextlib
import copy
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbourse.audit.check import check as check_run
from gridbourse.audit.core.findings import Difference
from gridbourse.audit.run_folder import Run, load_run
from gridbourse.audit.run_folder import logs_of as logs_from
from gridbourse.chain.deployment.record import FLEXIBILITY
from gridbourse.chain.node.compiler import CHECKOUT, load_artifacts
from gridbourse.chain.node.connect import session
from gridbourse.grid.pandapower_check import PandapowerNetwork
from gridbourse.model.flexibility.products import Way
from gridbourse.model.house_accounts import DSO_ACCOUNT, TSO_ACCOUNT
from gridbourse.scenario.scenario import Scenario, load
from oracle.dso.grid_check import expected_wh
from replay.run import Replay, replay
from tests.audit.forging import altered, changed_fields, dropped, entry_of, logs_of, plus, repeated

Content = dict[str, Any]
FILE = CHECKOUT / "scenarios" / "trader.toml"
OVERRIDES = {"start": "2016-07-24T11:00Z", "periods": 2}


class Ran:
    """A finished replay of two sunny quarter-hours, and where it is."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.scenario = folder, load(FILE, OVERRIDES)
        about = {"file": str(FILE), "overrides": OVERRIDES}
        with session("devnet-child") as w3, contextlib.redirect_stdout(io.StringIO()):
            self.done: Replay = replay(w3, "devnet-child", self.scenario, about, folder)
            self.market = self.done.walk.market
            self.tso_tokens = self.market.house.read("balanceOf", TSO_ACCOUNT)

    @property
    def first(self) -> int:
        return self.scenario.first_period


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(tmp_path_factory.mktemp("flexibility"))


def states(ran: Ran, period: int) -> tuple[Scenario, np.ndarray, np.ndarray]:
    """(scenario, expected net Wh without flexibility, and with it) as the energy markets left it."""
    walk = ran.done.walk
    result = walk.results[period]
    assert walk.plant.homes is not None
    assert result.moved_wh is not None
    forecast = ran.scenario.forecast_wh(period) + walk.plant.homes.planned_wh(period)
    before = expected_wh(forecast, result.contracts_wh)
    return ran.scenario, before, before + result.moved_wh


# --- the grid ------------------------------------------------------------------------------------


def test_a_congested_transformer_is_relieved_by_bought_flexibility_as_pandapower_confirms(
    ran: Ran,
) -> None:
    """Issue item 8: without it the limit is broken, with it alone, before any cap, it is kept."""
    assert ran.scenario.pandapower_file is not None
    independent = PandapowerNetwork(ran.scenario.pandapower_file, ran.scenario.points)
    period = ran.first + 1
    scenario, before, after = states(ran, period)
    hours, reactive = scenario.mtu.hours, scenario.forecast_var(period)
    congested = independent.run(before / hours, reactive)
    relieved = independent.run(after / hours, reactive)
    assert congested.loading.max() > 1.1
    assert relieved.loading.max() <= 1.0
    assert relieved.u_pu.max() <= scenario.limits.v_max_pu
    assert np.abs(after - before).sum() > 10_000
    delivered = ran.done.walk.results[period].delivery
    assert delivered is not None
    told = independent.run(delivered.readings_wh / hours, scenario.reactive_var(period))
    assert np.isclose(told.loading.max(), delivered.flow.loading.max(), atol=1e-6)


def test_the_dso_buys_again_what_is_still_missing(ran: Ran) -> None:
    table = ran.done.record.flexibility
    mine = table[(table["buyer"] == "dso") & (table["period"] == ran.first + 1)]
    assert list(mine["product"].unique()) == ["congestion", "curtailment"]
    first, later = (mine[mine["product"] == name].iloc[0] for name in ("congestion", "curtailment"))
    assert 0 < later["asked_wh"] < first["asked_wh"]
    assert later["bought_wh"] == later["asked_wh"]
    # By a baseline of readings nothing is bought before anything is metered.
    assert "curtailment" not in set(table[table["period"] == ran.first]["product"])


def test_what_the_tso_buys_does_not_break_the_grid(ran: Ran) -> None:
    table = ran.done.record.flexibility
    called = table[(table["buyer"] == "tso") & (table["direction"] == "up")].iloc[0]
    assert 0 < called["rejected_wh"] <= called["bought_wh"]
    assert called["delivered_wh"] <= called["bought_wh"] - called["rejected_wh"]
    said = [row for row in ran.done.record.verdicts if row["market"] == "flexibility"]
    assert any("the grid does not bear it" in line for row in said for line in row["explanation"])


# --- money and energy ----------------------------------------------------------------------------


def test_every_account_of_flexibility_adds_up(ran: Ran) -> None:
    """`Accounts.require_equal` has held for every account; here, what the tables say of it."""
    record = ran.done.record
    table, money = record.flexibility, record.money
    assert record.money_sum_micro_eur == 0
    assert record.energy_gap_wh == 0
    paid = money[money["kind"].isin(["flexibility", "aggregator_share"])]["micro_eur"].sum()
    assert paid == table["paid_micro_eur"].sum() > 0
    penalties = money[money["kind"] == "flexibility_penalty"]["micro_eur"].sum()
    assert penalties == table["penalty_micro_eur"].sum()
    moved = money[money["kind"] == "compensation"].groupby(["payer", "payee"])["micro_eur"].sum()
    assert moved.get(("dso", "supplier"), 0) == -table["compensation_micro_eur"].clip(upper=0).sum()
    assert (table["delivered_wh"] <= table["bought_wh"] - table["rejected_wh"]).all()
    assert set(money["payee"]) >= {"dso", "supplier"}


def test_everything_delivered_was_minted_and_everything_minted_redeemed(ran: Ran) -> None:
    tokens = ran.done.walk.flexible
    assert tokens is not None
    assert (
        sum(wh for wh, _ in tokens.tokens.values())
        == ran.done.record.flexibility["delivered_wh"].sum()
    )
    events = json.loads((ran.folder / "logs.json").read_text())
    minted = logs_of(events, "FlexibilityToken", "TransferSingle")
    assert len(minted) % 2 == 0, "each holding is minted once and burnt once"


def test_delivered_energy_is_not_paid_again_as_imbalance(ran: Ran) -> None:
    """The position moves with it: a seller that delivers to the Wh has the reading it had contracted."""
    walk = ran.done.walk
    period = ran.first + 1
    result = walk.results[period]
    assert result.flexibility is not None
    assert walk.flexibility is not None
    session_ = walk.flexibility.sessions[period]
    assert result.flexibility.contracts_wh.any()
    for asked in session_.asked:
        sign = 1 if asked.request.way is Way.UP else -1
        for bought in asked.bought:
            row = walk.members.row_of[bought.leg.participant]
            moved = sign * result.flexibility.contracts_wh[row]
            assert 0 <= moved <= bought.leg.wh or bought.leg.stands_by or bought.rejected


def test_house_accounts_end_as_the_log_says(ran: Ran) -> None:
    rebuilt = check_run(load_run(ran.folder), [ran.scenario])
    assert rebuilt.findings.differences == []
    assert rebuilt.flexibility is not None
    assert rebuilt.flexibility.kept_micro_eur == 0
    assert set(rebuilt.flexibility.tokens.supply_wh().values()) == {0}
    assert rebuilt.money.free[TSO_ACCOUNT] == ran.tso_tokens
    assert rebuilt.money.free[DSO_ACCOUNT] < ran.scenario.flexibility_table.deposit_micro_eur


# --- forged logs ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def honest(ran: Ran) -> Run:
    return load_run(ran.folder)


@pytest.fixture(scope="module")
def content(ran: Ran) -> Content:
    return json.loads((ran.folder / "logs.json").read_text())  # type: ignore[no-any-return]


@pytest.fixture
def differences(ran: Ran, honest: Run) -> Callable[[Content], list[Difference]]:
    """What the checker finds in other logs."""

    def of(content: Content) -> list[Difference]:
        run = replace(honest, logs=logs_from(content["logs"]))
        return check_run(run, [ran.scenario]).findings.differences

    return of


def in_finding(place: int, more: int) -> Callable[[dict[str, Any]], None]:
    return lambda values: values["result"].__setitem__(place, values["result"][place] + more)


def in_terms(place: int, more: int) -> Callable[[dict[str, Any]], None]:
    return lambda values: values["terms"].__setitem__(place, values["terms"][place] + more)


def with_evidence(alter: Callable[[dict[str, Any]], None]) -> Callable[[Content], None]:
    """A forgery of the first leg that was verified against a committed baseline."""

    def forge(content: Content) -> None:
        told = logs_of(content, "FlexibilityDelivery", "LegVerified")
        nth = next(n for n, log in enumerate(told) if int(log["data"][-128:-64], 16))
        altered("FlexibilityDelivery", "LegVerified", alter, nth)(content)

    return forge


FORGERIES = {
    "a larger request": (
        altered("FlexibilityRequests", "RequestPosted", in_terms(4, 100)), "transfer", "request 0",
    ),
    "a higher ceiling": (
        altered("FlexibilityRequests", "RequestPosted", in_terms(5, 1)), "transfer", "request 0",
    ),
    "another product": (
        altered("FlexibilityRequests", "RequestPosted", in_terms(0, 1)), "flexibility", "not this way",
    ),
    "a lost request": (dropped("FlexibilityRequests", "RequestPosted"), "flexibility", "no such request"),
    "a call the TSO did not make": (
        altered("FlexibilityRequests", "RequestPosted", in_terms(4, 1), -1), "scenario", "asked for by",
    ),
    "a cheaper offer": (
        altered("FlexibilityRequests", "FlexibilityOffered", plus("tick", -1)), "flexibility", "margin",
    ),
    "an offer beyond the ceiling": (
        altered("FlexibilityRequests", "FlexibilityOffered", plus("tick", 90)),
        "flexibility offer",
        "beyond the ceiling",
    ),
    "a larger offer": (
        altered("FlexibilityRequests", "FlexibilityOffered", plus("wh", 100)), "transfer", "participant",
    ),
    "an offer of another's": (
        altered("FlexibilityRequests", "FlexibilityOffered", plus("agent", 1)),
        "flexibility offer",
        "nobody who may bring it",
    ),
    "a lost offer": (dropped("FlexibilityRequests", "FlexibilityOffered"), "transfer", "participant"),
    "an offer after the close": (
        repeated("FlexibilityRequests", "FlexibilityOffered"), "market time", "it is closed",
    ),
    "another seed": (
        altered("FlexibilityRequests", "SeedShown", lambda v: v.update(seed=b"\1" * 32)), "lot", "request 0",
    ),
    "a lost seed": (dropped("FlexibilityRequests", "SeedShown"), "lot", "the seed is not shown"),
    "another salt": (
        altered("FlexibilityRequests", "SaltShown", lambda v: v.update(salt=b"\1" * 16)), "lot", "request 0",
    ),
    "a lost salt": (dropped("FlexibilityRequests", "SaltShown"), "market time", "it is not closed"),
    "a lost commitment": (
        dropped("FlexibilityRequests", "SaltCommitted"), "flexibility offer", "no salt was committed to",
    ),
    "a clearing": (
        altered("FlexibilityRequests", "RequestCleared", plus("volumeWh", 1)), "flexibility", "Wh, area",
    ),
    "an award": (
        altered("FlexibilityMarket", "FlexibilityAwarded", plus("trades", 1 << 16, at=0)),
        "trade",
        "request 0",
    ),
    "an award of another": (
        altered("FlexibilityMarket", "FlexibilityAwarded", plus("trades", 1 << 44, at=0)),
        "trade",
        "request 0",
    ),
    "a lost award": (dropped("FlexibilityMarket", "FlexibilityAwarded"), "group", "group 0"),
    "a rejection": (
        altered("FlexibilityMarket", "GroupDecided", plus("rejected", 1)), "transfer", "rejected",
    ),
    "a schedule": (
        altered("Schedules", "ScheduleDeclared", plus("wh", 5)), "baseline", "participant",
    ),
    "a lost schedule": (
        dropped("Schedules", "ScheduleDeclared"), "flexibility offer", "no schedule was declared",
    ),
    "a reading in a finding": (
        altered("FlexibilityDelivery", "LegVerified", in_finding(3, 1)), "verification", "request 0",
    ),
    "more delivered": (
        altered("FlexibilityDelivery", "LegVerified", in_finding(4, 1)), "verification", "request 0",
    ),
    "more paid": (
        altered("FlexibilityDelivery", "LegVerified", in_finding(6, 1)), "verification", "request 0",
    ),
    "a smaller penalty": (
        altered("FlexibilityDelivery", "LegVerified", in_finding(8, 1)), "verification", "request 0",
    ),
    "more damages": (
        altered("FlexibilityDelivery", "LegVerified", in_finding(11, 1)), "verification", "request 0",
    ),
    "a lost leg": (dropped("FlexibilityDelivery", "LegVerified"), "flexibility", "ended"),
    "a baseline that is not the evidence's": (
        with_evidence(in_finding(2, 1)), "baseline", "comes to",
    ),
    "evidence nobody published": (
        with_evidence(lambda v: v["result"].__setitem__(10, b"\1" * 32)),
        "baseline",
        "cannot be read",
    ),
    "compensation": (
        altered("FlexibilityMarket", "Compensated", plus("microEur", 1)), "compensation", "request 0",
    ),
    "an end": (
        altered("FlexibilityMarket", "RequestEnded", plus("returnedMicroEur", 1)),
        "flexibility",
        "at the end",
    ),
    "a lost end": (dropped("FlexibilityMarket", "RequestEnded"), "flexibility", "ended"),
    "more tokens": (
        altered("FlexibilityToken", "TransferSingle", plus("value", 1)), "flexibility token", "minted",
    ),
    "a larger claim": (
        altered("FlexibilityToken", "ClaimMoved", plus("amountMicroEur", 1)),
        "flexibility token",
        "claim",
    ),
    "tokens burnt twice": (
        repeated("FlexibilityToken", "TransferSingle", -1), "flexibility token", "more than it holds",
    ),
    "tokens never minted": (
        dropped("FlexibilityToken", "TransferSingle"), "flexibility token", "minted",
    ),
    "a product's penalty": (
        altered("FlexibilityProducts", "ProductAdded", in_terms(9, 1)), "scenario", "products",
    ),
    "energy of a delivery": (
        altered("ClearingHouse", "TradesBooked", plus("fills", 1, at=0), -1), "fill", "entry",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_log_is_named(
    content: Content, differences: Callable[[Content], list[Difference]], name: str
) -> None:
    forgery, what, place = FORGERIES[name]
    forged = {"logs": copy.deepcopy(content["logs"])}
    forgery(forged)
    found = [*map(str, differences(forged))]
    assert any(line.startswith(f"{what}: ") and place in line for line in found), found[:8]


UNBOUND: dict[tuple[str, str], set[str]] = {
    # how long what is over at delivery is looked for, and by whom: nothing in a replay depends on it
    ("FlexibilityMarket", "Connected"): {"requests", "delivery", "token"},
    ("Schedules", "MarketSet"): {"market"},
    ("FlexibilityToken", "TransferSingle"): {"operator"},
    # on a declared schedule there is no evidence
    ("FlexibilityDelivery", "LegVerified"): {"result.evidence", "result.evidenceSeconds"},
}
"""Fields of the first such event that an honest log could have otherwise; all others are bound."""
TOLD = [
    (contract, entry["name"])
    for contract in ("FlexibilityMarket", *FLEXIBILITY)
    for entry in load_artifacts()[contract].abi
    if entry["type"] == "event"
]


@pytest.mark.parametrize(("contract", "name"), TOLD, ids=str)
def test_every_field_is_bound(
    ran: Ran,
    content: Content,
    differences: Callable[[Content], list[Difference]],
    contract: str,
    name: str,
) -> None:
    """One value of one log changed at a time."""
    address = ran.market.record.contracts[contract].address.lower()
    told = [log for log in logs_of(content, contract, name) if log["address"].lower() == address]
    if not told:
        pytest.skip("these two quarter-hours have none")
    at = content["logs"].index(told[0])
    unseen = set()
    for field, forged in changed_fields(told[0], entry_of(contract, name)):
        logs = [*content["logs"][:at], forged, *content["logs"][at + 1 :]]
        if not differences({"logs": logs}):
            unseen.add(field)
    assert unseen == UNBOUND.get((contract, name), set())
