"""Record of a replay: everything the report needs, and nothing it could recompute."""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd
from pandas.api.types import pandas_dtype

from gridbourse.errors import GridbourseError
from gridbourse.market_kinds import KINDS

STATES: Final = ("unchecked", "checked", "delivered")
VERDICTS: Final = ("accepted", "capped", "fallback")
ROUTES: Final = ("mandate", "signed", "own")
SIDES: Final = ("bid", "offer")
MARKETS: Final = tuple(KINDS)

_INTEGER: Final = "int64"
_NULLABLE: Final = "Int64"
_FLOAT: Final = "float64"
_TEXT: Final = "object"
_BOOLEAN: Final = "bool"

PERIOD_COLUMNS: Final[dict[str, str]] = {
    "bid_wh": _INTEGER,
    "offer_wh": _INTEGER,
    "matched_wh": _INTEGER,
    "price_micro_eur_per_wh": _NULLABLE,
    "verdict": _TEXT,
    "rounds": _INTEGER,
    "curtailed_wh": _INTEGER,
    "generation_wh": _INTEGER,
    "load_wh": _INTEGER,
    "self_used_wh": _INTEGER,
    "local_bought_wh": _INTEGER,
    "local_sold_wh": _INTEGER,
    "import_wh": _INTEGER,
    "export_wh": _INTEGER,
    "losses_wh": _INTEGER,
    **{f"{name}_{state}": _FLOAT for state in STATES for name in ("u_min", "u_max", "loading")},
    "gap_wh": _FLOAT,
}
PARTICIPANT_COLUMNS: Final[dict[str, str]] = {
    "number": _INTEGER,
    "bill_micro_eur": _INTEGER,
    "no_market_micro_eur": _INTEGER,
    "no_market_capped_micro_eur": _INTEGER,
    "compensation_micro_eur": _INTEGER,
    "bought_wh": _INTEGER,
    "sold_wh": _INTEGER,
    "imported_wh": _INTEGER,
    "exported_wh": _INTEGER,
    "local_bought_wh": _INTEGER,
    "fees_micro_eur": _INTEGER,
    "curtailed_wh": _INTEGER,
}
ORDER_COLUMNS: Final[dict[str, str]] = {
    "period": _INTEGER,
    "market": _TEXT,
    "point_id": _TEXT,
    "route": _TEXT,
    "side": _TEXT,
    "wh": _INTEGER,
    "price_micro_eur_per_wh": _INTEGER,
    "fill_wh": _INTEGER,
    "rejected_wh": _INTEGER,
    "delivered_wh": _INTEGER,
    "paid_micro_eur": _INTEGER,
}
TRADE_COLUMNS: Final[dict[str, str]] = {
    "period": _INTEGER,
    "market": _TEXT,
    "seller": _TEXT,
    "buyer": _TEXT,
    "wh": _INTEGER,
    "price_micro_eur_per_wh": _INTEGER,
    "rejected": _BOOLEAN,
}
MONEY_COLUMNS: Final[dict[str, str]] = {
    "payer": _TEXT,
    "payee": _TEXT,
    "kind": _TEXT,
    "micro_eur": _INTEGER,
}
GAS_COLUMNS: Final[dict[str, str]] = {
    "step": _TEXT,
    "transactions": _INTEGER,
    "gas": _INTEGER,
    "units": _INTEGER,
}
DEVICES: Final = ("battery", "ev", "heat_pump", "shiftable")
WAYS: Final = ("managed", "unmanaged")
HOME_COLUMNS: Final[dict[str, str]] = {
    "pv_wh": _INTEGER,
    **{
        name.format(way): _INTEGER
        for way in WAYS
        for name in (
            "self_used_{}_wh", "cost_{}_micro_eur", "wear_{}_micro_eur", "stored_{}_wh",
            "missed_{}_wh", *(f"{device}_{{}}_wh" for device in DEVICES),
        )
    },
}  # fmt: skip
FLEXIBILITY_COLUMNS: Final[dict[str, str]] = {
    "period": _INTEGER,
    "request": _INTEGER,
    "buyer": _TEXT,
    "product": _TEXT,
    "direction": _TEXT,
    "zone": _TEXT,
    **dict.fromkeys(
        (
            "asked_wh", "offered_wh", "bought_wh", "rejected_wh", "standing_by_wh", "delivered_wh",
            "off_wh", "paid_micro_eur", "shared_micro_eur", "penalty_micro_eur",
            "compensation_micro_eur",
        ),
        _INTEGER,
    ),
}  # fmt: skip
_OPTIONAL: Final = {"homes": HOME_COLUMNS, "flexibility": FLEXIBILITY_COLUMNS}
_TABLES: Final = {
    "periods": PERIOD_COLUMNS,
    "participants": PARTICIPANT_COLUMNS,
    "orders": ORDER_COLUMNS,
    "trades": TRADE_COLUMNS,
    "money": MONEY_COLUMNS,
    "gas": GAS_COLUMNS,
}
_CHOICES: Final = {
    ("periods", "verdict"): VERDICTS,
    ("orders", "route"): ROUTES,
    ("orders", "side"): SIDES,
    ("orders", "market"): MARKETS,
    ("trades", "market"): MARKETS,
}
_FORMAT: Final = 3
CROWDSALE_KEYS: Final = (
    "name",
    "phase",
    "states",  # [phase, unix seconds of block time], in order
    "point_id",
    "watt_peak",
    "form",  # "profit share" (value: permille) or "rent" (value: µEUR a period)
    "value",
    "term_periods",
    "goal_micro_eur",
    "milestones",  # µEUR by name, all of them confirmed
    "funded_micro_eur",
    "released_micro_eur",
    "withdrawn_micro_eur",
    "due_micro_eur",
    "collected_micro_eur",
    "holders",  # name, public, stake_micro_eur, claimed_micro_eur
    "panel_days",  # [produced, used, exported] Wh on the mean day, by season
    "income",
)
INCOME_KEYS: Final = (
    "period",
    "produced_wh",
    "used_wh",  # behind the meter
    "exported_wh",
    "feed_in_micro_eur",  # the export at the feed-in tariff
    "premium_micro_eur",  # paid by the market above it
    "avoided_micro_eur",  # cost that used_wh would have had
    "bill_micro_eur",  # the owner's, for energy and fees, + received
    "without_micro_eur",  # without the panel, at the period's price
    "alone_micro_eur",  # without the panel, from the supplier alone
)


