"""Commands that a reader is told to type. They work as printed, from the reader's folder.

Values that only the reader knows are in capitals: NAME, FILE, EUR.
"""

import os
import shlex
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def command(script: str, *words: str) -> str:
    """Shell command that runs `scripts.SCRIPT`; words: as the shell takes them (see `quoted`)."""
    return " ".join((interpreter(), "-m", f"scripts.{script}", *(word for word in words if word)))


def quoted(value: object) -> str:
    """Value as one word of a shell command."""
    return shlex.quote(str(value))


def next_line(what: str, remark: str = "") -> str:
    """Line that names `what` as next; the remark is below, so that the command can be copied whole."""
    return f"Next     {what}" + (f"\n         {remark}" if remark else "")


def interpreter() -> str:
    """Path of this Python for a shell: the checkout's environment, relative to here."""
    ours = CHECKOUT / ".venv"
    python = Path(sys.executable)
    if ours.is_dir() and ours.resolve() == Path(sys.prefix).resolve():
        python = ours / "bin" / "python"
    here = Path.cwd()
    if here.is_relative_to(CHECKOUT) and python.is_relative_to(CHECKOUT):
        return quoted(os.path.relpath(python, here))
    return quoted(python)


def with_interpreter(text: str) -> str:
    """Help text whose commands begin with `python -m`, with the Python that runs them."""
    return text.replace("python -m ", f"{interpreter()} -m ")
