"""Campaign of a scenario: ``[crowdsale]``, the panel it pays for, and the panel's energy on a day.

The panel goes on the roof of a participant that has none. Its profile is that of a panel in the
scenario's own data, scaled by installed power.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from gridbourse.model.periods import Mtu
from gridbourse.scenario.data import Profiles, require_capacity
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.rules import DAY_S

PERMILLE: Final = 1000
OWNER: Final = "owner"
MAX_MONEY: Final = 2**56 - 1
"""Greatest amount in the campaign's contract, µEUR."""
MAX_RENT: Final = 2**40 - 1
MAX_TERM: Final = 2**32 - 1
MAX_MILESTONES: Final = 16
DAYS_A_YEAR: Final = 365


class PanelDay(NamedTuple):
    """Energy of the panel on the mean day of a season, Wh: used behind the meter, or exported."""

    produced_wh: float
    used_wh: float
    exported_wh: float


@dataclass(frozen=True)
class Panel:
    """watt_peak: installed; its profile is that of profile_of, where profile_watt_peak is installed."""

    point: str
    watt_peak: int
    profile_of: str
    profile_watt_peak: int

    def added_to(self, profiles: Profiles, pv_factor: float) -> Profiles:
        """Profiles with the panel; pv_factor is of the other panels, not of this one."""
        scale = self.watt_peak / self.profile_watt_peak / pv_factor
        produced_w = profiles.pv_w[self.profile_of] * scale
        return replace(profiles, pv_w=profiles.pv_w.assign(**{self.point: produced_w}))

    def mean_day(self, profiles: Profiles, mtu: Mtu) -> PanelDay:
        """Mean day over all the data; profiles: with the panel."""
        produced = profiles.pv_w[self.point].to_numpy() * mtu.hours
        used = np.minimum(produced, profiles.load_w[self.point].to_numpy() * mtu.hours)
        days = len(produced) * mtu.seconds / DAY_S
        return PanelDay(*(float(wh.sum()) / days for wh in (produced, used, produced - used)))


@dataclass(frozen=True)
class CampaignPlan:
    """Equity campaign that succeeds; money in µEUR.

    form, value: "profit share" in permille of the export income, or "rent" in µEUR a delivery
    period; offered_by: "owner", or a participant among the funders whose offer the owner accepts.
    funders: by connection point; public: by name, funders that are no participants. They fill the
    cap. milestones: amount that each releases; the last one also the amount above the goal.
    """

    name: str
    panel: Panel
    goal: int
    minimum: int
    maximum: int
    form: str
    value: int
    offered_by: str
    funding_s: int
    building_s: int
    term_periods: int
    milestones: Mapping[str, int]
    funders: Mapping[str, int]
    public: Mapping[str, int]

    @property
    def cap(self) -> int:
        """Total given by all funders."""
        return sum(self.funders.values()) + sum(self.public.values())


def mean_year(days: Mapping[str, PanelDay]) -> PanelDay | None:
    """365 times the mean of the seasons' mean days, each with equal weight; None with a single season.

    A summer and a winter thus stand for the year; spring and autumn are taken to lie halfway.
    """
    if len(days) < 2:
        return None
    return PanelDay(*(DAYS_A_YEAR * sum(of) / len(days) for of in zip(*days.values(), strict=True)))


def crowdsale(
    fields: Fields, points: pd.DataFrame, mtu: Mtu, pv_factor: float, gross: bool
) -> CampaignPlan | None:
    """Plan of ``[crowdsale]``, None without one; points: as in a scenario.

    gross: True where the data hold production and consumption separately.
    """
    table = fields.table_or_none("crowdsale")
    if table is None:
        return None
    with table:
        panel = _panel(table, points)
        if not gross:
            table.refuse("profile_of", "net readings do not tell what a panel produces")
        if pv_factor == 0:
            table.refuse("profile_of", "pv_factor 0 leaves no profile to scale")
        price = table.integer("price_micro_eur_per_watt_peak", least=1, most=MAX_MONEY)
        goal = panel.watt_peak * price
        if goal > MAX_MONEY:
            table.refuse("price_micro_eur_per_watt_peak", f"makes a goal above {MAX_MONEY} µEUR")
        form, value = _agreement(table, mtu)
        term_s = table.integer("term_days", least=1) * DAY_S
        if term_s // mtu.seconds > MAX_TERM:
            table.refuse("term_days", f"is more than {MAX_TERM} periods")
        plan = CampaignPlan(
            name=table.text("name"),
            panel=panel,
            goal=goal,
            minimum=table.integer("minimum_micro_eur", least=1, most=MAX_MONEY),
            maximum=table.integer("maximum_micro_eur", least=1, most=MAX_MONEY),
            form=form,
            value=value,
            offered_by=table.text("offered_by", OWNER),
            funding_s=table.integer("funding_days", least=1, most=3650) * DAY_S,
            building_s=table.integer("building_days", least=1, most=3650) * DAY_S,
            term_periods=term_s // mtu.seconds,
            milestones=_milestones(table, goal),
            funders=_amounts(table, "funders"),
            public=_amounts(table, "public"),
        )
        _require_funded(table, plan, points)
        return plan


