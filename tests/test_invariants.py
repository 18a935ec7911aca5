"""Invariants in contracts/README.md name contracts and tests that exist."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "contracts" / "README.md"
ROW = re.compile(r"^\| (?!kind |---)([^|]+) \| ([^|]+) \| ([^|]+) \| `([^|`]+)` \|$", re.MULTILINE)


def rows() -> list[tuple[str, str, list[str], str]]:
    """Kind, invariant, contracts that hold it, and test."""
    section = PAGE.read_text("utf-8").split("## Invariants\n")[1].split("\n## ")[0]
    found = [
        (kind, text, re.findall(r"`([^`]+)`", by), test)
        for kind, text, by, test in ROW.findall(section)
    ]
    assert len(found) == sum(line.startswith("| ") for line in section.splitlines()) - 1
    return found


def _is_there(test: str) -> bool:
    file, name = test.split("::")
    path = CHECKOUT / file if "/" in file else CHECKOUT / "tests" / "contracts" / file
    return path.is_file() and f"def {name}(" in path.read_text("utf-8")


def test_each_kind_is_there() -> None:
    kinds = {kind for kind, *_ in rows()}
    assert {"conservation", "solvency", "bounded agents", "verdicts", "liveness"} <= kinds


def test_each_contract_exists() -> None:
    named = [contract for _, _, contracts, _ in rows() for contract in contracts or [""]]
    assert [n for n in named if not (CHECKOUT / "contracts" / f"{n}.sol").is_file()] == []


def test_each_test_exists() -> None:
    assert [test for *_, test in rows() if not _is_there(test)] == []


def test_a_name_that_is_none_is_found() -> None:
    assert not _is_there("test_cover.py::test_nothing_of_the_kind")
    assert not _is_there("test_no_such_file.py::test_caps_only_fall")
