"""Where each euro and each watt-hour went: every line has the sign it says, together they are the total."""

from collections import Counter
from pathlib import Path

import pytest

from gridbourse.audit.check import start
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import load_run
from gridbourse.audit.statement import Statement, statement
from gridbourse.chain.deployment.market import AREA
from tests.audit.conftest import PRICINGS

HOUSE = ("supplier", "dso", "spread account")


@pytest.fixture(params=PRICINGS)
def told(
    request: pytest.FixtureRequest, runs: dict[str, Path]
) -> tuple[list[Statement], Rebuilt, dict[int, Counter[str]]]:
    """The statement of every settled period, and what the events of each say accounts changed by."""
    run = load_run(runs[request.param])
    decoder, rebuilt = start(run.deployment, run.rules)
    events = list(decoder.decode(run.logs))
    rebuilt.walk(events)
    changes: dict[int, Counter[str]] = {}
    for event in events:
        change = Counter[str]()
        if event.name in ("GroupsSettled", "GroupCorrected"):
            change = Counter(supplier=event["supplierMicroEur"], dso=event["dsoMicroEur"])
        elif event.name == "SpreadCollected":
            change["spread account"] = event["amountMicroEur"]
        if change:
            changes.setdefault(event["period"], Counter()).update(change)
    periods = sorted(rebuilt.metering.finished_in(0))
    return [statement(rebuilt, AREA, period) for period in periods], rebuilt, changes


Told = tuple[list[Statement], Rebuilt, dict[int, Counter[str]]]


def received(one: Statement, party: str) -> int:
    """Net, by all lines."""
    flows = one.flows
    into = flows.loc[flows["payee"] == party, "micro_eur"].sum()
    return int(into - flows.loc[flows["payer"] == party, "micro_eur"].sum())


def test_the_lines_add_up_to_what_each_account_changed_by(told: Told) -> None:
    statements, _, changes = told
    assert statements
    for one in statements:
        for party in HOUSE:
            assert received(one, party) == changes[one.period][party], (one.period, party)
        assert received(one, "participants") == -sum(received(one, party) for party in HOUSE)


def test_every_payment_goes_the_way_it_says(told: Told) -> None:
    """The feed-in tariff was shown as −80 µEUR a Wh from the supplier to the participants."""
    statements, _, _ = told
    assert any((one.flows["kind"] == "feed_in").any() for one in statements)
    for one in statements:
        assert (one.flows["micro_eur"] > 0).all(), one.flows
        of_kind = one.flows.set_index("kind")["micro_eur"]
        energy = one.energy_wh
        assert of_kind.get("feed_in", 0) == 80 * energy["to_supplier"]
        assert of_kind.get("retail", 0) == 300 * energy["from_supplier"]


def test_every_watt_hour_that_was_metered_is_accounted_for(told: Told) -> None:
    statements, rebuilt, _ = told
    for one in statements:
        energy = one.energy_wh
        assert (
            energy["metered_out"] - energy["metered_into"]
            == energy["to_supplier"] - energy["from_supplier"] + energy["unpaid"]
        ), one.period
        sold = sum(p.sold_wh for p in rebuilt.money.positions[one.period].values())
        assert energy["traded"] == sold
    assert any(one.energy_wh["unpaid"] for one in statements), "somebody fed in beyond a cap"
