"""Scenario: one area's points, profiles, grid and rules, and the periods to replay.

``load`` reads a TOML file and refuses everything that breaks a rule.  Time is UTC
throughout; the time zone only defines the local days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.grid.limits import Limits
from gridbourse.grid.network import Network
from gridbourse.grid.readers import read_grid
from gridbourse.model.call_auction import Band
from gridbourse.model.periods import Mtu
from gridbourse.scenario import crowdsale, sections
from gridbourse.scenario import market_tables as markets
from gridbourse.scenario import seeded_draws as draws
from gridbourse.scenario.crowdsale import CampaignPlan, PanelDay
from gridbourse.scenario.data import Profiles, read_points, read_profiles
from gridbourse.scenario.devices import HomeRules, homes
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.flexibility import FlexibilityTable, flexibility
from gridbourse.scenario.own_readings import ReadingColumns, read_readings
from gridbourse.scenario.resolution import in_longer_periods
from gridbourse.scenario.rules import (
    Aggregator,
    AuctionRules,
    BilateralRules,
    Curtailment,
    MarketRules,
    OrderBookRules,
    OtcContract,
    Parties,
    SettlementRules,
    StrategySpec,
    TariffTable,
)
from gridbourse.scenario.table_context import TableContext
from gridbourse.scenario.values import merged, read_values
from gridbourse.text import one_line

DAY = timedelta(days=1)
PRESETS = Path(__file__).resolve().parents[2] / "scenarios"
CLOSE = 0.6
"""Least similarity of a name for it to be suggested; 1 = the same."""


@dataclass(frozen=True, eq=False)
class Scenario:
    """Inputs of a run; arrays over points are in the order of ``points``.

    points: index point_id, columns node, zone, capacity_w (W, both directions), participant.
    zones: grid zone -> its parent zone, None where the upstream grid begins.
    pandapower_file: the same grid for an independent check; the grid file itself where that is a
    pandapower net, None if the scenario has none.
    tables: rules of each kind of market in use, by its name.
    crowdsale: a campaign for a panel, which the profiles include; panel_days: the panel's energy
    on the mean day of each season.
    curtailment: compensation by the DSO, with the levy in ``tariff``; None: capped points get nothing.
    """

    name: str
    description: str
    folder: Path
    timezone: str
    mtu_seconds: int
    season: str
    first_period: int
    periods: int
    points: pd.DataFrame
    zones: dict[str, str | None]
    profiles: Profiles
    pv_factor: float
    market: MarketRules
    tables: Mapping[str, Any]
    aggregators: tuple[Aggregator, ...]
    tariff: TariffTable
    limits: Limits
    strategy: StrategySpec
    parties: Parties
    homes: HomeRules | None
    flexibility: FlexibilityTable | None
    grid_file: Path
    pandapower_file: Path | None
    crowdsale: CampaignPlan | None = None
    panel_days: Mapping[str, PanelDay] = field(default_factory=dict)
    settlement: SettlementRules = field(default_factory=SettlementRules)
    curtailment: Curtailment | None = None

    @property
    def levy_micro_eur_per_wh(self) -> int:
        """Part of the import and local fees for the compensation of curtailment."""
        return self.curtailment.levy_micro_eur_per_wh if self.curtailment else 0

    @property
    def mtu(self) -> Mtu:
        """The market time unit."""
        return Mtu(self.mtu_seconds)

    @property
    def band(self) -> Band:
        """Price band, feed-in tariff to retail price."""
        low, high = self.tariff.feed_in_micro_eur_per_wh, self.tariff.retail_micro_eur_per_wh
        tick = self.market.tick_micro_eur_per_wh
        return Band(low, tick, (high - low) // tick + 1)

    @property
    def order_book(self) -> OrderBookRules | None:
        """Rules of the order book, None without one."""
        return self.tables.get("order_book")

    @property
    def bilateral(self) -> BilateralRules | None:
        """Rules of the bilateral market, None without one."""
        return self.tables.get("bilateral")

    @property
    def over_the_counter(self) -> tuple[OtcContract, ...]:
        """Contracts agreed in private."""
        return self.tables.get("over_the_counter", ())

    @property
    def aggregator_auction(self) -> AuctionRules | None:
        """Rules of the aggregators' auctions, None without any."""
        return self.tables.get("aggregator_auction")

    @property
    def book_rules(self) -> OrderBookRules:
        """Rules of the order book; ScenarioError where there is none."""
        if self.order_book is None:
            raise ScenarioError(f"{self.name}: order_book is not one of market.kinds")
        return self.order_book

    @property
    def bilateral_rules(self) -> BilateralRules:
        """Rules of the bilateral market; ScenarioError where there is none."""
        if self.bilateral is None:
            raise ScenarioError(f"{self.name}: bilateral is not one of market.kinds")
        return self.bilateral

    @property
    def auction_rules(self) -> AuctionRules:
        """Rules of the aggregators' auctions; ScenarioError where there are none."""
        if self.aggregator_auction is None:
            raise ScenarioError(f"{self.name}: aggregator_auction is not one of market.kinds")
        return self.aggregator_auction

    @property
    def reveal_s(self) -> int:
        """Seconds before gate closure at which the last sealed answer is revealed; 0 where none is sealed."""
        return self.aggregator_auction.reveal_s if self.aggregator_auction else 0

    @property
    def flexibility_table(self) -> FlexibilityTable:
        """Rules of the flexibility market; ScenarioError where there is none."""
        if self.flexibility is None:
            raise ScenarioError(f"{self.name}: has no table flexibility")
        return self.flexibility

    @property
    def opens_s(self) -> int:
        """Seconds before delivery of the first flexibility request, or without one the first trading."""
        return _opens_s(self.flexibility, self.market.gate_closure_s + 1 + self.reveal_s)

    @cached_property
    def producers(self) -> pd.Series:
        """Mask of the points known to produce when the first period opens; index point_id."""
        opens = self.mtu.start(self.first_period) - timedelta(seconds=self.opens_s)
        return self.profiles.producers(self.mtu.period_at(opens))

    @property
    def replayed(self) -> range:
        """The periods to replay."""
        return range(self.first_period, self.first_period + self.periods)

    def periods_of_local_day(self, day: date) -> range:
        """Periods of a calendar day in the scenario's time zone: 23, 24 or 25 hours."""
        return self.mtu.local_day(day, self.timezone)

    def net_w(self, period: int) -> NDArray[np.float64]:
        """True net injection of every point, W."""
        self._require_data(period)
        return self.profiles.net_w(period)

    def net_wh(self, period: int) -> NDArray[np.int64]:
        """True net injection of every point over the period, Wh, rounded half to even."""
        return np.rint(self.net_w(period) * self.mtu.hours).astype(np.int64)

    def forecast_wh(self, period: int) -> NDArray[np.int64]:
        """Forecast of each point: its net energy in the same quarter-hour 24 hours before."""
        return self.net_wh(self.day_before(period))

    def reactive_var(self, period: int) -> NDArray[np.float64]:
        """True reactive injection of every point, var; PV runs at unity power factor."""
        self._require_data(period)
        return -self.profiles.load_var.loc[period].to_numpy()

    def forecast_var(self, period: int) -> NDArray[np.float64]:
        """DSO's forecast of the reactive injection: that of 24 hours before, as for the net energy."""
        return self.reactive_var(self.day_before(period))

    def day_before(self, period: int) -> int:
        """Period 24 hours before, on which forecasts are based."""
        return period - int(DAY.total_seconds()) // self.mtu_seconds

    def _require_data(self, period: int) -> None:
        if period not in self.profiles.periods:
            raise ScenarioError(f"{self.name}: no profile for {_show(self.mtu.start(period))}")


