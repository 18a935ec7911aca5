"""Refusals and ends that need a process: a chain that dies, a chain that is no devnet, Ctrl-C."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import requests
from eth_account import Account

from gridbourse.chain.deployment.deploy import ROLES
from tests.guard import GUARD_S
from tests.scripts.conftest import Command, assert_refused, environment

SHORT = ["--start", "2016-07-24T10:30Z", "--periods", "2"]


@contextmanager
def node_of_another_kind(url: str) -> Iterator[str]:
    """Hands everything on to an anvil, but says it is a geth: no chain for development keys."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = requests.post(url, json=question, timeout=GUARD_S).json()
            if question["method"] == "web3_clientVersion":
                answer["result"] = "Geth/v1.13.15-stable/linux-amd64/go1.21"
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, "SecretError: GRIDBOURSE_KEYS is not set: development keys are for development chains"),
        ({"GRIDBOURSE_SECRET": "short"}, "SecretError: GRIDBOURSE_SECRET: at least 32 characters, got 5"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("script", ["deploy", "replay"])
def test_a_market_is_not_opened_with_keys_anyone_can_compute(
    command: Command, checkout: Path, node: str, tmp_path: Path, script: str, env: dict[str, str], said: str
) -> None:  # fmt: skip
    before = sorted((checkout / "deployments").glob("*"))
    out = ["--out", str(tmp_path / "out"), *SHORT] if script == "replay" else []
    with node_of_another_kind(node) as url:
        assert_refused(command(script, "--network", url, *out, **env), said)
    assert sorted((checkout / "deployments").glob("*")) == before
    assert not (tmp_path / "out").exists()


def test_a_market_of_consequence_has_a_keystore_for_each_role(
    command: Command, checkout: Path, node: str, small: Path, tmp_path: Path
) -> None:
    """The operator deploys with its own key and everybody else's address; no participant comes with it."""
    folder, password = tmp_path / "keys", "a long enough one"
    folder.mkdir()
    parties = {name.replace(" ", "-"): Account.create() for name in (*ROLES, "gateway", "operator")}
    operator = parties.pop("operator")
    keystore = Account.encrypt(operator.key, password, kdf="scrypt", iterations=2)
    (folder / "operator.json").write_text(json.dumps(keystore))
    addresses = {name: account.address for name, account in parties.items()}
    (folder / "addresses.json").write_text(json.dumps(addresses))
    for address in (operator.address, *addresses.values()):
        call = {"jsonrpc": "2.0", "id": 1, "method": "anvil_setBalance"}
        requests.post(node, json=call | {"params": [address, hex(10**21)]}, timeout=GUARD_S)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with node_of_another_kind(node) as url:
        arguments = (str(small), "--network", url, "--keys", str(folder))
        done = command("deploy", *arguments, GRIDBOURSE_KEYSTORE_PASSWORD=password)
    assert done.returncode == 0, done.stderr
    assert "0 participants" in done.stdout
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    written = (path for path in (checkout / "deployments").rglob("*") if path.is_file())
    kept = "".join(path.read_text(errors="replace") for path in written)
    assert operator.address in kept  # who deployed is no secret
    assert password not in kept + done.stdout
    assert operator.key.hex() not in kept + done.stdout


@pytest.fixture
def running(checkout: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A replay on an anvil of its own, in the middle of its periods, over the result of an earlier one."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "summary.json").write_text("of an earlier run")
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.replay", "--network", "devnet-child", "--out", str(out),
         "--overwrite"],
        cwd=checkout, env=environment(), text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        # A suite that was started in the background passes on that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + GUARD_S
    while not any(out.glob(".unfinished-*/readings/*.csv")):
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


def as_before(tmp_path: Path) -> bool:
    (only,) = (tmp_path / "out").iterdir()
    return only.name == "summary.json" and only.read_text() == "of an earlier run"


def test_a_chain_that_dies_in_the_middle_of_a_run(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    (anvil,) = psutil.Process(running.pid).children()
    assert anvil.name() == "anvil"
    anvil.kill()

    _, said = running.communicate(timeout=GUARD_S)

    assert running.returncode == 2
    (line,) = said.splitlines()
    assert line.startswith("NetworkError: no node answers at http://127.0.0.1:")
    assert as_before(tmp_path)


def test_ctrl_c_in_the_middle_of_a_run(running: subprocess.Popen[str], tmp_path: Path) -> None:
    (anvil,) = psutil.Process(running.pid).children()

    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=GUARD_S)

    assert (running.returncode, said) == (130, "")
    assert as_before(tmp_path)
    assert not anvil.is_running() or anvil.status() == psutil.STATUS_ZOMBIE
