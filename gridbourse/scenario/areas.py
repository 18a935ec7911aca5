"""Market areas of a scenario file: ``[areas.NAME]``, each read as a scenario of its own.

An area's tables take the place of those of the file's top level, and these the place of those of the
scenario file that the area names by ``file``, where it names one. A file without ``[areas]`` has one area.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, NoReturn

from gridbourse.market_kinds import KINDS, SCENARIO, part
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.scenario import Scenario, read_scenario
from gridbourse.scenario.values import merged, read_values
from gridbourse.text import one_line

AREAS = "areas"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
MOST = 256
"""Areas the registry holds."""
OF_THE_WHOLE = ("name", "description")
IN_STEP = {
    "mtu_seconds": "mtu_seconds",
    "start": "first_period",
    "periods": "periods",
    "tariff.feed_in_micro_eur_per_wh": "tariff.feed_in_micro_eur_per_wh",
    "settlement": "settlement",
} | {f"market.{key}": f"market.{key}" for key in ("gate_closure_s", "tick_micro_eur_per_wh")}
"""Keys whose values all areas share, each with the attribute of the scenario that holds it."""
RULES = (*KINDS, "flexibility", "curtailment")
"""Markets and tables whose contract serves every area that has one."""


@dataclass(frozen=True, eq=False)
class Areas:
    """Scenarios of the areas of one deployment, in the order of their numbers on the chain."""

    file: Path
    name: str
    description: str
    scenarios: tuple[Scenario, ...]

    def __iter__(self) -> Iterator[Scenario]:
        return iter(self.scenarios)

    def __len__(self) -> int:
        return len(self.scenarios)

    @property
    def first(self) -> Scenario:
        """The first area; what all have in common is read from it."""
        return self.scenarios[0]

    @property
    def names(self) -> list[str]:
        """Names of the areas, in order."""
        return [scenario.market.area for scenario in self.scenarios]

    def named(self, name: str | None) -> int:
        """Number of an area by its name; 0 where there is one and none is named; else ScenarioError."""
        if name is None and len(self) == 1:
            return 0
        if name in self.names:
            return self.names.index(name)
        said = "no area is named" if name is None else f"{name!r} is no area"
        raise ScenarioError(one_line(f"{self.file}: {said}; areas: {', '.join(self.names)}"))


def load_areas(path: Path | str, overrides: Mapping[str, Any] | None = None) -> Areas:
    """Read a scenario file with its areas.

    overrides: as of `scenario.load`, for every area. ScenarioError names file, key and rule.
    """
    path = Path(path)
    values = read_values(path)
    if AREAS not in values:
        scenario = read_scenario(path, merged(values, overrides or {}))
        return Areas(path, scenario.name, scenario.description, (scenario,))
    with Fields(str(path), values) as fields:
        name, description = fields.text("name"), fields.text("description")
        tables = fields.tables(AREAS)
        if len(tables) > MOST:
            fields.refuse(AREAS, f"{len(tables)} are more than the {MOST} of a deployment")
        for area in tables:
            if not NAME.fullmatch(area):
                fields.refuse(f"{AREAS}.{area}", "a name has letters, digits, - and _, 32 at most")
        common = {key: fields.any(key) for key in fields.unread()}
    scenarios = tuple(
        _area(path, area, table, common, overrides or {}) for area, table in tables.items()
    )
    _require_in_step(path, scenarios)
    return Areas(path, name, description, scenarios)


def _area(
    path: Path, area: str, table: Fields, common: Mapping[str, Any], overrides: Mapping[str, Any]
) -> Scenario:
    with table:
        file = table.text("file", None)
        own = {key: table.any(key) for key in table.unread()}
    base = path if file is None else path.parent / file
    values = {} if file is None else read_values(base)
    if AREAS in values:
        table.refuse("file", f"{file} has areas itself")
    named = {"name": area, "description": f"market area {area}"}
    named |= {key: values[key] for key in OF_THE_WHOLE if key in values}
    for more in (common, named, own, {"market": {"area": area}}, overrides):
        values = merged(values, more)
    where = f"{path}, area {area}" if file is None else f"{base} of {path}, area {area}"
    return read_scenario(base, values, where)


def _require_in_step(path: Path, scenarios: tuple[Scenario, ...]) -> None:
    """One clock, one settlement and one set of market contracts serve all areas."""
    first, *others = scenarios
    for other in others:
        for key, field in IN_STEP.items():
            one, two = (attrgetter(field)(scenario) for scenario in (first, other))
            if one != two:
                _refuse(path, other, key, f"{two} is not the {one} of area {first.market.area}")
        for table in RULES:
            _require_same_rules(path, scenarios, other, table)


def _require_same_rules(
    path: Path, scenarios: tuple[Scenario, ...], other: Scenario, key: str
) -> None:
    """A market that several areas have is one contract, so its rules are the same in all of them."""
    rules = _contract_rules(other, key)
    for scenario in scenarios:
        there = _contract_rules(scenario, key)
        if rules is not None and there is not None and rules != there:
            _refuse(path, other, key, f"is not as in area {scenario.market.area}")


def _contract_rules(scenario: Scenario, key: str) -> object:
    """Part of a table that the contract is deployed with; None where the area has none."""
    if key in KINDS:
        return part(SCENARIO, key, "of_contract")(scenario)
    table = getattr(scenario, key)
    if table is None:
        return None
    return (table.band, tuple(table.products)) if key == "flexibility" else table.reach_permille


def _refuse(path: Path, area: Scenario, key: str, rule: str) -> NoReturn:
    raise ScenarioError(one_line(f"{path}: {AREAS}.{area.market.area}.{key}: {rule}"))
