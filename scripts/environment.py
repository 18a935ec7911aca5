"""Advice on what to type when a command is started by a Python that lacks the packages.

Needs only the standard library, and no newer Python than a system may have.
"""

import importlib.util
import os
import shlex
import sys

NEEDED = ("web3", "eth_account", "solcx", "yaml", "psutil", "numpy", "pandas", "rich", "highspy")
"""A package of every part: where these are present, `make setup` has run to its end."""
BAD_INPUT = 2
CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def require_environment() -> None:
    """End the process, in one line and with exit code 2, where a package is missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(advice(missing[0]) + "\n")
        raise SystemExit(BAD_INPUT)


def advice(missing: str) -> str:
    """Fault and command to type instead."""
    python = os.path.join(CHECKOUT, ".venv", "bin", "python")
    where = os.path.relpath(python) if _within(os.getcwd(), CHECKOUT) else python
    typed = f"{shlex.quote(where)} -m {_module_and_words()}"
    if os.access(python, os.X_OK) and not _is_ours():
        return f"{sys.executable} lacks the package {missing}; gridbourse has its own: {typed}"
    return f"gridbourse is not set up here ({missing} is missing): make setup, then {typed}"


def _module_and_words() -> str:
    """Words typed after `python -m`."""
    typed = list(getattr(sys, "orig_argv", []))  # from Python 3.10 on
    if "-m" not in typed:
        return "scripts.NAME"
    return " ".join(shlex.quote(word) for word in typed[typed.index("-m") + 1 :])


def _is_ours() -> bool:
    """True where it is the checkout's environment itself that lacks the package."""
    return os.path.realpath(sys.prefix) == os.path.realpath(os.path.join(CHECKOUT, ".venv"))


def _within(folder: str, other: str) -> bool:
    return os.path.commonpath((os.path.realpath(folder), os.path.realpath(other))) == (
        os.path.realpath(other)
    )
