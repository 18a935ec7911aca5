"""Table [flexibility] of a scenario: the products, their buyers, and the sellers' prices.

The DSO buys what its power flow shows to be needed. The TSO requests by a series in a file. Participants
buy for themselves. Sellers are homes with devices, by the schedules they declare, and producers that allow
curtailment, by the meter. Source: [Talari-nd] §3.2, [Khajeh2022] §2.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pandas as pd

from gridbourse.model.call_auction import Band
from gridbourse.model.errors import ModelError
from gridbourse.model.flexibility.market import LOT_REVEAL_SECONDS, lead_seconds
from gridbourse.model.flexibility.products import BASELINES, PRODUCTS, Product, Way
from gridbourse.model.periods import Mtu
from gridbourse.model.trade import MOST_WH
from gridbourse.scenario.data import read_rows, require, utc_times
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.fields import Fields
from gridbourse.tables import place_word

WAYS: Final = {"up": Way.UP, "down": Way.DOWN}
DIRECTIONS: Final = {**WAYS, "both": Way.BOTH}
METHODS: Final = {method.name: number for number, method in BASELINES.items()}
"""Baseline methods by name, as the chain numbers them."""
MOST_PRICE: Final = 65_535
MOST_TICKS: Final = 256
MOST_PERCENT: Final = 65_535
DSO, TSO = "dso", "tso"
CALL_COLUMNS: Final = ("time", "direction", "wh", "ceiling_micro_eur_per_wh")


@dataclass(frozen=True)
class PlannedRequest:
    """Flexibility request in one period. buyer: "tso" or a connection point; product: its number."""

    buyer: str
    period: int
    product: int
    way: Way
    wh: int
    tick: int
    zone: str


@dataclass(frozen=True)
class DsoBuys:
    """products: numbers, in the order in which the DSO requests them: the next for what is still missing.

    reserve: quantity above the need, as a share of it: sellers are not where the least is needed, and not
    all deliver.
    """

    products: tuple[int, ...]
    tick: int
    reserve: float


@dataclass(frozen=True)
class Curtailment:
    """Producers without devices: share that offers, and each one's price per Wh, drawn once in low..high.

    most: part of its expected injection that a producer offers.
    """

    share: float
    low_micro_eur_per_wh: int
    high_micro_eur_per_wh: int
    most: float


@dataclass(frozen=True)
class FlexibilityTable:
    """Content of [flexibility].

    band: prices of flexibility; products: by number. markup: the most a home asks above its cost, each
    home's drawn once. calls: of the TSO and of participants.
    """

    band: Band
    products: tuple[Product, ...]
    pay_as_bid: bool
    dso: DsoBuys | None
    calls: tuple[PlannedRequest, ...]
    curtailment: Curtailment | None
    markup_micro_eur_per_wh: int
    deposit_micro_eur: int

    @property
    def steps(self) -> int:
        """Number of requests in a period: one for each of the DSO's products, and one for all the others."""
        return (len(self.dso.products) if self.dso else 0) + bool(self.calls)

    def opens_s(self, before_s: int) -> int:
        """Seconds before delivery at which the first request is posted; the last is closed `before_s`
        before delivery, or as much earlier as its lot and its activation take."""
        used = {*(self.dso.products if self.dso else ()), *(call.product for call in self.calls)}
        leads = (lead_seconds(self.products[n], LOT_REVEAL_SECONDS) for n in used)
        latest = max(leads, default=0)
        return max(before_s, latest) + self.steps

    def calls_in(self, period: int) -> list[PlannedRequest]:
        """Requests of TSO and participants in a period."""
        return [call for call in self.calls if call.period == period]


