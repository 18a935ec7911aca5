"""A Python without the packages says what to type: one line, exit code 2, no traceback."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gridbourse.chain.node.compiler import CHECKOUT

SCRIPTS = sorted(
    path.stem
    for path in (CHECKOUT / "scripts").glob("*.py")
    if "__main__" in path.read_text(encoding="utf-8")
)


def bare(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m` under a Python without site-packages, in a checkout."""
    command = [sys._base_executable, "-S", "-m", *arguments]  # type: ignore[attr-defined]
    return subprocess.run(
        command, cwd=root, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_command_says_what_to_type(script: str) -> None:
    done = bare(CHECKOUT, f"scripts.{script}", "--help", "two words")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith(f": .venv/bin/python -m scripts.{script} --help 'two words'")


def test_what_it_says_works_as_typed() -> None:
    (line,) = bare(CHECKOUT, "scripts.compile", "--help").stderr.splitlines()
    _, _, typed = line.partition("its own: ")
    done = subprocess.run(
        typed, shell=True, cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: .venv/bin/python -m scripts.compile")


def test_a_benchmark_says_so_as_well() -> None:
    done = bare(CHECKOUT, "benchmarks.gas")
    assert done.returncode == 2
    assert done.stderr.endswith(": .venv/bin/python -m benchmarks.gas\n")


def test_before_make_setup_it_is_named(tmp_path: Path) -> None:
    shutil.copytree(
        CHECKOUT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__")
    )
    done = bare(tmp_path, "scripts.check", "out/demo")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert re.search(
        r"is not set up here \(\w+ is missing\): make setup, then \.venv/bin/python -m scripts\.check"
        r" out/demo$",
        line,
    )
