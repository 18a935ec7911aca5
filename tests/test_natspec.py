"""All that somebody outside a contract calls, decodes or catches says in plain words what it is."""

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
CONTRACTS = CHECKOUT / "contracts"
DECLARED = re.compile(r"^ *(?:abstract )?(function|event|error|contract|library|interface) (\w+)")
REACHED = re.compile(r"\b(?:external|public)\b")
SAID = re.compile(r"@notice \S|@inheritdoc \S")
TITLED = re.compile(r"@notice \S|@title \S")


def silent(source: str) -> Iterator[str]:
    """Kinds and names of declarations without a notice, of their own or of what they implement."""
    lines = source.splitlines()
    for number, line in enumerate(lines):
        declared = DECLARED.match(line)
        if declared is None or not _is_reached(declared.group(1), lines[number:]):
            continue
        above = takewhile(lambda text: text.strip().startswith("///"), reversed(lines[:number]))
        wanted = SAID if line.startswith(" ") else TITLED
        if not any(wanted.search(text) for text in above):
            yield " ".join(declared.groups())


def _is_reached(kind: str, lines: list[str]) -> bool:
    head = re.split(r"[{;]", "\n".join(lines), maxsplit=1)[0]
    return kind != "function" or REACHED.search(head) is not None


def test_all_that_is_reached_from_outside_has_a_notice() -> None:
    files = sorted(CONTRACTS.rglob("*.sol"))
    assert files
    found = {
        str(path.relative_to(CONTRACTS)): names
        for path in files
        if (names := list(silent(path.read_text("utf-8"))))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("declaration", "name"),
    [
        ("error Refused(uint256 wh);", "error Refused"),
        ("event Done(uint256 wh);", "event Done"),
        ("function ask() external {}", "function ask"),
        (
            "function ask(\n        uint256 wh\n    ) public view returns (uint256) {}",
            "function ask",
        ),
        ("/// @dev Only for who builds\n    error Refused();", "error Refused"),
        ("/// @notice Of another\n    uint256 x;\n    error Refused();", "error Refused"),
        ("/// @notice Refused\n    error Refused();", None),
        ("/// @notice Refused\n    ///         for long\n    error Refused();", None),
        ("/// @inheritdoc IOther\n    function ask() external {}", None),
        ("function ask() internal {}", None),
        ("function ask() private returns (uint256) {\n        external();\n    }", None),
    ],
)
def test_what_says_nothing_is_found(declaration: str, name: str | None) -> None:
    source = f"/// @title One\ncontract One {{\n    {declaration}\n}}\n"
    assert list(silent(source)) == ([name] if name else [])


def test_a_contract_says_what_it_is_for() -> None:
    assert list(silent("abstract contract One {}\n")) == ["contract One"]