def flexibility(
    fields: Fields, folder: Path, points: pd.DataFrame, zones: Mapping[str, str | None], mtu: Mtu,
    first_period: int, start: int, before_s: int,
) -> FlexibilityTable | None:  # fmt: skip
    """Table [flexibility], None where there is none.

    points: as in a scenario; first_period: of the season, from which purchases count; start: of the
    replay; before_s: seconds before delivery at which everything else is traded. Raises ScenarioError.
    """
    table = fields.table_or_none("flexibility")
    if table is None:
        return None
    with table:
        band = Band(
            0,
            table.integer("tick_micro_eur_per_wh", least=1, most=MOST_PRICE),
            table.integer("ticks", least=2, most=MOST_TICKS),
        )
        if band.price(band.ticks - 1) > MOST_PRICE:
            table.refuse(
                "ticks", f"the highest price {band.price(band.ticks - 1)} is above {MOST_PRICE}"
            )
        products = _products(table, mtu)
        reader = _Reader(band, tuple(products), points, zones, mtu, start)
        found = FlexibilityTable(
            band=band,
            products=tuple(products.values()),
            pay_as_bid=table.choice("pricing", "uniform", "pay_as_bid") == "pay_as_bid",
            dso=reader.dso(table),
            calls=(
                *reader.series(table, folder, products),
                *reader.purchases(table, first_period, products),
            ),
            curtailment=_curtailment(table),
            markup_micro_eur_per_wh=table.integer(
                "markup_micro_eur_per_wh", most=MOST_PRICE, default=0
            ),
            deposit_micro_eur=table.integer("deposit_micro_eur", most=2**60),
        )
        if not found.steps:
            table.refuse("dso", "nobody buys: there is neither dso, nor tso, nor purchases")
        if (opens := found.opens_s(before_s)) > mtu.seconds + before_s - 1:
            table.refuse(
                "products",
                f"need {opens} s before delivery, when the period before is not closed yet",
            )
        return found


def _products(table: Fields, mtu: Mtu) -> dict[str, Product]:
    shipped = {product.name: product for product in PRODUCTS}
    found = {}
    for name, inner in table.tables("products").items():
        table.require_label(f"products.{name}", name)
        with inner:
            like = shipped[inner.choice("like", *shipped, default=name)]
            method = like.method
            if inner.has("method"):
                method = METHODS[inner.choice("method", *METHODS)]
            product = replace(
                like,
                name=name,
                method=method,
                directions=DIRECTIONS[
                    inner.choice("directions", *DIRECTIONS, default=like.directions.name.lower())
                ],
                minimum_bid_w=inner.integer("minimum_bid_w", most=10**9, default=like.minimum_bid_w),
                penalty_percent=inner.integer(
                    "penalty_percent", most=MOST_PERCENT, default=like.penalty_percent
                ),
                compensation_micro_eur_per_wh=inner.integer(
                    "compensation_micro_eur_per_wh", most=MOST_PRICE,
                    default=like.compensation_micro_eur_per_wh,
                ),
            )  # fmt: skip
            if not product.metered(mtu.seconds):
                inner.refuse(
                    "like", f"{like.name} needs evidence that meters of {mtu.seconds} s do not give"
                )
            try:
                product.require_sound(mtu.seconds)
            except ModelError as error:
                inner.refuse("like", str(error))
            found[name] = product
    return found


def _curtailment(table: Fields) -> Curtailment | None:
    inner = table.table_or_none("curtailment")
    if inner is None:
        return None
    with inner:
        low, high = inner.integers("cost_micro_eur_per_wh", 2, most=MOST_PRICE)
        if low > high:
            inner.refuse("cost_micro_eur_per_wh", f"{low} is above {high}")
        return Curtailment(inner.number("share", most=1), low, high, inner.number("most", most=1))


