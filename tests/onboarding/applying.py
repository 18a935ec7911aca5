"""Applicants with meters of their own, and the files they send."""

import csv
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import is_hex_address, keccak, to_checksum_address

from gridbourse.metering.signatures import sign_reading
from gridbourse.onboarding.applications import (
    OPTIONAL,
    REQUIRED,
    ApplicationTerms,
    Judged,
    read_applications,
)

ZONE = "LV1.101"
TERMS = ApplicationTerms(
    zones=frozenset({ZONE, "LV1.102"}), mtu_seconds=900, over_before=2_000_000, max_credit_eur=1_000
)
PERIOD = 1_900_000
COLUMNS = (*REQUIRED, *OPTIONAL)


def meter(point: str) -> LocalAccount:
    """The key inside a point's meter."""
    return Account.from_key(keccak(text=f"meter of {point}"))


def _named(account: str) -> str | None:
    """As the meter names it: checksummed."""
    return to_checksum_address(account) if is_hex_address(account) else account or None


def row(point: str, **other: Any) -> dict[str, Any]:
    """A good row, but for what is given; the signature is of what the row says."""
    fields: dict[str, Any] = {
        "name": f"Ada of {point}",
        "contact": f"{point.lower()}@example.org",
        "metering_point": point,
        "zone": ZONE,
        "connection_kw": "30",
        "meter_address": meter(point).address,
        "reading_period": PERIOD,
        "reading_wh": -250,
        "credit_limit_eur": "0",
        "account": "",
        "mandate": "",
        **other,
    }
    if "reading_signature" not in fields:
        said = (fields["reading_period"], fields["reading_wh"])
        whole = all(str(n).lstrip("-").isdigit() for n in said)
        fields["reading_signature"] = (
            sign_reading(
                meter(point).key,
                fields["metering_point"],
                *map(int, said),
                _named(fields["account"]),
            )
            if whole
            else "0x00"
        )
    return fields


def write(path: Path, *rows: dict[str, Any], columns: tuple[str, ...] = COLUMNS) -> Path:
    """A file of the rows, under these columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    return path


def judge(folder: Path, *rows: dict[str, Any], terms: ApplicationTerms = TERMS) -> Judged:
    """What comes of a file of the rows."""
    return read_applications(write(folder / "people.csv", *rows), terms)
