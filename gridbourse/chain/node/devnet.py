"""anvil as a development chain: a child process of one command, or a standing one on record.

Pinned to what the contracts are compiled for and to what a permissioned network gives: ``paris``,
30 M gas a block, base fee 0, so that ``gasPrice=0`` is always enough.
"""

import ctypes
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import urlsplit

import psutil
import requests

from gridbourse.chain.node.answers import http_session
from gridbourse.errors import GridbourseError

CHECKOUT = Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"
DEFAULT_PORT = 8545
CHAIN_ID = 31337
BLOCK_GAS_LIMIT = 30_000_000
HARDFORK = "paris"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
STATE_INTERVAL_S = 30
STATES_KEPT = 500
"""Of past blocks, in memory. anvil would keep the others on disk below HOME, and leave them when killed."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class DevnetError(GridbourseError):
    """anvil is missing, does not start, or ends early."""


class PortInUseError(DevnetError):
    """Something already listens on the port a devnet was to use."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"port {port} on {HOST} is in use: stop what listens there or take another"
        )
        self.port = port


@dataclass(frozen=True)
class NodeRecord:
    """A standing devnet, as written down for the commands that come after."""

    pid: int
    rpc_url: str
    chain_id: int

    def alive(self) -> bool:
        """Whether the recorded process is still there, and no later one with its number.

        Its command tells: the time of its start, as the system gives it, moves when the clock is set.
        """
        port = str(urlsplit(self.rpc_url).port)
        try:
            process = psutil.Process(self.pid)
            command, ended = process.cmdline(), process.status() == psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        return not ended and ["--port", port] in [command[i : i + 2] for i in range(len(command))]


class Devnet:
    """anvil as a child process; it ends with the ``with`` block, at the latest with this process.

    ``port=None`` takes a free one. ``state`` is a file that the chain is loaded from and saved to.
    Enter it from a thread that lives as long as the chain: the kernel ends anvil with that thread.
    """

    def __init__(
        self,
        port: int | None = None,
        chain_id: int = CHAIN_ID,
        gas_limit: int = BLOCK_GAS_LIMIT,
        state: Path | None = None,
    ) -> None:
        self.port = free_port() if port is None else port
        self.chain_id = chain_id
        self._command = _command(self.port, chain_id, gas_limit, state)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def rpc_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise DevnetError("the devnet has not been started")
        return self._process.pid

    def __enter__(self) -> "Devnet":
        refuse_port_in_use(self.port)
        with tempfile.TemporaryFile() as output:  # a pipe that nobody reads would fill and stall it
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_die_with(os.getpid()) if sys.platform == "linux" else None,
            )
            try:
                _wait_until_it_answers(self._process, self.rpc_url, output)
            except BaseException:
                self.stop()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End anvil, gently first so that it can save its state. Harmless when it has ended."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start_standing(port: int, folder: Path, state: Path | None = None) -> NodeRecord:
    """Start a devnet that outlives this process; its record and its log go into ``folder``."""
    refuse_port_in_use(port)
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://{HOST}:{port}"
    with (folder / "anvil.log").open("w+b") as output:
        process = subprocess.Popen(
            _command(port, CHAIN_ID, BLOCK_GAS_LIMIT, state),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait_until_it_answers(process, url, output)
        except BaseException:
            process.kill()
            process.wait()
            raise
    record = NodeRecord(process.pid, url, CHAIN_ID)
    record_file(folder).write_text(json.dumps(asdict(record), indent=2) + "\n")
    return record


def stop_standing(folder: Path) -> NodeRecord | None:
    """End the recorded devnet and remove its record; None when there was none."""
    record = read_record(folder)
    if record is None:
        return None
    if record.alive():
        process = psutil.Process(record.pid)
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)
    record_file(folder).unlink(missing_ok=True)
    return record


def devnet_folder(checkout: Path = CHECKOUT) -> Path:
    """Where the standing devnet of a checkout is written down."""
    return checkout / "deployments" / "devnet"


def record_file(folder: Path) -> Path:
    return folder / "node.json"


def read_record(folder: Path) -> NodeRecord | None:
    """The record of a standing devnet, alive or not; None when there is none."""
    try:
        return NodeRecord(**json.loads(record_file(folder).read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise DevnetError(f"{record_file(folder)} is not a devnet record: remove it") from error


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def refuse_port_in_use(port: int) -> None:
    """Raise :class:`PortInUseError` when something listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortInUseError(port) from error


def find_anvil(checkout: Path = CHECKOUT) -> Path:
    """The anvil binary itself: the npm shim would be killed in its stead and leave it running."""
    system = platform.system().lower()
    processor = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"@foundry-rs/anvil-{system}-{processor}"
    binary = checkout / "node_modules" / package / "bin" / "anvil"
    if binary.exists():
        return binary
    if on_path := shutil.which("anvil"):
        return Path(on_path)
    raise DevnetError(
        f"no anvil: {package} is not in node_modules; `make setup`, or put it on PATH"
    )


def _command(port: int, chain_id: int, gas_limit: int, state: Path | None) -> list[str]:
    command = [str(find_anvil()), "--quiet", "--host", HOST, "--port", str(port)]
    command += ["--chain-id", str(chain_id), "--hardfork", HARDFORK, "--gas-limit", str(gas_limit)]
    command += ["--block-base-fee-per-gas", "0", "--gas-price", "0", "--disable-min-priority-fee"]
    command += ["--prune-history", str(STATES_KEPT)]
    if state is not None:
        state.parent.mkdir(parents=True, exist_ok=True)
        command += ["--state", str(state), "--state-interval", str(STATE_INTERVAL_S)]
    return command


def _die_with(parent: int) -> Callable[[], None]:
    """To run in the child before anvil: have the kernel end it when the parent is gone."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it went before the tie was made
            os._exit(1)

    return tie


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str, output: IO[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    question = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DevnetError(f"anvil ended with code {process.returncode}{_last_words(output)}")
        try:
            with http_session(url) as session:
                session.post(url, json=question, timeout=1).raise_for_status()
            return
        except requests.RequestException:
            time.sleep(0.05)
    raise DevnetError(f"anvil does not answer at {url} after {START_TIMEOUT_S:.0f} s")


def _last_words(output: IO[bytes]) -> str:
    output.seek(0)
    lines = output.read().decode(errors="replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""