@dataclass(frozen=True)
class _Reader:
    """Reader of the buyers' requests."""

    band: Band
    names: tuple[str, ...]
    points: pd.DataFrame
    zones: Mapping[str, str | None]
    mtu: Mtu
    start: int

    def dso(self, table: Fields) -> DsoBuys | None:
        inner = table.table_or_none("dso")
        if inner is None:
            return None
        with inner:
            named = inner.choices("products", *self.names)
            reserve = inner.number("reserve", most=1, default=0.0)
            numbers = tuple(self.names.index(name) for name in named)
            return DsoBuys(numbers, self._tick(inner), reserve)

    def series(
        self, table: Fields, folder: Path, products: Mapping[str, Product]
    ) -> list[PlannedRequest]:
        """Requests of the TSO, from a file, as far as they are in the replay or after it."""
        inner = table.table_or_none("tso")
        if inner is None:
            return []
        with inner:
            named = {way: inner.choice(way, *self.names) for way in WAYS if inner.has(way)}
            for way, name in named.items():
                if not WAYS[way] & products[name].directions:
                    inner.refuse(way, f"{name} does not go {way}")
            if not named:
                inner.refuse("up", "name the product of calls up, of calls down, or of both")
            zone, path = self._zone(inner), folder / inner.text("calls")
            return [
                self._call(row, named, zone, f"{path}: {place_word(path.name)} {row['place']}")
                for row in _read_calls(path)
            ]

    def _call(
        self, row: Mapping[str, Any], named: Mapping[str, str], zone: str, where: str
    ) -> PlannedRequest:
        seconds = int(row["time"].timestamp())
        if seconds % self.mtu.seconds:
            raise ScenarioError(f"{where}: time: is not the start of a period")
        direction, wh, price = row["direction"], row["wh"], row["ceiling_micro_eur_per_wh"]
        if direction not in named:
            told = ", ".join(named)
            raise ScenarioError(f"{where}: direction: {direction!r} is not one of {told}")
        if not 1 <= wh <= MOST_WH:
            raise ScenarioError(f"{where}: wh: {wh} is not in 1..{MOST_WH}")
        most = self.band.price(self.band.ticks - 1)
        if not 0 <= price <= most or price % self.band.tick_micro_eur_per_wh:
            raise ScenarioError(
                f"{where}: ceiling_micro_eur_per_wh: {price} is not on a tick of 0..{most}"
            )
        product, tick = self.names.index(named[direction]), self.band.tick_of(price)
        return PlannedRequest(
            TSO, seconds // self.mtu.seconds, product, WAYS[direction], wh, tick, zone
        )

    def purchases(
        self, table: Fields, first_period: int, products: Mapping[str, Product]
    ) -> list[PlannedRequest]:
        """Requests of participants: in a number of periods, counted from the season's start."""
        if not table.has("purchases"):
            return []
        found = []
        for inner in table.list_of_tables("purchases"):
            with inner:
                point = inner.text("point")
                if point not in self.points.index or not self.points.at[point, "participant"]:
                    inner.refuse("point", f"{point!r} is not a connection point that takes part")
                name = inner.choice("product", *self.names)
                way = WAYS[inner.choice("direction", *WAYS)]
                if not way & products[name].directions:
                    inner.refuse("direction", f"{way.name.lower()} is not one of the product's")
                wh, tick = inner.integer("wh", least=1, most=MOST_WH), self._tick(inner)
                zone = self._zone(inner)
                first, count = inner.integer("first"), inner.integer("count", least=1)
                found += [
                    PlannedRequest(
                        point,
                        first_period + first + at,
                        self.names.index(name),
                        way,
                        wh,
                        tick,
                        zone,
                    )
                    for at in range(count)
                ]
        return found

    def _zone(self, inner: Fields) -> str:
        """Zone of the request; by default everywhere, the one zone above all others."""
        top = [name for name, parent in self.zones.items() if parent is None]
        zone: str = inner.text("zone", top[0])
        if zone not in self.zones:
            inner.refuse("zone", f"{zone!r} is not a grid zone")
        return zone

    def _tick(self, inner: Fields) -> int:
        price = inner.integer("ceiling_micro_eur_per_wh", most=self.band.price(self.band.ticks - 1))
        if price % self.band.tick_micro_eur_per_wh:
            inner.refuse("ceiling_micro_eur_per_wh", f"{price} is not on a tick of the price band")
        return self.band.tick_of(price)


def _read_calls(path: Path) -> list[dict[str, Any]]:
    """Rows of a file with CALL_COLUMNS; times with their offset, whole numbers; place: of the row."""
    table = read_rows(path, CALL_COLUMNS)
    time = utc_times(path, table, "time")
    for column in ("wh", "ceiling_micro_eur_per_wh"):
        whole = table[column].astype("string").str.fullmatch(r"[0-9]{1,12}")
        require(path, table, column, whole, "is not a whole number")
    return [
        {
            "place": place,
            "time": moment,
            "direction": direction,
            "wh": int(wh),
            "ceiling_micro_eur_per_wh": int(price),
        }
        for place, moment, direction, wh, price in zip(
            table.index,
            time,
            table["direction"].fillna(""),
            table["wh"],
            table["ceiling_micro_eur_per_wh"],
            strict=True,
        )
    ]
