"""Canonical form of a method and its evidence, so that their hash can be committed and checked.

ASCII JSON with sorted keys and no blanks, numbers whole, shares as "1/5". The hash itself (keccak-256
on the chain) is the caller's. `read` gives back what was written, for whoever recomputes a baseline.
"""

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np

from gridbourse.model.errors import ModelError
from gridbourse.model.flexibility.baseline import methods
from gridbourse.model.flexibility.baseline.days import DayKind, LocalDay
from gridbourse.model.flexibility.baseline.errors import UnreadableEvidence
from gridbourse.model.flexibility.baseline.evidence import (
    Declaration,
    Evidence,
    Ints,
    Readings,
)
from gridbourse.model.flexibility.baseline.methods import Method
from gridbourse.model.periods import Mtu

VERSION = "gridbourse baseline 1"
_UNREADABLE = (
    ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError, ModelError,
)  # fmt: skip
"""Errors that JSON of another shape raises."""


MOST_PARTS = 10_000
"""Greatest number of lists and objects in one document."""


def canonical(method: Method, evidence: Evidence) -> bytes:
    """Bytes to commit to: equal for equal inputs, different for any other."""
    document = {
        "version": VERSION,
        "method": _plain(method),
        "evidence": _plain(evidence),
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def read(data: bytes) -> tuple[Method, Evidence]:
    """Method and evidence written by `canonical`; UnreadableEvidence where these are not its bytes."""
    try:
        if data.count(b"[") + data.count(b"{") > MOST_PARTS:
            raise ValueError(
                "it has more parts than any evidence"
            )  # and might be nested without end
        document = json.loads(data)
        method, evidence = _method(document["method"]), _evidence(document["evidence"])
        same = canonical(method, evidence) == data
    except _UNREADABLE as error:
        raise UnreadableEvidence(f"evidence: cannot be read ({error})") from error
    if not same:
        raise UnreadableEvidence("evidence: is not written in the canonical form")
    return method, evidence


def _plain(value: Any) -> Any:
    """Value as JSON types. A dataclass is tagged with its name, sets are sorted."""
    if is_dataclass(value):
        parts = {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
        return {"is": type(value).__name__, **parts}
    if isinstance(value, np.ndarray):
        return [int(each) for each in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, frozenset):
        return sorted(_plain(each) for each in value)
    if isinstance(value, range):
        return [value.start, value.stop]
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, date | Fraction) else value


def _method(plain: dict[str, Any]) -> Method:
    kinds: dict[str, Callable[[dict[str, Any]], Method]] = {
        "XOfY": _x_of_y,
        "SameDay": lambda p: methods.SameDay(
            p["name"], before=_window(p["before"]), after=p["after"] and _window(p["after"])
        ),
        "Declared": lambda p: methods.Declared(p["name"], p["lead_seconds"]),
    }
    return kinds[plain["is"]](plain)


def _x_of_y(plain: dict[str, Any]) -> methods.XOfY:
    choices = tuple(
        methods.Choice(
            frozenset(DayKind(kind) for kind in choice["kinds"]),
            choice["highest"],
            choice["of"],
            choice["least"],
        )
        for choice in plain["choices"]
    )
    fit = plain["adjustment"]
    adjustment = fit and methods.Adjustment(
        methods.Fit(fit["fit"]), _window(fit["window"]), _share(fit["cap"])
    )
    return methods.XOfY(
        name=plain["name"],
        choices=choices,
        lookback_days=plain["lookback_days"],
        low_use=_share(plain["low_use"]),
        adjustment=adjustment,
    )


def _window(plain: dict[str, Any]) -> methods.Window:
    return methods.Window(plain["seconds"], plain["gap_seconds"])


def _share(plain: str | None) -> Fraction | None:
    return None if plain is None else Fraction(plain)


def _evidence(plain: dict[str, Any]) -> Evidence:
    days = tuple(
        LocalDay(
            date.fromisoformat(day["date"]),
            DayKind(day["kind"]),
            range(*day["periods"]),
            tuple(day["clock"]),
        )
        for day in plain["days"]
    )
    readings, declared = plain["readings"], plain["declaration"]
    return Evidence(
        point=plain["point"],
        mtu=Mtu(plain["mtu"]["seconds"]),
        event=range(*plain["event"]),
        days=days,
        event_days=frozenset(date.fromisoformat(day) for day in plain["event_days"]),
        readings=Readings(
            readings["first_period"],
            _ints(readings["wh"]),
            np.array(readings["present"], dtype=np.bool_),
        ),
        declaration=declared
        and Declaration(declared["made_at_unix"], declared["first_period"], _ints(declared["wh"])),
    )


def _ints(plain: list[int]) -> Ints:
    return np.array(plain, dtype=np.int64)
