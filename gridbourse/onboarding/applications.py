"""Reads an application file and judges it row by row: every fault is named, the good rows are kept."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from eth_utils.address import is_checksum_address, is_hex_address, to_checksum_address

from gridbourse.metering.signatures import signer_of
from gridbourse.model.caps import NO_CAP
from gridbourse.onboarding.errors import ApplicationError, Refusal, Rule
from gridbourse.tables import TableError, csv_rows, require_columns

REQUIRED = (
    "name", "contact", "metering_point", "zone", "connection_kw", "meter_address",
    "reading_period", "reading_wh", "reading_signature", "credit_limit_eur",
)  # fmt: skip
OPTIONAL = ("account", "mandate")
UNIQUE = ("metering_point", "meter_address", "account")
"""Fields that no two live applications share."""
MAX_TEXT = 200
MAX_CONNECTION_KW = 10_000
"""Above the capacity of any low-voltage connection: a unit mistaken, W for kW."""

T = TypeVar("T")
_INTEGER = re.compile(r"-?[0-9]{1,15}")
_SIGNATURE = re.compile(r"0x[0-9a-fA-F]{130}")
_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")


@dataclass(frozen=True)
class Application:
    """Good row. capacity_wh: capacity of the connection in one period, either way.

    reading_*: one reading of the meter, signed by the meter's key; net, positive = injects. The signed
    text names the account, if there is one: no other account can be put beside the meter.
    account: the applicant's own address; None = a key is made for it.
    mandate: True where the gateway orders in the applicant's name.
    """

    name: str
    contact: str
    metering_point: str
    zone: str
    capacity_wh: int
    meter_address: str
    reading_period: int
    reading_wh: int
    reading_signature: str
    credit_limit_micro_eur: int
    account: str | None = None
    mandate: bool = False


@dataclass(frozen=True)
class ApplicationTerms:
    """Terms by which applications are judged.

    zones: names of the market's grid zones.
    over_before: first period whose reading cannot exist yet.
    max_credit_eur: the most that is granted.
    meters: address of each meter's key in the meter operator's list; None = the stated address
    counts, and the identity check has to show that it is the meter of that point.
    """

    zones: frozenset[str]
    mtu_seconds: int
    over_before: int
    max_credit_eur: int
    meters: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Judged:
    """Good applications by row of the file, and the reasons why the other rows are refused."""

    good: dict[int, Application]
    refusals: list[Refusal]


def read_applications(path: Path, terms: ApplicationTerms) -> Judged:
    """Judge a file; ApplicationError when it is not an application file."""
    good: dict[int, Application] = {}
    refusals: list[Refusal] = []
    for row, fields in _rows(path, refusals):
        judge = _Judge(row, fields, terms)
        application = judge.application()
        refusals += judge.refusals
        if application is not None:
            good[row] = application
    # Only among the good rows: a row that no meter signed blocks nobody's place.
    good = _without_doubles(good, refusals)
    return Judged(good, sorted(refusals, key=lambda refusal: refusal.row))


def read_meters(path: Path) -> dict[str, str]:
    """List of the meter operator: columns metering_point, meter_address; strict, all or nothing."""
    meters: dict[str, str] = {}
    faults: list[Refusal] = []
    for row, fields in _rows(path, faults, ("metering_point", "meter_address"), ()):
        point = fields["metering_point"]
        if point in meters:
            raise ApplicationError(f"{path.name}, row {row}: {point!r} is there twice")
        try:
            meters[point] = _address(fields["meter_address"])
        except _Fault as fault:
            raise ApplicationError(f"{path.name}, row {row}: {fault.reason}") from fault
    if faults:
        raise ApplicationError(f"{path.name}, row {faults[0].row}: {faults[0].reason}")
    return meters


def _rows(
    path: Path,
    refusals: list[Refusal],
    required: tuple[str, ...] = REQUIRED,
    optional: tuple[str, ...] = OPTIONAL,
) -> list[tuple[int, dict[str, str]]]:
    """(line, fields by column), blank lines left out; rows of another width are refused."""
    try:
        rows = csv_rows(path)
        header = next(rows)[1]
        require_columns(path, header, required, optional)
        found = list(rows)
    except TableError as error:
        raise ApplicationError(f"{error} (rule {Rule.SCHEMA})") from error
    by_column = []
    for row, fields in found:
        if len(fields) == len(header):
            by_column.append((row, dict(zip(header, fields, strict=True))))
        else:
            reason = f"{len(fields)} fields under {len(header)} columns"
            refusals.append(Refusal(row, "", Rule.SCHEMA, reason))
    return by_column


class _Fault(Exception):
    def __init__(self, rule: Rule, reason: str) -> None:
        self.rule, self.reason = rule, reason


class _Judge:
    """Judge of one row, which notes every fault."""

    def __init__(self, row: int, fields: dict[str, str], terms: ApplicationTerms) -> None:
        self._row, self._fields, self._terms = row, fields, terms
        self.refusals: list[Refusal] = []

    def application(self) -> Application | None:
        """Application of the row; None where it has any fault."""
        capacity = self._take("connection_kw", self._capacity)
        point = self._take("metering_point", _text)
        own = self._take("account", lambda text: _address(text) if text else "")
        values: dict[str, Any] = {
            "name": self._take("name", _text),
            "contact": self._take("contact", _text),
            "metering_point": point,
            "zone": self._take("zone", self._zone),
            "capacity_wh": capacity,
            "meter_address": self._take("meter_address", self._meter(point)),
            "reading_period": self._take("reading_period", self._period),
            "reading_wh": self._take("reading_wh", self._reading(capacity)),
            "reading_signature": self._fields["reading_signature"],
            "credit_limit_micro_eur": self._take("credit_limit_eur", self._credit),
            "account": own or None,
            "mandate": self._take("mandate", self._mandate(own)),
        }
        if not self.refusals:
            self._take("reading_signature", _signed_by_meter(values))
        return None if self.refusals else Application(**values)

    def _take(self, column: str, parse: Callable[[str], T]) -> T | None:
        try:
            return parse(self._fields.get(column, ""))
        except _Fault as fault:
            self.refusals.append(Refusal(self._row, column, fault.rule, fault.reason))
            return None

    def _zone(self, text: str) -> str:
        if text not in self._terms.zones:
            known = ", ".join(sorted(self._terms.zones))
            raise _Fault(Rule.ZONE, f"{_quoted(text)} is no grid zone of this market: {known}")
        return text

    def _capacity(self, text: str) -> int:
        kw = _number(text)
        wh = int(kw * 1000 * self._terms.mtu_seconds / 3600)
        if not 0 < kw <= MAX_CONNECTION_KW or not 0 < wh < NO_CAP:
            raise _Fault(Rule.CAPACITY, f"{text} kW is not in 0 to {MAX_CONNECTION_KW:,} kW")
        return wh

    def _meter(self, point: str | None) -> Callable[[str], str]:
        def parse(text: str) -> str:
            address = _address(text)
            if self._terms.meters is None or point is None:
                return address
            if point not in self._terms.meters:
                raise _Fault(Rule.METER, f"the meter operator has no meter at {_quoted(point)}")
            if self._terms.meters[point] != address:
                raise _Fault(Rule.METER, f"{address} is not the meter at {_quoted(point)}")
            return address

        return parse

    def _period(self, text: str) -> int:
        period = _integer(text)
        if not 0 <= period < self._terms.over_before:
            last = self._terms.over_before - 1
            raise _Fault(Rule.PERIOD, f"{period} is no period that is over: the last is {last}")
        return period

    def _reading(self, capacity_wh: int | None) -> Callable[[str], int]:
        def parse(text: str) -> int:
            wh = _integer(text)
            if capacity_wh is not None and abs(wh) > capacity_wh:
                carries = f"the connection carries {capacity_wh:,} Wh in a period"
                raise _Fault(Rule.RANGE, f"{wh:,} Wh, but {carries}")
            return wh

        return parse

    def _credit(self, text: str) -> int:
        eur = _number(text)
        if not 0 <= eur <= self._terms.max_credit_eur:
            raise _Fault(Rule.CREDIT, f"{text} EUR is not in 0 to {self._terms.max_credit_eur:,}")
        return int(eur * 1_000_000)

    def _mandate(self, own: str | None) -> Callable[[str], bool]:
        def parse(text: str) -> bool:
            if text not in ("", "yes", "no"):
                raise _Fault(Rule.MANDATE, f"{_quoted(text)} is neither yes nor no")
            if text == "yes" and own:
                raise _Fault(Rule.MANDATE, "whoever brings an own account gives its mandate itself")
            return text == "yes"

        return parse


def _text(text: str) -> str:
    if not text:
        raise _Fault(Rule.TEXT, "is empty")
    if len(text) > MAX_TEXT or not text.isprintable():
        raise _Fault(Rule.TEXT, f"{_quoted(text)} is not printable, or above {MAX_TEXT} characters")
    return text


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise _Fault(Rule.NUMBER, f"{_quoted(text)} is no whole number")
    return int(text)


def _number(text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise _Fault(Rule.NUMBER, f"{_quoted(text)} is no number such as 12 or 12.5")
    return Decimal(text)


def _address(text: str) -> str:
    mixed_case = text[2:] not in (text[2:].lower(), text[2:].upper())
    good = text.startswith("0x") and is_hex_address(text)
    if not good or (mixed_case and not is_checksum_address(text)):
        raise _Fault(Rule.ADDRESS, f"{_quoted(text)} is no address, or its checksum is wrong")
    if int(text, 16) == 0:
        raise _Fault(Rule.ADDRESS, "nobody has the zero address")
    return to_checksum_address(text)


def _signed_by_meter(values: Mapping[str, Any]) -> Callable[[str], None]:
    def check(signature: str) -> None:
        point, meter = values["metering_point"], values["meter_address"]
        said = (point, values["reading_period"], values["reading_wh"], values["account"])
        signer = signer_of(signature, *said) if _SIGNATURE.fullmatch(signature) else None
        if signer is None:
            raise _Fault(Rule.SIGNATURE, f"{_quoted(signature)} is no signature")
        if signer != meter:
            raise _Fault(
                Rule.SIGNATURE,
                f"not of the meter {meter} on this reading of {_quoted(point)}"
                + (" and this account" if values["account"] else ""),
            )

    return check


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _without_doubles(
    good: dict[int, Application], refusals: list[Refusal]
) -> dict[int, Application]:
    """A repeated equal row is refused; of rows that differ all are: nothing says which is right."""
    kept = dict(good)
    first: dict[Application, int] = {}
    for row, application in good.items():
        if application in first:
            reason = f"the same as row {first[application]}"
            refusals.append(Refusal(row, "metering_point", Rule.DUPLICATE, reason))
            del kept[row]
        first.setdefault(application, row)
    contradicted: set[int] = set()
    for column in UNIQUE:
        rows_by_value: dict[str, list[int]] = defaultdict(list)
        for row, application in kept.items():
            if (value := getattr(application, column)) is not None:
                rows_by_value[value].append(row)
        for value, rows in rows_by_value.items():
            if len(rows) == 1:
                continue
            contradicted.update(rows)
            for row in rows:
                others = ", ".join(str(other) for other in rows if other != row)
                reason = f"{_quoted(value)} is in row {others} too, with other words"
                refusals.append(Refusal(row, column, Rule.DUPLICATE, reason))
    return {row: a for row, a in kept.items() if row not in contradicted}
