"""Command lines, as a user gives them: in a checkout of their own, so that no other's devnet is met."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gridbourse.chain.compiler import CHECKOUT, load_artifacts
from gridbourse.chain.connect import connect
from gridbourse.chain.devnet import Devnet

COPIED = (
    "gridbourse", "oracle", "replay", "scripts", "contracts", "scenarios", "build",
    "brownie-config.yaml", "package-lock.json",
)  # fmt: skip
LINKED = ("node_modules", ".venv", "tools")
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources, with deployment records and a standing devnet of their own."""
    load_artifacts()  # compiled once, here
    root = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root)
    for name in LINKED:
        (root / name).symlink_to(CHECKOUT / name)
    return root


def environment(**more: str) -> dict[str, str]:
    """This one's, without the secret a developer may have set."""
    kept = {key: value for key, value in os.environ.items() if key != "GRIDBOURSE_SECRET"}
    return kept | {"COLUMNS": "120"} | more


@pytest.fixture(scope="session")
def command(checkout: Path) -> Command:
    """Run `python -m scripts.NAME ARGUMENTS` in the checkout."""

    def run(name: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"scripts.{name}", *arguments],
            cwd=checkout, env=environment(**env), capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    """RPC address of an anvil on which nothing is deployed."""
    with Devnet() as devnet:
        assert connect(devnet.rpc_url).eth.block_number == 0
        yield devnet.rpc_url


def assert_refused(done: subprocess.CompletedProcess[str], said: str) -> None:
    """Exit code 2 and one line that says why."""
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert said in line
