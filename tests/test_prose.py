"""A docstring begins with the thing it is about, never with What, Who or Where."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDERS = ("gridbourse", "oracle", "replay", "scripts", "benchmarks", "scenarios")


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of the docstrings of a module, its classes, functions and constants."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.lineno, text


def test_docstrings_begin_with_a_noun_or_a_verb():
    found = [
        f"{path.relative_to(CHECKOUT)}:{line}"
        for folder in FOLDERS
        for path in (CHECKOUT / folder).rglob("*.py")
        for line, text in texts(ast.parse(path.read_text("utf-8")))
        if re.match(r"(What|Who|Where)\b", text)
    ]
    assert found == []


def test_cannot_is_one_word():
    found = [
        f"{path.relative_to(CHECKOUT)}"
        for folder in (*FOLDERS, "docs", "tests")
        for pattern in ("*.py", "*.md")
        for path in (CHECKOUT / folder).rglob(pattern)
        if re.search(r"\bcan not\b", path.read_text("utf-8")) and path != Path(__file__).resolve()
    ]
    assert found == []