def on_roof(plan: CampaignPlan, path: Path, profiles: Profiles, points: pd.DataFrame,
            pv_factor: float) -> Profiles:  # fmt: skip
    """Profiles with the panel; ScenarioError where it exceeds the connection's capacity."""
    with_panel = plan.panel.added_to(profiles, pv_factor)
    require_capacity(path, with_panel, points, pv_factor)
    return with_panel


def require_bare_roof(fields: Fields, plan: CampaignPlan, profiles: Profiles) -> None:
    """Refuse a roof whose meter shows other production: the export would not be the panel's alone."""
    produced = profiles.pv_w.max()
    if produced[plan.panel.point] > 0:
        fields.refuse("crowdsale.point", f"{plan.panel.point!r} has PV already")
    if produced[plan.panel.profile_of] <= 0:
        fields.refuse("crowdsale.profile_of", f"{plan.panel.profile_of!r} has no PV to scale")


def _panel(table: Fields, points: pd.DataFrame) -> Panel:
    point, profile_of = table.text("point"), table.text("profile_of")
    for key, name in (("point", point), ("profile_of", profile_of)):
        if name not in points.index:
            table.refuse(key, f"{name!r} is not a connection point")
    if not points.at[point, "participant"]:
        table.refuse("point", f"{point!r} does not take part in the market")
    return Panel(
        point,
        table.integer("watt_peak", least=1, most=10_000_000),
        profile_of,
        table.integer("profile_watt_peak", least=1, most=10_000_000),
    )


def _agreement(table: Fields, mtu: Mtu) -> tuple[str, int]:
    """(form, value): a part of the income or a rent, whichever is given."""
    keys = ("profit_share_permille", "rent_micro_eur_per_day")
    given = [key for key in keys if table.has(key)]
    if len(given) != 1:
        table.refuse(keys[0], f"one of {keys[0]} and {keys[1]} must be there")
    if given[0] == keys[0]:
        return "profit share", table.integer(keys[0], least=1, most=PERMILLE)
    per_day, periods = table.integer(keys[1], least=1), DAY_S // mtu.seconds
    if per_day % periods or per_day // periods > MAX_RENT:
        table.refuse(
            keys[1], f"{per_day} is not a whole number of µEUR in each of {periods} periods"
        )
    return "rent", per_day // periods


def _milestones(table: Fields, goal: int) -> dict[str, int]:
    """µEUR by name, from permille of the goal; the rounding remainder goes with the last."""
    with table.table("milestones") as names:
        shares = {name: names.integer(name, least=1, most=PERMILLE) for name in names.unread()}
    if not 1 <= len(shares) <= MAX_MILESTONES:
        table.refuse("milestones", f"must name 1 to {MAX_MILESTONES} milestones")
    if (total := sum(shares.values())) != PERMILLE:
        table.refuse("milestones", f"the permille of the goal sum to {total}, not to {PERMILLE}")
    amounts = {name: goal * share // PERMILLE for name, share in shares.items()}
    last = list(amounts)[-1]
    amounts[last] += goal - sum(amounts.values())
    return amounts


def _amounts(table: Fields, key: str) -> dict[str, int]:
    """µEUR by funder; none without the table."""
    inner = table.table_or_none(key)
    if inner is None:
        return {}
    with inner:
        return {name: inner.integer(name, least=1, most=MAX_MONEY) for name in inner.unread()}


def _require_funded(table: Fields, plan: CampaignPlan, points: pd.DataFrame) -> None:
    """Refuse a campaign that would fail: a replay shows the income of a panel, so it must succeed."""
    for name in plan.funders:
        if name not in points.index:
            table.refuse(f"funders.{name}", "is not a connection point")
        if not points.at[name, "participant"]:
            table.refuse(f"funders.{name}", "does not take part in the market")
    for name in plan.public:
        if name in points.index:
            table.refuse(f"public.{name}", "is a connection point: that is one of the funders")
    if plan.maximum < plan.minimum:
        table.refuse("maximum_micro_eur", f"{plan.maximum} is below the minimum {plan.minimum}")
    for key, amounts in (("funders", plan.funders), ("public", plan.public)):
        for name, amount in amounts.items():
            if not plan.minimum <= amount <= plan.maximum:
                table.refuse(f"{key}.{name}", f"{amount} is not in {plan.minimum}..{plan.maximum}")
    if not plan.goal <= plan.cap <= MAX_MONEY:
        table.refuse(
            "funders", f"all together give {plan.cap}, not the goal of {plan.goal} µEUR or more"
        )
    if plan.offered_by not in (OWNER, *plan.funders):
        table.refuse("offered_by", f"{plan.offered_by!r} is neither owner nor one of the funders")
