"""Record of a finished walk, from which reports are made."""

import time
from typing import Any

import pandas as pd

from gridbourse.agents.homes_comparison import account
from gridbourse.chain.deployment.market import Market
from gridbourse.report.record import GAS_COLUMNS, HOME_COLUMNS, TRADE_COLUMNS, RunRecord
from replay.accounting import Accounts
from replay.period_walk import Walk

POOL = "call_auction"


def record_of(
    walk: Walk, accounts: Accounts, network_name: str, money_sum: int, began: float
) -> RunRecord:
    """Record of a finished walk. began: `time.monotonic()` at the start of the run."""
    scenario = walk.scenario
    attribution = scenario.folder / "LICENSE"
    return RunRecord(
        scenario=scenario.name,
        description=scenario.description,
        network=network_name,
        area=scenario.market.area,
        timezone=scenario.timezone,
        mtu_seconds=scenario.mtu_seconds,
        attribution=attribution.read_text().strip() if attribution.exists() else "",
        markets=list(scenario.market.kinds),
        pricing=scenario.market.pricing,
        retail_micro_eur_per_wh=scenario.tariff.retail_micro_eur_per_wh,
        feed_in_micro_eur_per_wh=scenario.tariff.feed_in_micro_eur_per_wh,
        tick_micro_eur_per_wh=scenario.market.tick_micro_eur_per_wh,
        pv_factor=scenario.pv_factor,
        v_min=scenario.limits.v_min_pu,
        v_max=scenario.limits.v_max_pu,
        loading_max=scenario.limits.loading_max,
        periods=pd.DataFrame(accounts.periods).set_index("period"),
        participants=accounts.people,
        orders=pd.concat(accounts.orders, ignore_index=True),
        trades=_trades(walk),
        money=accounts.money_table(),
        gas=_gas(walk.market),
        homes=_homes(walk),
        flexibility=accounts.flexibility_table(),
        verdicts=_verdicts(walk),
        money_sum_micro_eur=money_sum,
        energy_gap_wh=round(accounts.gap_wh),
        readings=walk.market.chain.gas["readings"].units,
        wall_s=round(time.monotonic() - began, 1),
    )


def _homes(walk: Walk) -> pd.DataFrame:
    """Operation of the homes' devices, where there are any."""
    homes = walk.plant.homes
    if homes is None:
        return pd.DataFrame(columns=list(HOME_COLUMNS))
    delivered = {
        period: result.delivery
        for period, result in walk.results.items()
        if result.delivery is not None
    }
    return account(homes, delivered)


def _trades(walk: Walk) -> pd.DataFrame:
    """All trades that the DSO judged one by one."""
    frames = [result.trades for result in walk.results.values() if len(result.trades)]
    if not frames:
        return pd.DataFrame(columns=list(TRADE_COLUMNS))
    return pd.concat(frames, ignore_index=True)[list(TRADE_COLUMNS)]


def _verdicts(walk: Walk) -> list[dict[str, Any]]:
    """Verdicts of the DSO, in order; a call auction's last cap is a fallback when no clearing was left."""
    rows = []
    for period, result in walk.results.items():
        last_caps = [t.verdicts[-1] for t in result.tradings if t.fallback]
        for verdict in result.verdicts:
            rows.append(
                {
                    "period": period,
                    "market": verdict.market or POOL,
                    "round": verdict.round,
                    "kind": "fallback" if verdict in last_caps else verdict.kind,
                    "explanation": list(verdict.explanation),
                }
            )
    return rows


def _gas(market: Market) -> pd.DataFrame:
    """Gas by step."""
    rows = [(step, use.transactions, use.gas, use.units) for step, use in market.chain.gas.items()]
    return pd.DataFrame(rows, columns=list(GAS_COLUMNS))
