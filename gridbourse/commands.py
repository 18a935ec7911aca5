"""The commands a reader is told to type. They work as printed, from where the reader stands.

What only the reader knows stands in capitals: NAME, FILE, EUR.
"""

import os
import shlex
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def command(script: str, *words: str) -> str:
    """The shell command that runs `scripts.SCRIPT`; words: as the shell takes them (see `quoted`)."""
    return " ".join((interpreter(), "-m", f"scripts.{script}", *(word for word in words if word)))


def quoted(value: object) -> str:
    """A value as one word of a shell command."""
    return shlex.quote(str(value))


def next_line(what: str, remark: str = "") -> str:
    """`what` comes next; the remark stands below, so that the command's line can be copied whole."""
    return f"Next     {what}" + (f"\n         {remark}" if remark else "")


def interpreter() -> str:
    """This Python as a shell finds it: the checkout's environment by its path from here."""
    ours = CHECKOUT / ".venv"
    python = Path(sys.executable)
    if ours.is_dir() and ours.resolve() == Path(sys.prefix).resolve():
        python = ours / "bin" / "python"
    here = Path.cwd()
    if here.is_relative_to(CHECKOUT) and python.is_relative_to(CHECKOUT):
        return quoted(os.path.relpath(python, here))
    return quoted(python)


def with_interpreter(text: str) -> str:
    """A help text whose commands begin with `python -m`, with the Python that runs them."""
    return text.replace("python -m ", f"{interpreter()} -m ")
