"""One registry of market kinds: an entry and a file a layer are all that a new market needs."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from gridbourse.chain.deployment.record import DeploymentRecord
from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.market_kinds import KINDS, LAYERS, by_turn, part
from gridbourse.scenario.scenario import load
from tests.replay.noon import START, write_scenario

FIXTURE = Path(__file__).parent / "fixture_market"
WH, PRICE = 150, 140


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", LAYERS)
def test_every_kind_has_its_file_in_every_layer(layer: str, kind: str) -> None:
    for name in LAYERS[layer]:
        assert callable(part(layer, kind, name)), (layer, name)


def test_no_layer_has_a_file_of_a_kind_that_is_not_registered() -> None:
    """Files beside the kinds' own are no markets: they lack a name that a market's file has."""
    for layer, names in LAYERS.items():
        (folder,) = import_module(layer).__path__
        for file in Path(folder).glob("[!_]*.py"):
            module = import_module(f"{layer}.{file.stem}")
            is_market = all(hasattr(module, name) for name in names if "{" not in name)
            if is_market and not any("{" in name for name in names):
                assert file.stem in KINDS, file


def test_each_has_a_turn_of_its_own() -> None:
    assert len({kind.turn for kind in KINDS.values()}) == len(KINDS)
    assert [kind.name for kind in by_turn()][-1] == "call_auction", (
        "cleared when the gate is closed"
    )


def test_the_architecture_lists_the_layers() -> None:
    page = (CHECKOUT / "docs" / "ARCHITECTURE.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `") and "/NAME.py`" in line]
    told = {row.split("`")[1]: row for row in rows}
    wanted = {f"{layer.replace('.', '/')}/NAME.py": names for layer, names in LAYERS.items()}
    assert told.keys() == wanted.keys()
    for file, names in wanted.items():
        for name in names:
            assert f"`{name.replace('{contract}', 'Contract')}`" in told[file], (file, name)


def test_a_market_is_added_by_the_list_alone(tmp_path: Path) -> None:
    """Deployed, traded, judged, booked, settled, reported and audited."""
    assert {folder.name for folder in FIXTURE.iterdir() if "." in folder.name} == {
        *LAYERS,
        "run.py",
    }
    scenario = write_scenario(tmp_path)
    points = load(scenario).points
    seller, buyer, *_ = points.index[points["participant"]]
    text = scenario.read_text()
    assert text.count("[market]\n") == 1
    text = text.replace("[market]\n", '[market]\nkinds = ["swaps", "call_auction"]\n')
    swap = f'seller = "{seller}"\nbuyer = "{buyer}"\nfirst = 0\ncount = 2\nwh = {WH}\n'
    scenario.write_text(f"{text}\n[[swaps]]\n{swap}price_micro_eur_per_wh = {PRICE}\n")
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, FIXTURE / "run.py", scenario, out, START],
        capture_output=True, text=True, check=False, cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Swaps" in DeploymentRecord.load(out / "deployment.json").contracts
    assert json.loads(done.stdout.splitlines()[-1]) == [[WH, PRICE], [WH, PRICE]]
    checked = json.loads((out / "check.json").read_text())
    assert checked["identical"], checked["differences"]
    assert "Swaps" in (out / "report.html").read_text()
