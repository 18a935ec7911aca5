"""Counts, moments and commands as every line to a reader has them."""

import shlex
import subprocess
from pathlib import Path

import pytest

from gridbourse import commands
from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.text import many, moment


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (many(1, "bid"), "1 bid"),
        (many(0, "bid"), "0 bids"),
        (many(1_200, "bid"), "1,200 bids"),
        (many(2, "entry", "entries"), "2 entries"),
        (many(1, "entry", "entries"), "1 entry"),
        (moment(1_469_354_400), "2016-07-24 10:00 UTC"),
        (moment(1_469_354_401), "2016-07-24 10:00:01 UTC"),
    ],
)
def test_counts_and_moments(said: str, expected: str) -> None:
    assert said == expected


def test_a_command_is_what_a_shell_takes() -> None:
    name = 'it\'s "the" $roof'
    line = commands.command("crowdsale", "claim", commands.quoted(name))
    assert shlex.split(line)[1:] == ["-m", "scripts.crowdsale", "claim", name]


def test_the_remark_stays_off_the_line_that_is_copied() -> None:
    first, second = commands.next_line("do", "it (all)").splitlines()
    assert (first, second) == ("Next     do", "         it (all)")


@pytest.mark.parametrize("where", [CHECKOUT, CHECKOUT / "scripts", Path("/")])
def test_the_interpreter_is_found_from_where_the_reader_stands(
    where: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(where)
    line = f"{commands.interpreter()} -c 'import sys, web3; print(sys.prefix)'"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if where == CHECKOUT:
        assert commands.interpreter() == ".venv/bin/python"


def test_a_help_text_names_the_commands_as_they_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)
    assert commands.with_interpreter("python -m scripts.check out") == (
        ".venv/bin/python -m scripts.check out"
    )
