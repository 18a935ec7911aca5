"""Who decides before delivery does not know what is delivered: hindsight changes no decision.

Every preset is replayed twice. The second time everything that is measured from the gate closure of the
last period on is another: load, reactive power, production, who produces at all. What participants order,
what they trade, what flexibility is asked for and the DSO's verdicts with their caps have to be the same.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.chain.node.connect import session
from gridbourse.model.periods import Mtu
from gridbourse.scenario import scenario as reading
from gridbourse.scenario.data import Profiles
from gridbourse.scenario.scenario import load
from replay.period_walk import Walk
from replay.run import replay

PERIODS = 2
START = {
    "rural3": "2016-07-24T10:45Z",
    "elecbay": "2016-07-24T10:45Z",
    "piclo": "2016-07-24T11:00Z",
    "smart-watts": "2016-07-24T10:30Z",
    "trader": "2016-07-24T10:30Z",
}
FEWER = 0.25
"""Share of the connection points in the market: fewer, so that the test is quick."""
QUICK = ("rural3", "trader")
LONG = [
    pytest.param(preset, marks=pytest.mark.assurance) for preset in START if preset not in QUICK
]
SEEDS = {"elecbay": 58, "smart-watts": 80, "trader": 22}
"""With which the aggregators, the buyers of flexibility and the parties of a contract are among them."""
MOST_W = 5_000


@pytest.mark.parametrize("preset", [*QUICK, *LONG])
def test_nobody_knows_what_comes_after_gate_closure(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = _decided(preset, tmp_path / "as it is")
    monkeypatch.setattr(reading, "_profiles", _another_future(reading._profiles, _cut(preset)))
    other = _decided(preset, tmp_path / "another future")

    assert decided["delivered_wh"] != other["delivered_wh"], "the future is another"
    assert decided["forecast_wh"] == other["forecast_wh"]
    assert sum(decided["contracts_wh"], 0) or any(decided["contracts_wh"]), "something was traded"
    for what in decided.keys() - {"delivered_wh"}:
        assert decided[what] == other[what], what


def _cut(preset: str) -> int:
    """The period in which the gate of the last one replayed closes: nobody knows it whole."""
    scenario = load(CHECKOUT / "scenarios" / f"{preset}.toml", _overrides(preset))
    gate_s = scenario.replayed[-1] * scenario.mtu_seconds - scenario.market.gate_closure_s
    return gate_s // scenario.mtu_seconds


def _overrides(preset: str) -> dict[str, Any]:
    chosen: dict[str, Any] = {"strategy.seed": SEEDS[preset]} if preset in SEEDS else {}
    return chosen | {
        "start": START[preset],
        "periods": PERIODS,
        "parties.participation": FEWER,
    }


def _another_future(honest: Callable[..., Profiles], cut: int) -> Callable[..., Profiles]:
    """The reader of profiles, with everything from the period `cut` on another."""

    def read(path: Path, mtu: Mtu, **how: Any) -> Profiles:
        known = honest(path, mtu=mtu, **how)
        random = np.random.default_rng(11)
        after = known.periods >= cut

        def changed(frame: pd.DataFrame, low: float) -> pd.DataFrame:
            frame = frame.copy()
            frame.loc[after] = random.uniform(low, MOST_W, (after.sum(), frame.shape[1]))
            return frame

        return replace(
            known,
            load_w=changed(known.load_w, 0),
            load_var=changed(known.load_var, -MOST_W),
            pv_w=changed(known.pv_w, 0),
        )

    return read


def _decided(preset: str, out: Path) -> dict[str, Any]:
    """All that was decided about the last period before its delivery, and what was then delivered."""
    overrides = _overrides(preset)
    path = CHECKOUT / "scenarios" / f"{preset}.toml"
    scenario = load(path, overrides)
    with session("devnet-child") as w3:
        walk: Walk = replay(
            w3, "test", scenario, {"file": str(path), "overrides": overrides}, out
        ).walk
    period = scenario.replayed[-1]
    result = walk.results[period]
    assert result.delivery is not None
    return {
        "delivered_wh": result.delivery.readings_wh.tolist(),
        "forecast_wh": walk.plant.scenario.forecast_wh(period).tolist(),
        "orders": result.orders.to_dict("records"),
        "trades": result.trades.to_dict("records"),
        "contracts_wh": result.contracts_wh.tolist(),
        "verdicts": [verdict.report for verdict in result.verdicts],
        "export_caps_wh": result.caps.export_cap_wh.tolist(),
        "import_caps_wh": result.caps.import_cap_wh.tolist(),
        "flexibility": _flexibility(walk, period),
    }


def _flexibility(walk: Walk, period: int) -> list[Any]:
    if walk.flexibility is None:
        return []
    session_ = walk.flexibility.sessions[period]
    return [session_.needed, session_.asked, session_.declared_wh]
