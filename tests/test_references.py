"""Each citation is by a key of docs/REFERENCES.md, and each key there is of use."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "docs" / "REFERENCES.md"
ROOMS = (
    "gridbourse",
    "oracle",
    "replay",
    "scripts",
    "scenarios",
    "contracts",
    "tests",
    "benchmarks",
    "docs",
)
ENDINGS = (".py", ".md", ".sol")
EXEMPT: tuple[str, ...] = ()
"""Endings of files that may still cite documents no reader has."""

KEY = re.compile(r"\[([A-Z][A-Za-z]+(?:(?:19|20)\d\d|-nd))\](?!\()")
ENTRY = re.compile(r"^\| \[([^\]]+)\] \| (Background\. )?", re.MULTILINE)
UNREACHABLE = re.compile(r"\bDOMAIN (rows?\b|[A-Z]\d)|\b[Ss]eeds? 00\d\b")


def sources() -> list[Path]:
    top = [path for path in CHECKOUT.iterdir() if path.is_file()]
    below = [path for room in ROOMS for path in (CHECKOUT / room).rglob("*") if path.is_file()]
    left_out = {PAGE, Path(__file__).resolve()}
    return [path for path in top + below if path.suffix in ENDINGS and path not in left_out]


def cited() -> dict[str, Path]:
    return {key: path for path in sources() for key in KEY.findall(path.read_text("utf-8"))}


def test_each_key_cited_has_an_entry() -> None:
    entries = {key for key, _ in ENTRY.findall(PAGE.read_text("utf-8"))}
    assert {key: path for key, path in cited().items() if key not in entries} == {}


def test_each_entry_is_cited_or_background() -> None:
    used = cited()
    entries = ENTRY.findall(PAGE.read_text("utf-8"))
    assert entries
    assert [key for key, background in entries if (key in used) == bool(background)] == []


def test_nothing_cites_a_document_that_no_reader_has() -> None:
    cites = [
        f"{path.relative_to(CHECKOUT)}: {line.strip()}"
        for path in sources()
        if path.suffix not in EXEMPT
        for line in path.read_text("utf-8").splitlines()
        if UNREACHABLE.search(line)
    ]
    assert cites == []
