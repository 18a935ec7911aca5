"""Offers of a community to the balancing market, market prices and metered deliveries, from a folder.

terms.toml      product, market time unit, how proceeds are shared
prices.csv      time, area, up_eur_per_mwh, down_eur_per_mwh: paid by the market to the party that delivers
offers.csv      bid, time, area, direction, site, member, wh, price_eur_per_mwh: a row per member
deliveries.csv  bid, member, baseline_wh, metered_wh: a row per member that answered

Every row is judged as meter readings are; a bid that the market would not take is no fault of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, TypeVar

import pandas as pd

from gridbourse.metering.errors import ReadingError, Refusal, Rule
from gridbourse.metering.local_time import to_utc
from gridbourse.metering.sources import Columns, Raw, read_table
from gridbourse.model.caps import NO_CAP
from gridbourse.model.flexibility.baseline.delivery import Direction
from gridbourse.model.periods import Mtu
from gridbourse.scenario import sections
from gridbourse.scenario.data import NODE_COLUMNS, POINT_COLUMNS, POINT_NOTES
from gridbourse.scenario.fields import Fields
from gridbourse.scheduling.external_balancing import (
    DEMAND_TURN_UP,
    AreasPooled,
    BalancingProduct,
    BalancingTerms,
    Bid,
    MemberOffer,
    Response,
    Sharing,
)

DIRECTIONS: Final = {"up": Direction.UP, "down": Direction.DOWN}
PRICES: Final = ("time", "area", "up_eur_per_mwh", "down_eur_per_mwh")
OFFERS: Final = (
    "bid", "time", "area", "direction", "site", "member", "wh", "price_eur_per_mwh",
)  # fmt: skip
DELIVERIES: Final = ("bid", "member", "baseline_wh", "metered_wh")
MOST_EUR_PER_MWH: Final = 1_000_000
T = TypeVar("T")

Prices = Mapping[tuple[int, str, Direction], int]
"""(period, area, direction) -> µEUR per MWh."""


@dataclass(frozen=True)
class Refused:
    """Bid that breaks a rule of every bid."""

    name: str
    reason: str


@dataclass(frozen=True)
class Balancing:
    """Content of a folder.  responses: bid -> member -> response."""

    product: BalancingProduct
    mtu: Mtu
    terms: BalancingTerms
    prices: Prices
    bids: tuple[Bid, ...]
    refused: tuple[Refused, ...]
    responses: Mapping[str, Mapping[str, Response]]


def read_balancing(folder: Path) -> Balancing:
    """Reads and judges a folder.

    Raises ScenarioError for terms.toml, ReadingError naming file, row, column and rule for the rest.
    """
    path = folder / "terms.toml"
    with Fields.of_file(path) as fields:
        mtu, product, terms = sections.mtu(fields), _product(fields), _terms(fields)
        points = fields.text("points", None)
    flexible_w = None if points is None else _flexible(folder / points)
    bids, refused = _bids(folder / "offers.csv", mtu, flexible_w)
    prices = read_prices(folder / "prices.csv", mtu)
    _require_priced(folder / "offers.csv", bids, prices, mtu)
    known = {bid.name: [offer.member for offer in bid.offers] for bid in bids}
    unsold = {each.name for each in refused}
    responses = _responses(folder / "deliveries.csv", known, unsold)
    return Balancing(product, mtu, terms, prices, tuple(bids), tuple(refused), responses)


def read_prices(path: Path, mtu: Mtu) -> Prices:
    """Price series of the market.  Raises ReadingError naming file, row, column and rule."""
    sheet = _Sheet.read(path, PRICES)
    periods = sheet.periods(mtu)
    areas = sheet.words("area")
    found: dict[tuple[int, str, Direction], int] = {}
    for name, direction in DIRECTIONS.items():
        for row, price in sheet.cells(f"{name}_eur_per_mwh", _micro_eur):
            key = (periods[row], areas[row], direction)
            if key in found:
                sheet.refuse(
                    row, "time", Rule.DUPLICATE, f"{areas[row]} has two prices of a period"
                )
            found[key] = price
    return found


def _product(fields: Fields) -> BalancingProduct:
    table = fields.table_or_none("product")
    if table is None:
        return DEMAND_TURN_UP
    with table:
        return BalancingProduct(
            table.text("name"),
            table.integer("minimum_bid_w"),
            table.integer("minimum_site_w"),
            table.integer("penalty_percent"),
        )


def _terms(fields: Fields) -> BalancingTerms:
    with fields.table("sharing") as table:
        rule = table.choice("rule", *(sharing.value for sharing in Sharing))
        account = table.text("account")
        commission = table.integer("commission_permille", most=1000, default=0)
        return BalancingTerms(Sharing(rule), account, commission)


def _flexible(path: Path) -> dict[str, int]:
    """Member -> flexible W, of a file of connection points with these columns."""
    others = (*POINT_COLUMNS, *NODE_COLUMNS, *POINT_NOTES)
    sheet = _Sheet.read(path, ("member", "flexible_w"), others)
    members = sheet.words("member")
    found: dict[str, int] = {}
    for row, watts in sheet.cells("flexible_w", _whole):
        if watts < 0:
            sheet.refuse(row, "flexible_w", Rule.SIGN, f"{watts} must not be negative")
        found[members[row]] = found.get(members[row], 0) + watts
    return found


def _bids(
    path: Path, mtu: Mtu, flexible_w: Mapping[str, int] | None
) -> tuple[list[Bid], list[Refused]]:
    sheet = _Sheet.read(path, OFFERS)
    periods = sheet.periods(mtu)
    names, areas, sites, members = (sheet.words(name) for name in ("bid", "area", "site", "member"))
    directions = dict(sheet.cells("direction", lambda cell: DIRECTIONS[cell]))
    energies = dict(sheet.cells("wh", _whole))
    prices = dict(sheet.cells("price_eur_per_mwh", _micro_eur))
    first_row: dict[str, int] = {}
    rows_of: dict[str, list[int]] = {}
    for row, name in names.items():
        first = first_row.setdefault(name, row)
        for column, values in (("time", periods), ("direction", directions)):
            if values[row] != values[first]:
                reason = f"bid {name} has another {column} in row {first}"
                sheet.refuse(row, column, Rule.SAME, reason)
        if any(members[row] == members[other] for other in rows_of.get(name, ())):
            sheet.refuse(row, "member", Rule.DUPLICATE, f"{members[row]} is in bid {name} twice")
        if not 0 < energies[row] <= NO_CAP:
            sheet.refuse(row, "wh", Rule.RANGE, f"{energies[row]} is not in 1..{NO_CAP}")
        if flexible_w is not None and members[row] in flexible_w:
            most_wh = flexible_w[members[row]] * mtu.seconds // 3600
            if energies[row] > most_wh:
                reason = (
                    f"{energies[row]:,} Wh is more than {members[row]} can move, {most_wh:,} Wh"
                )
                sheet.refuse(row, "wh", Rule.RANGE, reason)
        rows_of.setdefault(name, []).append(row)
    bids, refused = [], []
    for name, rows in rows_of.items():
        offers = [
            MemberOffer(members[row], sites[row], areas[row], energies[row], prices[row])
            for row in rows
        ]
        try:
            bids.append(Bid(name, periods[rows[0]], directions[rows[0]], tuple(offers)))
        except AreasPooled as error:
            refused.append(Refused(name, str(error).removeprefix(f"bid {name}: ")))
    return bids, refused


def _require_priced(path: Path, bids: Sequence[Bid], prices: Prices, mtu: Mtu) -> None:
    for bid in bids:
        if (bid.period, bid.area, bid.direction) not in prices:
            reason = f"there is no price of {bid.area} at {mtu.start(bid.period):%FT%RZ}"
            raise ReadingError([Refusal("prices.csv", None, "time", Rule.GAP, reason)])


def _responses(
    path: Path, known: Mapping[str, Sequence[str]], unsold: set[str]
) -> dict[str, dict[str, Response]]:
    sheet = _Sheet.read(path, DELIVERIES)
    names, members = sheet.words("bid"), sheet.words("member")
    baselines = dict(sheet.cells("baseline_wh", _whole))
    metered = dict(sheet.cells("metered_wh", _whole))
    found: dict[str, dict[str, Response]] = {}
    for row, name in names.items():
        if name in unsold:
            continue
        if name not in known:
            sheet.refuse(row, "bid", Rule.WORD, f"{name!r} is no bid of offers.csv")
        if members[row] not in known[name]:
            sheet.refuse(row, "member", Rule.METER, f"{members[row]!r} is not in bid {name}")
        for column, values in (("baseline_wh", baselines), ("metered_wh", metered)):
            if abs(values[row]) > NO_CAP:
                sheet.refuse(row, column, Rule.RANGE, f"{values[row]} is beyond ±{NO_CAP} Wh")
        of_bid = found.setdefault(name, {})
        if members[row] in of_bid:
            sheet.refuse(row, "member", Rule.DUPLICATE, f"{members[row]} is there twice for {name}")
        of_bid[members[row]] = Response(baselines[row], metered[row])
    return found


@dataclass(frozen=True)
class _Sheet:
    """CSV file by row number, as refusals name it; all faults are raised at once."""

    path: Path
    table: pd.DataFrame

    @classmethod
    def read(cls, path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> _Sheet:
        return cls(path, read_table(path, columns, optional=optional))

    def refuse(self, row: Any, column: str, rule: Rule, reason: str) -> None:
        raise ReadingError([Refusal(self.path.name, int(row), column, rule, reason)])

    def words(self, column: str) -> dict[int, str]:
        """Cells of a column that hold text."""
        found = {}
        for row, cell in self.table[column].items():
            if pd.isna(cell) or not str(cell).strip():
                self.refuse(row, column, Rule.WORD, "nothing is there")
            found[int(str(row))] = str(cell).strip()
        return found

    def cells(self, column: str, read: Callable[[str], T]) -> list[tuple[int, T]]:
        """Cells of a column as read by `read`, which raises KeyError for a word it does not know."""
        found = []
        for row, cell in self.words(column).items():
            try:
                found.append((row, read(cell)))
            except KeyError:
                words = " or ".join(DIRECTIONS)
                self.refuse(row, column, Rule.WORD, f"{cell!r} is not {words}")
            except (ValueError, InvalidOperation) as error:
                self.refuse(row, column, Rule.NUMBER, f"{cell!r} {error}")
        return found

    def periods(self, mtu: Mtu) -> dict[int, int]:
        """Column ``time``: starts of periods, each with its offset from UTC."""
        readings = pd.DataFrame({"time": self.table["time"], "point": pd.NA})
        moments = to_utc(Raw(self.path.name, Columns(), readings))
        for mask, rule, reason in moments.refused:
            for row in mask.index[mask]:
                self.refuse(row, "time", rule, f"{self.table['time'][row]!r} {reason}")
        found = {}
        microseconds = moments.utc.astype("int64")
        for row, moment in zip(self.table.index, microseconds, strict=True):
            period, off = divmod(int(moment), mtu.seconds * 1_000_000)
            if period < 0:
                reason = "lies before 1970, where no period is"
                self.refuse(row, "time", Rule.TIME, f"{self.table['time'][row]!r} {reason}")
            if off:
                reason = f"is not on the start of a period of {mtu.seconds} s"
                self.refuse(row, "time", Rule.GRID, f"{self.table['time'][row]!r} {reason}")
            found[int(str(row))] = int(period)
        return found


def _whole(cell: str) -> int:
    try:
        return int(cell)
    except ValueError:
        raise ValueError("is not a whole number") from None


def _micro_eur(cell: str) -> int:
    """Amount in EUR as whole µEUR."""
    try:
        micro_eur = Decimal(cell) * 1_000_000
    except InvalidOperation:
        raise ValueError("is not a number") from None
    if not micro_eur.is_finite() or abs(micro_eur) > MOST_EUR_PER_MWH * 1_000_000:
        raise ValueError(f"is not in ±{MOST_EUR_PER_MWH:,} EUR/MWh")
    if micro_eur != micro_eur.to_integral_value():
        raise ValueError("has more than six decimals")
    return int(micro_eur)
