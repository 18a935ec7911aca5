"""docs/GLOSSARY.md names places that exist, and every contract that is deployed."""

import re
from collections import Counter
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
CONTRACTS = CHECKOUT / "contracts"
ROW = re.compile(r"^\| (?!term |---)([^|]+) \|[^|]+\|([^|]+)\|[^|]*\|$", re.MULTILINE)


def rows() -> list[tuple[str, list[str]]]:
    page = (CHECKOUT / "docs" / "GLOSSARY.md").read_text("utf-8")
    return [(term, re.findall(r"`([^`]+)`", where)) for term, where in ROW.findall(page)]


def is_contract(place: str) -> bool:
    return "/" in place and not place.endswith((".py", "/"))


def test_each_term_stands_once_and_has_a_place() -> None:
    terms = [term for term, _ in rows()]
    assert terms
    assert len(terms) == len(set(terms))
    assert [term for term, places in rows() if not places] == []


def test_each_place_exists() -> None:
    missing = [
        place
        for _, places in rows()
        for place in places
        if not (
            (CONTRACTS / f"{place}.sol").is_file()
            if is_contract(place)
            else any((room / place).exists() for room in (CHECKOUT / "gridbourse", CHECKOUT))
        )
    ]
    assert missing == []


def test_each_contract_that_is_deployed_has_a_term() -> None:
    named = {place.split("/")[-1] for _, places in rows() for place in places if is_contract(place)}
    deployed = {
        name
        for path in CONTRACTS.rglob("*.sol")
        for name in re.findall(r"^contract (\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert deployed - named == set()


def test_a_word_that_meant_several_things_means_one() -> None:
    """Each of these was the name of three to five classes; now of one at most."""
    sources = [
        path
        for name in ("gridbourse", "oracle", "replay")
        for path in (CHECKOUT / name).rglob("*.py")
    ]
    defined = Counter(
        name
        for path in sources
        for name in re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE)
    )
    parted = ("Session", "Terms", "Asked", "Call", "Able", "Prices", "Finding", "Tender", "Entry")
    assert {name: defined[name] for name in parted if defined[name] > 1} == {}
