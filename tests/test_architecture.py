"""docs/ARCHITECTURE.md draws the imports and calls that there are, and answers by functions that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = (CHECKOUT / "docs" / "ARCHITECTURE.md").read_text("utf-8")
PACKAGES = ("gridbourse", "oracle", "replay", "scripts")


def room(module: str) -> str:
    """Package below gridbourse, or the package itself."""
    first, *rest = module.split(".")
    if first == "gridbourse" and rest and (CHECKOUT / first / rest[0]).is_dir():
        return rest[0]
    return first


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def imports() -> set[tuple[str, str]]:
    return {
        (room(".".join(path.relative_to(CHECKOUT).with_suffix("").parts)), room(module))
        for package in PACKAGES
        for path in (CHECKOUT / package).rglob("*.py")
        for module in imported(path)
        if module.split(".")[0] in PACKAGES
    }


def below(package: str, arrows: set[tuple[str, str]]) -> set[str]:
    """Packages that arrows lead to, over others too."""
    found: set[str] = set()
    for one, other in arrows:
        if one == package:
            found |= {other} | below(other, arrows)
    return found


def test_the_packages_import_as_drawn() -> None:
    """An arrow is an import, and an import is an arrow or a way along several."""
    real = {
        (one, other)
        for one, other in imports()
        if one != other and "gridbourse" not in (one, other)
    }
    drawn = set(re.findall(r"^ +(\w+) --> (\w+)$", PAGE, re.MULTILINE))
    assert drawn <= real
    assert {(one, other) for one, _ in real for other in below(one, drawn)} >= real
    short = {(one, other) for one, other in drawn if other in below(one, drawn - {(one, other)})}
    assert not short, "an arrow beside a longer way says nothing"


def with_bases(name: str, sources: dict[str, str]) -> str:
    text = sources[name]
    heads = re.findall(r"^(?:abstract )?contract \w+ is ([^{]+)\{", text, re.MULTILINE)
    bases = [base for head in heads for base in re.findall(r"\w+", head) if base in sources]
    return text + "".join(with_bases(base, sources) for base in bases if not base.startswith("I"))


def test_the_contracts_know_whom_they_call() -> None:
    sources = {
        path.stem: path.read_text("utf-8") for path in (CHECKOUT / "contracts").rglob("*.sol")
    }
    calls = re.findall(r"^ +(\w+) ==> (\w+)$", PAGE, re.MULTILINE)
    assert calls
    wrong = [
        (caller, called)
        for caller, called in calls
        if not re.search(
            rf"\bI?{called} (?:\w+ )*\w+[;,)]|\bI?{called}\(", with_bases(caller, sources)
        )
    ]
    assert wrong == []


def test_each_answer_is_there() -> None:
    answers = re.findall(r"\| `([\w/]+\.(?:py|sol))`, `(\w+)` \|$", PAGE, re.MULTILINE)
    assert len(answers) >= 10
    missing = [
        (file, function)
        for file, function in answers
        if not re.search(rf"\b(?:def|function) {function}\(", (CHECKOUT / file).read_text("utf-8"))
    ]
    assert missing == []


MOST_LINES = 400
GAS_CRITICAL = {
    "AuctionBoard", "Campaign", "FlexibilityAdmission", "FlexibilityDelivery", "FlexibilityLedger",
    "OrderBook", "ParticipantRegistry", "Settlement",
}  # fmt: skip
"""Contracts that are one file for the sake of their gas or code size."""


def test_no_file_is_long() -> None:
    """Python beside the tests, and contracts; a contract that became short is to leave the list."""
    packages = ("gridbourse", "oracle", "replay", "scripts", "scenarios", "benchmarks")
    sources = [file for name in packages for file in (CHECKOUT / name).rglob("*.py")]
    sources += (CHECKOUT / "contracts").rglob("*.sol")
    lengths = {file: len(file.read_text("utf-8").splitlines()) for file in sources}
    long = {
        file.stem if file.suffix == ".sol" else str(file)
        for file, n in lengths.items()
        if n > MOST_LINES
    }
    assert long == GAS_CRITICAL
