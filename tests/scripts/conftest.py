"""Command lines, as a user gives them: in a checkout of their own, so that no other's devnet is met."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gridbourse.chain.node.compiler import CHECKOUT, load_artifacts
from gridbourse.chain.node.connect import connect
from gridbourse.chain.node.devnet import Devnet, free_port
from tests.replay.noon import write_scenario

COPIED = (
    "gridbourse", "oracle", "replay", "scripts", "contracts", "scenarios", "build",
    "brownie-config.yaml", "package-lock.json",
)  # fmt: skip
LINKED = ("node_modules", ".venv", "tools")
OF_ENVIRONMENT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "SOLCX_BINARY_PATH")
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources, with deployment records and a standing devnet of their own."""
    return copied(tmp_path_factory.mktemp("checkout"))


def copied(root: Path) -> Path:
    """A checkout in a folder: sources copied, what `make setup` makes linked."""
    load_artifacts()  # compiled once, here
    for name in COPIED:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root)
    for name in LINKED:
        (root / name).symlink_to(CHECKOUT / name)
    return root


def next_commands(said: str) -> list[str]:
    """The lines that a command says to type, as they are printed."""
    return re.findall(r"^Next     (.+)$", said, re.MULTILINE)


def typed(line: str, root: Path, **filled: str) -> subprocess.CompletedProcess[str]:
    """A printed command as a reader types it, with the words in capitals filled in.

    In a shell that knows nothing of the environment: neither activated nor on PATH.
    """
    for capitals, value in filled.items():
        line = re.sub(rf"\b{capitals}\b", value, line)
    system = {key: value for key, value in environment().items() if key not in OF_ENVIRONMENT}
    return subprocess.run(
        line, shell=True, cwd=root, env=system | {"PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


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


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenario(tmp_path_factory.mktemp("scenario"), 0.07)


@pytest.fixture(scope="module")
def devnet(command: Command) -> Iterator[str]:
    """RPC address of the checkout's standing devnet."""
    up = command("devnet", "up", "--port", str(free_port()))
    assert (up.returncode, up.stderr) == (0, "")
    (url,) = re.findall(r"devnet up at (\S+) ", up.stdout)
    yield url
    down = command("devnet", "down")
    assert (down.returncode, down.stdout) == (0, f"devnet at {url} stopped\n")


@pytest.fixture(scope="module")
def record(command: Command, checkout: Path, devnet: str, small: Path) -> Path:
    deployed = command("deploy", str(small))
    assert (deployed.returncode, deployed.stderr) == (0, "")
    assert "CallAuction" in deployed.stdout
    assert "python -m scripts.status --network devnet" in deployed.stdout
    return checkout / "deployments" / "devnet.json"


def assert_refused(done: subprocess.CompletedProcess[str], said: str) -> None:
    """Exit code 2 and one line that says why."""
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert said in line
