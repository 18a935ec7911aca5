"""`money_sum` is of balances and deposits on the chain, `energy_gap` of meters against a power flow:
each sees what trades could never tell."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbourse.agents.plant import Delivery, Plant
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.node.connect import NetworkError, session
from gridbourse.chain.operations.event_log import deployment_logs
from gridbourse.report.record import RunRecord
from gridbourse.scenario.scenario import load
from replay import audit_files as evidence
from replay.metering import MeterDrop
from replay.period_walk import ReplayError, Walk
from replay.run import replay as replay_run
from tests.replay.noon import START
from tests.replay.storage import add_to_slot, slots_of

PERIODS = 2
LIE_WH = 250
OVERRIDES = {"start": START, "periods": PERIODS, "parties.participation": 0.1}


@pytest.fixture
def run_small(noon: Path, tmp_path: Path) -> Callable[[], RunRecord]:
    """A replay of eleven participants and two periods, spoiled by what the test has patched."""

    def go() -> RunRecord:
        about = {"file": str(noon), "overrides": OVERRIDES}
        with session("devnet-child") as w3:
            return replay_run(w3, "test", load(noon, OVERRIDES), about, tmp_path / "run").record

    return go


def test_unspoiled_both_are_zero(run_small: Callable[[], RunRecord]) -> None:
    record = run_small()
    assert (record.money_sum_micro_eur, record.energy_gap_wh) == (0, 0)
    assert record.periods["matched_wh"].sum() > 0


def test_a_meter_that_lies_is_an_energy_gap(
    run_small: Callable[[], RunRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed, plausible, settled and paid for; no trade is touched. Only the grid knows better."""
    honest = MeterDrop.collect

    def lie(self: MeterDrop, period: int, readings_wh: np.ndarray) -> dict[int, int]:
        told = readings_wh.copy()
        told[self.members.table["at"].iloc[3]] += LIE_WH
        return honest(self, period, told)

    monkeypatch.setattr(MeterDrop, "collect", lie)
    record = run_small()

    assert record.energy_gap_wh == PERIODS * LIE_WH
    assert record.periods["gap_wh"].tolist() == pytest.approx([LIE_WH] * PERIODS, abs=0.5)
    assert record.money_sum_micro_eur == 0


def test_energy_that_no_meter_sees_is_an_energy_gap(
    run_small: Callable[[], RunRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn past a meter: the transformer's exchange grows by it and by its losses."""
    honest = Plant.deliver

    def stolen(self: Plant, period: int, *orders: Any) -> Delivery:
        delivery = honest(self, period, *orders)
        drawn = delivery.readings_wh.copy()
        drawn[0] -= LIE_WH
        flow = self.flow_of(period, drawn)
        return replace(delivery, flow=flow)

    monkeypatch.setattr(Plant, "deliver", stolen)

    assert run_small().energy_gap_wh == pytest.approx(PERIODS * LIE_WH, rel=1e-3)


def tamper(market: Market, what: str, amount: int) -> None:
    """Change a balance behind the contracts' back: no event, no trade tells."""
    w3, house, currency = market.chain.w3, market.house, market.currency
    held = currency.read("balanceOf", house.address)
    if what == "account":
        deposit = 1_000_000_000
        slots = slots_of(w3, house.address)
        slot = next(
            s for s, word in slots.items() if abs((word & (1 << 64) - 1) - deposit) < deposit // 10
        )
        add_to_slot(w3, house.address, slot, amount)
        return
    contract, word = {
        "currency": (currency.address, held),
        "deposits": (house.address, house.read("depositsMicroEur")),
    }[what]
    # The total supply is the same number, but has one of the first slots.
    slot = max(s for s, found in slots_of(w3, contract).items() if found == word)
    add_to_slot(w3, contract, slot, amount)


@pytest.mark.parametrize(("what", "found"), [("currency", 7), ("deposits", 2 * 7)])
def test_money_that_is_not_there_is_in_the_money_sum(
    run_small: Callable[[], RunRecord], monkeypatch: pytest.MonkeyPatch, what: str, found: int
) -> None:
    """What was paid in stands in both identities: with the accounts, and with the currency held."""
    honest = evidence.write

    def spoil(folder: Path, walk: Walk) -> None:
        honest(folder, walk)
        tamper(walk.market, what, -7)

    monkeypatch.setattr(evidence, "write", spoil)

    record = run_small()

    assert record.money_sum_micro_eur == found
    assert record.energy_gap_wh == 0


def test_an_account_that_did_not_change_as_the_model_says_ends_the_run(
    run_small: Callable[[], RunRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Walk.run

    def spoil(self: Walk, *args: object) -> None:
        honest(self, *args)
        tamper(self.market, "account", 1)

    monkeypatch.setattr(Walk, "run", spoil)

    with pytest.raises(
        ReplayError, match=r"account \d+: changed by -?\d+ µEUR on the chain, -?\d+"
    ):
        run_small()


def test_logs_of_a_chain_that_changes_meanwhile_are_refused(noon: Path) -> None:
    """A reorganisation between two block ranges: half of the logs would be of another chain."""
    from gridbourse.deployment.live_market import found_market

    with session("devnet-child") as w3:
        market, _ = found_market(w3, load(noon, OVERRIDES), {})
        deployment_logs(market)
        honest = w3.eth.get_logs

        def reorganise(query: dict) -> list:
            found = honest(query)
            w3.provider.make_request("anvil_reorg", [2, []])
            return found

        w3.eth.get_logs = reorganise  # type: ignore[method-assign]
        with pytest.raises(NetworkError, match="reorganised while its logs were read"):
            deployment_logs(market)
