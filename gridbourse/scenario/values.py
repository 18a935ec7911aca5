"""Values of a scenario file, with others in their place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.fields import read_toml
from gridbourse.text import one_line

PRESETS = Path(__file__).resolve().parents[2] / "scenarios"


CLOSE = 0.6
"""How alike a name has to be for it to be the one that was meant; 1 = the same."""


def merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a file with others in their place; a table is named before the dot, or a mapping."""
    found = deepcopy(dict(values))
    for key, value in over.items():
        _override(found, key, value)
    return found


def read_values(path: Path) -> dict[str, Any]:
    """Values of a scenario file; a path without a file is one that was meant otherwise."""
    try:
        return read_toml(path)
    except ScenarioError as error:
        if path.is_dir() or not os.path.lexists(path):
            raise ScenarioError(one_line(f"{error}{_meant(path)}")) from error
        raise


def _meant(path: Path) -> str:
    """The scenario file that may have been meant, of those beside the path and of the presets."""
    known = {file.stem: file for folder in (PRESETS, path.parent) for file in folder.glob("*.toml")}
    close = get_close_matches(path.stem, known, n=1, cutoff=CLOSE)
    if not close:
        return f"; presets: {', '.join(sorted(file.stem for file in PRESETS.glob('*.toml')))}"
    file, here = known[close[0]], Path.cwd()
    return f"; did you mean {file.relative_to(here) if file.is_relative_to(here) else file}?"


def _override(values: dict[str, Any], key: str, value: Any) -> None:
    table, dot, inner = key.partition(".")
    _merge(values, table, {inner: value} if dot else value)


def _merge(values: dict[str, Any], key: str, value: Any) -> None:
    """Below the top a key is taken as it is: zones have dots in their names."""
    if isinstance(value, Mapping) and isinstance(values.get(key), dict):
        for inner, one in value.items():
            _merge(values[key], inner, one)
    else:
        values[key] = value
