"""A grid file that is another thing, or joins what no wire joins, is refused with its name."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from gridbourse.grid.errors import GridError
from gridbourse.grid.readers import read_grid

DATA: dict[str, list[dict[str, Any]]] = {
    "node": [
        {"id": 1, "u_rated": 20000.0}, {"id": 2, "u_rated": 400.0, "name": "busbar"},
        {"id": 3, "u_rated": 400.0},
    ],
    "source": [{"id": 10, "node": 1, "status": 1, "u_ref": 1.02, "sk": 1e10}],
    "line": [
        {"id": 20, "from_node": 2, "to_node": 3, "from_status": 1, "to_status": 1, "r1": 0.04,
         "x1": 0.016, "c1": 1e-7, "tan1": 0.0, "i_n": 270.0},
    ],
    "transformer": [
        {"id": 30, "from_node": 1, "to_node": 2, "from_status": 1, "to_status": 1, "u1": 20000.0,
         "u2": 400.0, "sn": 250000.0, "uk": 0.06, "pk": 3250.0, "i0": 0.003, "p0": 600.0,
         "winding_from": 2, "winding_to": 1, "clock": 5, "tap_side": 0, "tap_pos": 0,
         "tap_min": -2, "tap_max": 2, "tap_nom": 0, "tap_size": 500.0},
    ],
}  # fmt: skip
LINK = {"id": 77, "from_node": 2, "to_node": 3, "from_status": 1, "to_status": 1}


def document(**changes: Any) -> dict[str, Any]:
    whole = {"version": "1.0", "type": "input", "is_batch": False, "attributes": {}}
    return {**whole, "data": copy.deepcopy(DATA), **changes}


def written(path: Path, content: Any) -> Path:
    file = path / "grid.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def with_rows(component: str, *rows: dict[str, Any], **first: Any) -> dict[str, Any]:
    """The document with these rows more, and other values in the first."""
    changed = document()
    table = changed["data"].setdefault(component, [])
    table.extend(rows)
    table[0].update(first)
    return changed


def test_the_grid_itself_is_read(tmp_path: Path) -> None:
    grid = read_grid(written(tmp_path, document()))
    assert grid.names == {2: "busbar"}
    assert list(grid.nodes) == [1, 2, 3]
    two = with_rows("source", {"id": 11, "node": 1, "status": 1, "u_ref": 1.02, "sk": 1e10})
    assert len(read_grid(written(tmp_path, two)).wires["source"]) == 2
    off = with_rows("source", {"id": 11, "node": 1, "status": 0, "u_ref": 1.0, "sk": 1e10})
    assert len(read_grid(written(tmp_path, off)).wires["source"]) == 2
    joined = read_grid(written(tmp_path, with_rows("link", LINK)))
    assert len(joined.wires["link"]) == 1


def without_id(component: str) -> dict[str, Any]:
    changed = with_rows(component, name="it")
    del changed["data"][component][0]["id"]
    return changed


NO_INPUT = "is not a power-grid-model input"
CASES: list[tuple[Any, str]] = [
    (document(type="sym_output"), f"{NO_INPUT}: type is 'sym_output'"),
    (document(type="update"), f"{NO_INPUT}: type is 'update'"),
    (document(is_batch=True), f"{NO_INPUT}: is_batch is True"),
    (document(data={"node": 5}), f"{NO_INPUT}: node is no list of rows"),
    (without_id("line"), f"{NO_INPUT}: line, row 0 (it): has no id"),
    (without_id("node"), f"{NO_INPUT}: node, row 0 (it): has no id"),
    (with_rows("source", id="ten"), f"{NO_INPUT}: source, row 0: has no id"),
    ({"data": DATA}, NO_INPUT),
    ("[]", "is neither a power-grid-model input nor a pandapower net"),
    ("{", "is not JSON"),
    ("\0", "is no text: byte 0 is NUL"),
    ("[" * 100_000, "is not JSON"),
    (
        with_rows("line", to_node=1),
        "line 20: joins busbar of 400 V and node 1 of 20000 V: a transformer is needed",
    ),
    (
        with_rows("link", {**LINK, "from_node": 1}),
        "link 77: joins node 1 of 20000 V and node 3 of 400 V: a transformer is needed",
    ),
    (
        with_rows("source", {"id": 11, "node": 1, "status": 1, "u_ref": 1.03, "sk": 1e10}),
        "source 11: u_ref: 1.03 pu at node 1, which another source holds at 1.02 pu",
    ),
    (
        with_rows(
            "source",
            {"id": 11, "node": 1, "status": 1, "u_ref": 1.02, "u_ref_angle": 0.1, "sk": 1e10},
        ),
        "source 11: u_ref",
    ),
    (with_rows("source", u_ref=None), "source"),
    (with_rows("line", r1=None), "line"),
    (with_rows("transformer", i0=-0.4), "transformer.i0"),
    (with_rows("transformer", uk=None), "transformer"),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_what_is_no_grid_is_refused_in_one_line(tmp_path: Path, number: int) -> None:
    content, said = CASES[number]
    with pytest.raises(GridError) as refusal:
        read_grid(written(tmp_path, content))
    assert said in str(refusal.value)
    assert str(refusal.value).startswith(str(tmp_path / "grid.json"))
    assert "\n" not in str(refusal.value)


def test_a_pipe_is_no_grid(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "grid.json")
    with pytest.raises(GridError, match="is a named pipe, no file"):
        read_grid(tmp_path / "grid.json")
