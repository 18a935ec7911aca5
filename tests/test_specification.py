"""SPECIFICATION.md stays what it says it is: numbered, complete, each sentence held by tests that exist."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "SPECIFICATION.md"
WITHOUT_TEST: frozenset[str] = frozenset()
"""Numbers of the sentences that may say `[no test yet]`."""

CHAPTER = re.compile(r"## (\d+) \S.*")
SENTENCE = re.compile(r"(\d+)\.(\d+) (.*?\.)\s*((?:\[[^\]]+\]\s*)*)", re.DOTALL)
NO_TEST = "no test yet"
NAME = re.compile(r"`([A-Z][a-z]\w*)`")


@dataclass(frozen=True)
class Sentence:
    """One numbered rule and what follows it in brackets."""

    chapter: int
    place: int
    held_by: tuple[str, ...]

    @property
    def number(self) -> str:
        return f"{self.chapter}.{self.place}"


def faults(page: str) -> Iterator[str]:
    """Everything that is wrong with the page."""
    sentences = []
    chapter = 0
    for paragraph in re.split(r"\n\s*\n", page):
        if heading := CHAPTER.fullmatch(paragraph.strip()):
            chapter += 1
            if int(heading[1]) != chapter:
                yield f"chapter {heading[1]} comes where {chapter} should"
        elif chapter and (found := SENTENCE.fullmatch(paragraph.strip())):
            held_by = re.findall(r"\[([^\]]+)\]", found[4])
            sentences.append(Sentence(int(found[1]), int(found[2]), tuple(held_by)))
            place = sum(s.chapter == chapter for s in sentences)
            if sentences[-1].number != f"{chapter}.{place}":
                yield f"{sentences[-1].number} comes where {chapter}.{place} should"
        elif chapter:
            yield f"no numbered sentence: {paragraph.strip()[:60]!r}"
    if not sentences:
        yield "no sentence at all"
    for sentence in sentences:
        yield from _faults_of(sentence)
    yield from (f"{error} is not mentioned" for error in sorted(errors() - named(page)))
    yield from (f"{name} is no name of ours" for name in sorted(named(page) - names()))


def _faults_of(sentence: Sentence) -> Iterator[str]:
    if sentence.held_by == (NO_TEST,):
        if sentence.number not in WITHOUT_TEST:
            yield f"{sentence.number} has no test"
        return
    if not sentence.held_by:
        yield f"{sentence.number} names no test"
    for reference in sentence.held_by:
        path, _, name = reference.partition("::")
        if name.split("[")[0] not in found_in(path):
            yield f"{sentence.number}: there is no test {reference}"


@cache
def found_in(path: str) -> frozenset[str]:
    """Names of the tests a file of `tests/` holds."""
    file = CHECKOUT / path
    if not path.startswith("tests/") or not file.is_file():
        return frozenset()
    nodes = ast.walk(ast.parse(file.read_text()))
    functions = (node.name for node in nodes if isinstance(node, ast.FunctionDef))
    return frozenset(name for name in functions if name.startswith("test_"))


def named(page: str) -> set[str]:
    """Words in code that begin like the name of an error, event or exception."""
    return set(NAME.findall(page))


@cache
def errors() -> frozenset[str]:
    """Every custom error of the contracts."""
    return frozenset(_declared("contracts", "sol", r"^\s*error (\w+)\("))


@cache
def names() -> frozenset[str]:
    """Every error and event of the contracts and every class of the Python packages."""
    found = set(errors()) | _declared("contracts", "sol", r"^\s*event (\w+)\(")
    for package in ("gridbourse", "oracle", "replay"):
        found |= _declared(package, "py", r"^class (\w+)")
    return frozenset(found)


def _declared(folder: str, ending: str, pattern: str) -> set[str]:
    files = (CHECKOUT / folder).rglob(f"*.{ending}")
    return {name for file in files for name in re.findall(pattern, file.read_text(), re.MULTILINE)}


def test_the_page_is_numbered_complete_and_held_by_tests():
    assert list(faults(PAGE.read_text())) == []


def test_what_may_lack_a_test_does():
    """A sentence that has got its test leaves the list."""
    page = PAGE.read_text()
    lacking = re.findall(r"^(\d+\.\d+) [^\[]*\[no test yet\]", page, re.MULTILINE)
    assert frozenset(lacking) == WITHOUT_TEST


def guide(page: str) -> list[str]:
    """Anchors that the tables of "How to read" link."""
    found = re.search(r"\n## How to read\n(.*?)\n## 1 ", page, re.DOTALL)
    assert found
    return re.findall(r"\]\(#([^)]+)\)", found[1])


def anchors(page: str) -> set[str]:
    """Anchor of each chapter, as GitHub makes it."""
    titles = re.findall(r"^## (\d+ .+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_how_to_read_links_every_chapter_and_nothing_else():
    page = PAGE.read_text()
    assert anchors(page)
    assert set(guide(page)) == anchors(page)


def test_a_link_of_how_to_read_has_the_title_of_its_chapter():
    page = PAGE.read_text()
    titles = set(re.findall(r"^## (\d+ .+)$", page, re.MULTILINE))
    linked = re.findall(r"\[([^\]]+)\]\(#\d", page)
    assert set(linked) == titles


@pytest.mark.parametrize(
    ("former", "other", "fault"),
    [
        ("\n\n2.2 ", "\n\n2.3 ", "2.3 comes where 2.2 should"),
        ("\n\n## 3 ", "\n\n## 4 ", "chapter 4 comes where 3 should"),
        ("\n\n3.2 ", "\n\nAnd 3.2 ", "no numbered sentence"),
        ("::test_nobody_else_mints]", "::test_nobody_mints]", "2.2: there is no test"),
        ("[tests/contracts/test_registry.py::", "[contracts/Registry.py::", "there is no test"),
        ("`TickFull`", "an error", "TickFull is not mentioned"),
        ("`TickFull`", "`TickFull`, `TickEmpty`", "TickEmpty is no name of ours"),
        ("test_nobody_else_mints]\n", "test_nobody_else_mints]\n\n2.3 So.\n\n", "2.3 names no test"),
        ("test_nobody_else_mints]\n", "test_nobody_else_mints]\n\n2.3 So. [no test yet]\n\n", "2.3 has"),
    ],
)  # fmt: skip
def test_a_page_that_is_wrong_is_found_out(former, other, fault):
    page = PAGE.read_text()
    assert former in page
    found = list(faults(page.replace(former, other)))
    assert any(fault in line for line in found), found
