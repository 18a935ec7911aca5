"""Docstrings begin with a noun or a verb: "Result of a clearing", not "What a clearing found"."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PLACES = (
    "benchmarks/**/*.py",
    "gridbourse/**/*.py",
    "replay/**/*.py",
    "scripts/**/*.py",
)
QUESTION = re.compile(r"(What|Who|Where)\b")


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string that stands as a statement, that of a constant included."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text.lstrip()


def question_words(source: str) -> list[int]:
    """Lines of the docstrings that begin with a question word."""
    return [line for line, text in docstrings(source) if QUESTION.match(text)]


def files(place: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", f":(glob){place}"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [CHECKOUT / name for name in listed.split("\0") if name]


@pytest.mark.parametrize("place", PLACES)
def test_docstrings_do_not_begin_with_a_question_word(place: str) -> None:
    paths = files(place)
    assert paths, f"no file matches {place}"
    found = [
        f"{path.relative_to(CHECKOUT)}:{line}"
        for path in paths
        if path.exists()
        for line in question_words(path.read_text("utf-8"))
    ]
    assert found == []


def test_module_class_function_and_constant_are_looked_at() -> None:
    source = '''"""What a module holds."""
LIMIT = 1
"""Where it ends."""
class Result:
    """Who gets what."""
    def value(self):
        """
        What it is worth.
        """
def whatever():
    """Whatever comes first."""
'''
    assert question_words(source) == [1, 3, 5, 7]
