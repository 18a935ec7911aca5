"""Strict reading of a TOML table: every key is asked for once, every other key is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from gridbourse import files
from gridbourse.files import FileError
from gridbourse.scenario.errors import ScenarioError
from gridbourse.text import meant, one_line
from gridbourse.times import as_utc, parse_iso

REQUIRED: Any = object()
MAX_INT = 2**63 - 1
LABEL_BYTES = 32
"""Space on the chain for the name of an area or a zone, in UTF-8."""


class Fields:
    """One table of a file.  ``with Fields(...) as f`` refuses, at the end, the keys not read."""

    def __init__(self, where: str, values: Mapping[str, Any], prefix: str = ""):
        self._where, self._prefix = where, prefix
        self._values = dict(values)
        self._asked: dict[str, None] = {}

    @classmethod
    def of_file(cls, path: Path) -> Fields:
        """A TOML file; ScenarioError for one that cannot be read."""
        return cls(str(path), read_toml(path))

    def __enter__(self) -> Fields:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._values:
            key = next(iter(self._values))
            near = meant(key, self._asked)
            hint = "" if near is None else f"; is {near!r} meant?"
            self.refuse(key, f"is not a key of a scenario{hint}")

    def refuse(self, key: str, rule: str) -> NoReturn:
        """Raise a ScenarioError that names file, key and rule."""
        raise ScenarioError(one_line(f"{self._where}: {self._prefix}{key}: {rule}"))

    def table(self, key: str) -> Fields:
        """A table inside this one."""
        value = self._take(key, dict, "a table", REQUIRED)
        return Fields(self._where, value, f"{self._prefix}{key}.")

    def table_or_none(self, key: str) -> Fields | None:
        """A table inside this one that may be left out."""
        return self.table(key) if self.has(key) else None

    def has(self, key: str) -> bool:
        """True where an optional key is present and not yet read."""
        self._asked[key] = None
        return key in self._values

    def tables(self, key: str) -> dict[str, Fields]:
        """A table of tables: name -> table; at least one."""
        value = self._take(key, dict, "a table of tables", REQUIRED)
        if not value or not all(isinstance(v, dict) for v in value.values()):
            self.refuse(key, "must be a table of at least one table")
        return {k: Fields(self._where, v, f"{self._prefix}{key}.{k}.") for k, v in value.items()}

    def list_of_tables(self, key: str) -> list[Fields]:
        """An array of tables, [[key]]; at least one."""
        value = self._take(key, list, "an array of tables", REQUIRED)
        if not value or not all(isinstance(one, dict) for one in value):
            self.refuse(key, "must be an array of at least one table")
        return [
            Fields(self._where, one, f"{self._prefix}{key}[{n}].") for n, one in enumerate(value)
        ]

    def unread(self) -> list[str]:
        """Keys not read yet, for a table whose keys are names given by the user."""
        return list(self._values)

    def text(self, key: str, default: Any = REQUIRED) -> Any:
        """A text that is not empty."""
        value = self._take(key, str, "a text", default)
        if value is not default and not value.strip():
            self.refuse(key, "must not be empty")
        return value

    def label(self, key: str) -> str:
        """A text that fits in one word of the chain."""
        value: str = self.text(key)
        self.require_label(key, value)
        return value

    def require_label(self, key: str, name: str) -> None:
        """Refuse a name that one word of the chain cannot hold."""
        if (size := len(name.encode())) > LABEL_BYTES:
            self.refuse(key, f"{name!r} is {size} bytes long; a name has {LABEL_BYTES} at most")

    def choice(self, key: str, *choices: str, default: Any = REQUIRED) -> Any:
        """One of some words."""
        value = self.text(key, default)
        if value not in choices:
            near = meant(value, choices) if isinstance(value, str) else None
            hint = "" if near is None else f"; is {near!r} meant?"
            self.refuse(key, f"{value!r} is not one of {', '.join(choices)}{hint}")
        return value

    def choices(self, key: str, *choices: str, default: Any = REQUIRED) -> tuple[str, ...]:
        """Some of these words, none of them twice; at least one."""
        value = self._take(key, (list, tuple), "a list", default)
        for n, one in enumerate(value):
            if one not in choices:
                self.refuse(key, f"{one!r} is not one of {', '.join(choices)}")
            if one in value[:n]:
                self.refuse(key, f"{one!r} is there twice")
        if not value:
            self.refuse(key, "must not be empty")
        return tuple(value)

    def integer(
        self, key: str, least: int = 0, most: int = MAX_INT, default: Any = REQUIRED
    ) -> int:
        """A whole number in least..most."""
        value: int = self._take(key, int, "a whole number", default)
        if not least <= value <= most:
            self.refuse(key, f"{value} is not in {least}..{most}")
        return value

    def integers(
        self, key: str, count: int, least: int = 0, most: int = MAX_INT, default: Any = REQUIRED
    ) -> list[int]:
        """This many whole numbers in least..most."""
        values: list[int] = self._take(key, list, "a list", default)
        if len(values) != count:
            self.refuse(key, f"has {len(values)} values, not {count}")
        for n, value in enumerate(values):
            if isinstance(value, bool) or not isinstance(value, int):
                self.refuse(f"{key}[{n}]", f"must be a whole number, not {value!r}")
            if not least <= value <= most:
                self.refuse(f"{key}[{n}]", f"{value} is not in {least}..{most}")
        return values

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        self._asked[key] = None
        value = self._values.pop(key, default)
        if not isinstance(value, bool):
            self.refuse(key, f"must be true or false, not {value!r}")
        return value

    def number(
        self, key: str, least: float = 0.0, most: float = math.inf, default: Any = REQUIRED
    ) -> float:
        """A finite number in least..most."""
        value = float(self._take(key, (int, float), "a number", default))
        if not (math.isfinite(value) and least <= value <= most):
            self.refuse(key, f"{value:g} is not in {least:g}..{most:g}")
        return value

    def moment(self, key: str, default: Any = REQUIRED) -> Any:
        """A point in time with its offset from UTC; a text is read as ISO 8601."""
        value = self._take(key, (datetime, str), "a time", default)
        if isinstance(value, str):
            text, value = value, parse_iso(value)
            if value is None:
                self.refuse(key, f"{text!r} is not a time such as 2016-07-24T00:00:00Z")
        if isinstance(value, datetime) and value.tzinfo is None:
            self.refuse(key, f"{value.isoformat()} has no offset from UTC (end it with Z)")
        if isinstance(value, datetime) and ((utc := as_utc(value)) is None or utc.timestamp() < 0):
            self.refuse(key, f"{value.isoformat()} lies before 1970, where no period is")
        return value

    def _take(self, key: str, kind: type | tuple[type, ...], word: str, default: Any) -> Any:
        self._asked[key] = None
        value = self._values.pop(key, default)
        if value is REQUIRED:
            near = meant(key, self._values)
            hint = "" if near is None else f"; is {near!r} meant to be it?"
            self.refuse(key, f"is missing{hint}")
        if value is default or (isinstance(value, kind) and not isinstance(value, bool)):
            return value
        self.refuse(key, f"must be {word}, not {value!r}")


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file, with or without byte-order mark; ScenarioError for one that cannot be read."""
    try:
        return files.read_toml(path)
    except FileError as error:
        raise ScenarioError(str(error)) from error