class ReportError(GridbourseError):
    """Run record that cannot be read or does not hold what a report needs."""


@dataclass
class RunRecord:
    """One replayed run of one market area. Checked when made; columns are brought to their type.

    Tables (pandas DataFrame; further columns are kept and ignored):

    `periods`, index `period` (MTU index, `start_unix // mtu_seconds`, UTC)
        bid_wh, offer_wh      ordered energy, as placed
        matched_wh            energy traded by contract, after the last clearing
        price_micro_eur_per_wh  clearing price, null without a trade. Pay-as-bid has no single
                              price: give the mean paid per Wh, rounded to a tick
        verdict, rounds       the DSO's final verdict ("accepted", "capped", "fallback") and the
                              number of rounds it took
        curtailed_wh          energy that the caps kept from being produced
        generation_wh, load_wh  gross metered production and consumption, each summed over points
        self_used_wh          sum over points of min(own generation, own load) in the period:
                              energy that never crossed a meter
        local_bought_wh, local_sold_wh  metered local trade: sum over buyers (over sellers) of
                              min(contract, metered net import (export))
        import_wh, export_wh  exchange at the transformer, split by sign
        losses_wh             losses in the grid
        u_min_S, u_max_S      lowest and highest bus voltage in pu, loading_S the worst line or
                              transformer loading in pu (1.0 = 100 %), NaN where no power flow
                              was run; S = "unchecked" (schedule before the check), "checked"
                              (schedule after the check), "delivered"
        gap_wh                generation + import - load - export - losses, by the power flow

    `participants`, index `point_id`, sums over the run; money positive = received
        number, bill_micro_eur (all money changes except payments outside the market), no_market_micro_eur
        (with the supplier alone, nothing curtailed), no_market_capped_micro_eur (with the supplier
        alone, under the same caps), compensation_micro_eur (of the bill: received for curtailed
        energy), bought_wh and sold_wh (contract), imported_wh and exported_wh (net at the meter),
        local_bought_wh (metered), fees_micro_eur (paid, positive), curtailed_wh

    `orders`: period, market, point_id, route ("mandate", "signed", "own"), side ("bid", "offer"), wh and
        price_micro_eur_per_wh as placed; fill_wh: traded, and not rejected by the DSO; rejected_wh:
        traded, and rejected; delivered_wh: of fill_wh, what the meter confirms; paid_micro_eur
        (positive, by buyer or to seller)

    `trades`: of markets whose trades are judged one by one, in the order of each market: period,
        market, seller, buyer, wh, price_micro_eur_per_wh, rejected

    `money`: payer, payee, kind, micro_eur: flow of each euro, by group ("buyers", "supplier",
        "dso"). Kinds ending in "_fee" are grid fees

    `homes`, index `point_id`: homes with scheduled devices, in the run and without a
        manager, as in `gridbourse.agents.homes_comparison.account`; no row where there are none

    `flexibility`: a row a request: period, request (its number), buyer ("dso", "tso" or a connection
        point), product, direction ("up", "down"), zone; asked_wh, offered_wh, bought_wh, of it
        rejected_wh by the DSO, standing_by_wh by lot, delivered_wh as verified, off_wh: the Wh
        penalised; paid_micro_eur by the buyer, of it shared_micro_eur with aggregators;
        penalty_micro_eur to the buyer; compensation_micro_eur, + from the supplier to the buyer. No
        row where there is no such market

    `gas`: step, transactions, gas, units (orders, readings or accounts processed)

    `verdicts`: one dict per verdict: period, market ("schedule" where no trade was judged), round
        (or the number of the group of trades), kind (as in `periods.verdict`, or "rejected": trades
        alone), explanation (list of sentences)

    `crowdsale`: None, or a campaign and the panel it paid for: the keys of CROWDSALE_KEYS. income: one
        dict a period, the keys of INCOME_KEYS

    Scalars: prices in µEUR/Wh, `v_min`, `v_max`, `loading_max` in pu, `attribution` = the words
    the data's licence asks for, `money_sum_micro_eur` and `energy_gap_wh` = the two identities
    (both 0 in a sound run), `waiting_micro_eur` = credited to participants beyond what the supplier's
    guarantee covers, and not paid yet, `readings` = meter readings processed, `wall_s` = seconds the
    run took.

    Raises ReportError, naming the field and the rule.
    """

    scenario: str
    description: str
    network: str
    area: str
    timezone: str
    mtu_seconds: int
    attribution: str
    markets: list[str]
    pricing: str
    retail_micro_eur_per_wh: int
    feed_in_micro_eur_per_wh: int
    tick_micro_eur_per_wh: int
    pv_factor: float
    v_min: float
    v_max: float
    loading_max: float
    periods: pd.DataFrame
    participants: pd.DataFrame
    orders: pd.DataFrame
    trades: pd.DataFrame
    money: pd.DataFrame
    gas: pd.DataFrame
    verdicts: list[dict[str, Any]]
    money_sum_micro_eur: int
    energy_gap_wh: int
    readings: int
    wall_s: float
    homes: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(HOME_COLUMNS)))
    flexibility: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(FLEXIBILITY_COLUMNS))
    )
    crowdsale: dict[str, Any] | None = None
    waiting_micro_eur: int = 0

    def __post_init__(self) -> None:
        if self.mtu_seconds <= 0:
            raise ReportError(f"mtu_seconds: {self.mtu_seconds} must be positive")
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError, KeyError) as unknown:
            raise ReportError(f"timezone: {self.timezone!r} is no known time zone") from unknown
        for table, columns in (_TABLES | _OPTIONAL).items():
            setattr(self, table, _typed(table, getattr(self, table), columns))
        for (table, column), allowed in _CHOICES.items():
            values = getattr(self, table)[column]
            wrong = values[~values.isin(allowed)]
            if len(wrong):
                raise ReportError(
                    f"{table}.{column}, row {wrong.index[0]}: {wrong.iloc[0]!r} is none of "
                    f"{', '.join(allowed)}"
                )
        if self.periods.empty:
            raise ReportError("periods: a run has at least one period")
        for table in ("periods", "participants"):
            index = getattr(self, table).index
            if index.has_duplicates:
                raise ReportError(f"{table}: {index[index.duplicated()][0]!r} appears twice")
        self.periods = self.periods.sort_index().rename_axis("period")
        self.participants = self.participants.rename_axis("point_id")
        for row, verdict in enumerate(self.verdicts):
            missing = {"period", "market", "round", "kind", "explanation"} - set(verdict)
            if missing:
                raise ReportError(f"verdicts, row {row}: lacks {', '.join(sorted(missing))}")
        if self.crowdsale is not None:
            _require_keys("crowdsale", self.crowdsale, CROWDSALE_KEYS)
            for row, income in enumerate(self.crowdsale["income"]):
                _require_keys(f"crowdsale.income, row {row}", income, INCOME_KEYS)

    def local(self, period: int) -> pd.Timestamp:
        """Start of a period in the area's local time."""
        start = pd.Timestamp(int(period) * self.mtu_seconds, unit="s", tz="UTC")
        return start.tz_convert(self.timezone)

    def save(self, folder: str | Path) -> None:
        """Write record.json and one parquet file per table into `folder`, made where missing."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        tables = [*_TABLES, *(name for name in _OPTIONAL if len(getattr(self, name)))]
        for table in tables:
            getattr(self, table).to_parquet(target / f"{table}.parquet")
        scalars = (f.name for f in fields(self) if f.name not in _TABLES | _OPTIONAL)
        head = {name: getattr(self, name) for name in scalars}
        text = json.dumps({"format": _FORMAT, **head}, indent=1, ensure_ascii=False, default=_plain)
        (target / "record.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "RunRecord":
        """Read what `save` wrote. Raises ReportError when a file or a field is missing."""
        source = Path(folder)
        try:
            head = json.loads((source / "record.json").read_text(encoding="utf-8"))
            if head.pop("format", None) != _FORMAT:
                raise ReportError(f"{source}/record.json: format is not {_FORMAT}")
            tables: dict[str, Any] = {
                table: pd.read_parquet(source / f"{table}.parquet")
                for table in [*_TABLES, *_OPTIONAL]
                if table in _TABLES or (source / f"{table}.parquet").exists()
            }
            return cls(**head, **tables)
        except (OSError, ValueError, TypeError) as broken:
            raise ReportError(f"{source}: not a run record ({broken})") from broken


def _typed(table: str, frame: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """The frame with every named column in its type; refuses what would lose information."""
    missing = [name for name in columns if name not in frame]
    if missing:
        raise ReportError(f"{table}: lacks the column {', '.join(missing)}")
    typed = frame.copy()
    for name, kind in columns.items():
        try:
            if kind == _INTEGER:
                # By way of Int64: astype("int64") would cut 0.5 to 0 without a word.
                typed[name] = typed[name].astype(_NULLABLE)
            typed[name] = typed[name].astype(pandas_dtype(kind))
        except (ValueError, TypeError) as wrong:
            raise ReportError(f"{table}.{name}: every value must be {kind} ({wrong})") from wrong
    return typed


def _require_keys(where: str, found: dict[str, Any], keys: tuple[str, ...]) -> None:
    missing = [key for key in keys if key not in found]
    if missing:
        raise ReportError(f"{where}: lacks {', '.join(missing)}")


def _plain(value: Any) -> Any:
    """numpy and pandas scalars as JSON numbers."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")
