"""The short look at noon that README gives is one that every preset takes."""

import re

import pytest

from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.scenario.areas import load_areas

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
PRESETS = sorted((CHECKOUT / "scenarios").glob("*.toml"))
(TEXT,) = re.findall(r"^Presets that run end to end .*?\n\n", README, re.MULTILINE | re.DOTALL)
USUAL, OF_CORBY = re.findall(r"`--start (\S+) --periods (\d+)`", TEXT)


def test_readme_lists_every_preset() -> None:
    listed = re.findall(r"^\| `scenarios/(\S+\.toml)` \|", README, re.MULTILINE)
    assert sorted(listed) == [path.name for path in PRESETS]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_takes_the_look_that_readme_gives(preset) -> None:
    start, periods = OF_CORBY if preset.stem == "corby" else USUAL
    for scenario in load_areas(preset, {"start": start, "periods": int(periods)}):
        assert f"{scenario.mtu.start(scenario.first_period):%Y-%m-%dT%H:%M:%SZ}" == start
        assert scenario.periods == int(periods)