def load(path: Path | str, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Read a scenario file.

    overrides: values that replace the file's, e.g. ``{"pv_factor": 1, "season": "winter",
    "market.pricing": "pay_as_bid"}``; a table is named before the dot, or given as a mapping.
    Raises ScenarioError naming file, key and rule, ReadingError naming file, row, column and rule
    for the user's own readings.
    """
    path = Path(path)
    return read_scenario(path, merged(read_values(path), overrides or {}))


def read_scenario(path: Path, values: Mapping[str, Any], where: str = "") -> Scenario:
    """Scenario of the values of a file, which errors name as `where`; data files are beside `path`."""
    if "areas" in values:
        raise ScenarioError(
            one_line(f"{path}: areas: one area is wanted here, the file has several")
        )
    with Fields(where or str(path), values) as fields:
        return _scenario(path, fields)


def _scenario(path: Path, fields: Fields) -> Scenario:
    folder = path.parent / fields.text("folder")
    mtu = sections.mtu(fields)
    data_mtu = sections.profile_mtu(fields, mtu)
    columns = sections.columns(fields)
    pv_factor = sections.pv_factor(fields, columns)
    season, seasons = sections.seasons(fields)
    profile_file, season_start = seasons[season]
    start = fields.moment("start", None) or season_start
    zones, fees = sections.zones(fields)
    curtailment = sections.curtailment(fields)
    if curtailment is not None:
        fees = sections.levied(fees, curtailment.levy_micro_eur_per_wh)
    tariff = sections.tariff(fields, fees)
    with fields.table("grid") as table:
        grid_file, points_file = folder / table.text("file"), folder / table.text("points")
        second_name = table.text("pandapower", None)
        second_file = folder / second_name if second_name else None
        limits = sections.limits(table)
    strategy, parties = sections.strategy(fields), sections.parties(fields)
    grid = read_grid(grid_file)
    points = read_points(points_file, zones, grid.node_names)
    points["participant"] = [
        draws.share(parties.participation, strategy.seed, "participation", point_id)
        for point_id in points.index
    ]
    Network(grid, points["node"])
    read_season = partial(
        _profiles, columns=columns, points=points, pv_factor=pv_factor, data_mtu=data_mtu, mtu=mtu
    )
    profiles = read_season(folder / profile_file)
    gross = columns is None or columns.gross
    plan = crowdsale.crowdsale(fields, points, mtu, pv_factor, gross)
    panel_days = {}
    if plan is not None:
        for name, (file, _) in seasons.items():
            of_season = profiles if name == season else read_season(folder / file)
            crowdsale.require_bare_roof(fields, plan, of_season)
            of_season = crowdsale.on_roof(plan, folder / file, of_season, points, pv_factor)
            panel_days[name] = plan.panel.mean_day(of_season, mtu)
            profiles = of_season if name == season else profiles
    market = markets.market(fields, tariff)
    periods = fields.integer("periods", least=1)
    if start.timestamp() % mtu.seconds:
        fields.refuse("start", f"{_show(start)} is not the start of a period")
    first = mtu.period_at(start)
    _require_replayable(fields, season, profiles, mtu, range(first, first + periods))
    place = TableContext(market, mtu, points, first - mtu.period_at(season_start), periods)
    tables = markets.tables(fields, place)
    auctions = tables.get("aggregator_auction")
    before_s = market.gate_closure_s + 1 + (auctions.reveal_s if auctions else 0)
    flexible = flexibility(
        fields, folder, points, zones, mtu, mtu.period_at(season_start), first, before_s
    )
    known_before = mtu.period_at(start - timedelta(seconds=_opens_s(flexible, before_s)))
    return Scenario(
        name=fields.text("name"),
        description=fields.text("description"),
        folder=folder,
        timezone=sections.timezone(fields),
        mtu_seconds=mtu.seconds,
        season=season,
        first_period=first,
        periods=periods,
        points=points,
        zones=zones,
        profiles=profiles,
        pv_factor=pv_factor,
        market=market,
        tables=tables,
        aggregators=markets.aggregators(fields, market, points, tariff),
        tariff=tariff,
        limits=limits,
        strategy=strategy,
        parties=parties,
        homes=homes(
            fields, folder, points, profiles.producers(known_before), tariff, strategy.seed
        ),
        flexibility=flexible,
        grid_file=grid_file,
        pandapower_file=second_file or (grid_file if grid.from_pandapower else None),
        crowdsale=plan,
        panel_days=panel_days,
        settlement=sections.settlement(fields),
        curtailment=curtailment,
    )


def _profiles(
    path: Path,
    columns: ReadingColumns | None,
    points: pd.DataFrame,
    pv_factor: float,
    data_mtu: Mtu,
    mtu: Mtu,
) -> Profiles:
    """Profiles of one season's file, in the market's periods."""
    if columns is None:
        profiles = read_profiles(path, points, data_mtu, pv_factor)
    else:
        profiles = read_readings(path, columns, points, data_mtu, pv_factor)
    return in_longer_periods(path, profiles, data_mtu, mtu)


def _opens_s(flexible: FlexibilityTable | None, before_s: int) -> int:
    return before_s if flexible is None else flexible.opens_s(before_s)


def _require_replayable(
    fields: Fields, season: str, profiles: Profiles, mtu: Mtu, replayed: range
) -> None:
    """Require data for every period replayed and, for the forecast, 24 hours earlier."""
    day = int(DAY.total_seconds()) // mtu.seconds
    needed = range(replayed.start - day, replayed.stop)
    held = profiles.periods
    missing = next((period for period in needed if period not in held), None)
    if missing is not None and missing > replayed.start:
        there, start = missing - replayed.start, mtu.start(replayed.start)
        fields.refuse(
            "periods",
            f"{len(replayed)} from {_show(start)} on are more than the {there} that the data of"
            f" season {season} have from there",
        )
    if missing is not None:
        first, last = (_show(mtu.start(int(p))) for p in (held[0], held[-1] + 1))
        fields.refuse(
            "start",
            f"{_show(mtu.start(missing))} is outside of the data of season"
            f" {season}, {first} to {last} (a replay needs the day before it too)",
        )


def _show(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M}Z"
