"""Find the Solidity compiler: one already installed, else py-solc-x's download, else the npm one.

Whichever is found is entered as ``.venv/solcx/solc-v<version>``, where py-solc-x and
brownie look for it (see ``tools/make-venv``). ``SOLCX_BINARY_PATH`` names another folder.
"""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import requests
import solcx
from packaging.version import Version
from solcx.install import BINARY_DOWNLOAD_BASE
from solcx.wrapper import get_solc_version

from gridbourse.errors import GridbourseError

CHECKOUT = Path(__file__).resolve().parents[3]
PROBE_TIMEOUT_S = 4.0


class CompilerNotFoundError(GridbourseError):
    """No solc of the wanted version is installed, downloadable, or in node_modules."""


def find_solc(version: str, checkout: Path = CHECKOUT) -> Path:
    """Path of a solc executable of exactly ``version`` (such as "0.8.37").

    Raises :class:`CompilerNotFoundError`, saying what to do, when every way fails.
    """
    folder = Path(os.environ.get("SOLCX_BINARY_PATH") or checkout / ".venv" / "solcx").absolute()
    entry = folder / f"solc-v{version}"
    if _answers(entry, version):
        return entry
    folder.mkdir(parents=True, exist_ok=True)

    ways: list[Callable[[Path], None]] = [
        *(partial(_link, found) for found in _installed(version)),
        partial(_download, version),
        partial(_link, checkout / "tools" / "solc"),
    ]
    for enter in ways:
        entry.unlink(missing_ok=True)  # what is there does not answer
        enter(entry)
        if _answers(entry, version):
            return entry
    entry.unlink(missing_ok=True)
    raise CompilerNotFoundError(
        f"no solc {version}: not installed, not downloadable, and not in node_modules; "
        f"run `make setup`, or put solc {version} on PATH"
    )


def _installed(version: str) -> list[Path]:
    """Where an earlier py-solc-x or the system may have put the version."""
    on_path = shutil.which("solc")
    return [Path.home() / ".solcx" / f"solc-v{version}", *([Path(on_path)] if on_path else [])]


def _link(found: Path, entry: Path) -> None:
    entry.symlink_to(os.path.relpath(found, entry.parent))


def _download(version: str, entry: Path) -> None:
    """py-solc-x sets no time limit, so ask first whether the host is there at all."""
    try:
        listing = BINARY_DOWNLOAD_BASE.format("linux-amd64", "list.json")
        requests.head(listing, timeout=PROBE_TIMEOUT_S)
        solcx.install_solc(version, solcx_binary_path=entry.parent)
    except (OSError, solcx.exceptions.SolcInstallationError, solcx.exceptions.DownloadError):
        return  # out of reach, or the binary does not run here: the next way is tried


def _answers(solc: Path, version: str) -> bool:
    """Whether the executable runs and says it is this version."""
    try:
        return get_solc_version(solc) == Version(version)
    except Exception:  # whatever a broken executable makes of the question, it is not usable
        return False
