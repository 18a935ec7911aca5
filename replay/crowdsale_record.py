"""Campaign in the record: use of its money, and cost of each period without it.

**Without the project** the owner's meter shows its consumption alone. Where the panel changed what was
ordered or delivered, the model settles that consumption as bought in the market at the period's
price, all of it and to the watt-hour, so that savings from cheap local energy are not attributed to the
panel; in a period without trade the supplier sells it. One household moves no price. Where the
panel neither produces nor was expected to, nothing differs.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.deployment.participants import zone_prices
from gridbourse.model.settlement import Prices, settle, without_market
from gridbourse.report.record import RunRecord
from replay.crowdsale import CampaignRun
from replay.period_walk import PeriodResult, ReplayError

Ints = NDArray[np.int64]


def campaign_record(
    run: CampaignRun, results: Mapping[int, PeriodResult], record: RunRecord
) -> dict[str, Any]:
    """`RunRecord.crowdsale`; record: of the same run, for the price of each period."""
    plan, account = run.plan, run.campaign.account()
    stakes = {**plan.funders, **plan.public}
    return {
        "name": plan.name,
        "phase": run.campaign.phase(),
        "states": [list(state) for state in run.states],
        "point_id": plan.panel.point,
        "watt_peak": plan.panel.watt_peak,
        "form": plan.form,
        "value": plan.value,
        "term_periods": plan.term_periods,
        "goal_micro_eur": plan.goal,
        "milestones": dict(plan.milestones),
        "funded_micro_eur": account.funded,
        "released_micro_eur": account.released,
        "withdrawn_micro_eur": account.withdrawn,
        "due_micro_eur": run.campaign.due(),
        "collected_micro_eur": account.collected,
        "holders": [
            {
                "name": name,
                "public": name in plan.public,
                "stake_micro_eur": stake,
                "claimed_micro_eur": run.claims.get(name, 0),
            }
            for name, stake in stakes.items()
        ],
        "panel_days": {season: list(day) for season, day in run.scenario.panel_days.items()},
        "income": [
            {"period": period} | _income(run, result, _price(record, period))
            for period, result in results.items()
        ],
    }


def _price(record: RunRecord, period: int) -> int | None:
    price = record.periods["price_micro_eur_per_wh"].loc[period]
    return None if pd.isna(price) else int(price)


def _income(run: CampaignRun, result: PeriodResult, price: int | None) -> dict[str, int]:
    """Energy of the panel in a period, and the owner's bill with and without it."""
    if result.metered_wh is None:
        raise ReplayError(f"period {result.period} was not delivered")
    scenario, point = run.scenario, run.plan.panel.point
    row = scenario.points.index.get_loc(point)
    prices = zone_prices(scenario, str(scenario.points.at[point, "zone"]))
    export_cap = int(result.caps.export_cap_wh[row])
    load = max(_load_wh(run, result.period), -int(result.caps.import_cap_wh[row]))
    metered, export = int(result.metered_wh[row]), run.export_of(result)
    produced = metered - load
    used = min(produced, -load)
    paid = sum(trading.payments_micro_eur.get(run.number, 0) for trading in result.tradings)
    bill = paid + _delta(metered, int(result.contracts_wh[row]), export_cap, prices)
    touched = produced > 0 or _expected_w(run, result.period) > 0
    contract = load if price is not None else 0
    without = contract * (price or 0) + _delta(load, contract, export_cap, prices)
    return {
        "produced_wh": produced,
        "used_wh": used,
        "exported_wh": export.wh,
        "feed_in_micro_eur": export.wh * export.feed_in,
        "premium_micro_eur": export.premium or 0,
        "avoided_micro_eur": used * without // load if load else 0,
        "bill_micro_eur": bill,
        "without_micro_eur": without if touched else bill,
        "alone_micro_eur": int(without_market(_one(load), prices).delta[0]),
    }


def _load_wh(run: CampaignRun, period: int) -> int:
    """Consumption as a negative reading: the whole reading of the roof's meter without the panel."""
    load_w = _power(run.scenario.profiles.load_w, run, period)
    return round(-load_w * run.scenario.mtu.hours)


def _expected_w(run: CampaignRun, period: int) -> float:
    """Expected production of the panel: its production 24 hours before."""
    return _power(run.scenario.profiles.pv_w, run, run.scenario.day_before(period))


def _power(frame: pd.DataFrame, run: CampaignRun, period: int) -> float:
    return float(frame[run.plan.panel.point].loc[period])


def _delta(reading: int, contract: int, export_cap: int, prices: Prices) -> int:
    return int(settle(_one(reading), _one(contract), _one(export_cap), prices).delta[0])


def _one(value: int) -> Ints:
    return np.array([value], dtype=np.int64)
