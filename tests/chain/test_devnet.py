"""anvil starts, is found again, keeps its state, and never outlives the one who started it."""

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from gridbourse.chain.node import devnet
from gridbourse.chain.node.connect import connect
from gridbourse.chain.node.devnet import (
    Devnet,
    DevnetError,
    PortInUseError,
    free_port,
    read_record,
    start_standing,
    stop_standing,
)
from scripts import devnet as command
from tests.guard import GUARD_S


def gone(pid, within_s=GUARD_S):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A standing devnet's folder that is not the checkout's; what a test leaves up is ended."""
    monkeypatch.setattr(command, "devnet_folder", lambda: tmp_path)
    yield tmp_path
    stop_standing(tmp_path)


def test_it_ends_with_the_block():
    with Devnet() as chain:
        pid = chain.pid
        assert connect(chain.rpc_url).eth.chain_id == 31337

    assert gone(pid)


def test_it_ends_when_the_block_fails():
    chain = Devnet()

    with pytest.raises(RuntimeError), chain:
        raise RuntimeError

    assert gone(chain.pid)


def test_it_ends_when_its_parent_is_killed():
    code = (
        "from gridbourse.chain.node.devnet import Devnet\n"
        "with Devnet() as chain: print(chain.pid, flush=True); input()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    pid = int(parent.stdout.readline())
    assert not gone(pid, within_s=0.2)

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()

    assert gone(pid)


def test_a_port_in_use_is_named(taken_port):
    with pytest.raises(PortInUseError, match=str(taken_port)) as refused, Devnet(taken_port):
        pass
    assert refused.value.port == taken_port


def test_an_anvil_that_does_not_start_says_why(tmp_path):
    broken = tmp_path / "state.json"
    broken.write_text("{ not a state")

    with pytest.raises(DevnetError, match=r"anvil ended with code \d+: \S+"), Devnet(state=broken):
        pass


def test_its_state_is_kept_with_its_genesis(tmp_path):
    state, address = tmp_path / "state.json", "0x" + "11" * 20
    with Devnet(state=state) as chain:
        w3 = connect(chain.rpc_url)
        w3.provider.make_request("anvil_setBalance", [address, hex(7)])
        w3.provider.make_request("evm_mine", [])
        genesis = w3.eth.get_block(0)["hash"]

    with Devnet(state=state) as chain:
        w3 = connect(chain.rpc_url)
        assert (w3.eth.get_balance(address), w3.eth.block_number) == (7, 1)
        assert w3.eth.get_block(0)["hash"] == genesis


def test_without_a_binary_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(devnet.shutil, "which", lambda name: None)

    with pytest.raises(DevnetError, match=r"@foundry-rs/anvil-.*make setup"):
        devnet.find_anvil(tmp_path)


def test_up_status_down(folder, capsys):
    port = free_port()

    assert command.main("status") == command.NOT_RUNNING
    assert command.main("up", "--port", str(port)) == 0
    record = read_record(folder)
    assert command.main("status") == 0
    with pytest.raises(DevnetError, match="already up"):
        command.main("up", "--port", str(free_port()))
    assert command.main("down") == 0

    assert gone(record.pid)
    assert read_record(folder) is None
    assert command.main("down") == 0
    said = capsys.readouterr().out
    assert f"devnet up at http://127.0.0.1:{port}" in said
    assert "-m scripts.deploy --network devnet" in said


def test_a_killed_devnet_is_seen_to_have_ended_and_can_be_started_again(folder, capsys):
    record = start_standing(free_port(), folder)
    os.kill(record.pid, signal.SIGKILL)
    assert gone(record.pid)

    assert command.main("status") == command.NOT_RUNNING
    assert "has ended" in capsys.readouterr().out
    assert command.main("up", "--port", str(free_port())) == 0


def test_a_devnet_is_found_again_after_the_clock_was_set(folder, monkeypatch):
    record = start_standing(free_port(), folder)
    shifted = psutil.Process(record.pid).create_time() + 13
    monkeypatch.setattr(psutil.Process, "create_time", lambda *_: shifted)

    assert read_record(folder).alive()
    assert stop_standing(folder) == record
    assert gone(record.pid)


def test_a_record_of_another_process_is_not_believed(folder):
    me = os.getpid()
    (folder / "node.json").write_text(
        f'{{"pid": {me}, "rpc_url": "http://127.0.0.1:1", "chain_id": 31337}}'
    )

    assert not read_record(folder).alive()
    stop_standing(folder)
    assert psutil.pid_exists(me)


def test_a_record_that_is_none_is_refused(folder):
    (folder / "node.json").write_text("[]")

    with pytest.raises(DevnetError, match="not a devnet record"):
        read_record(folder)
    (folder / "node.json").unlink()


def test_the_command_line_refuses_in_one_line(taken_port):
    done = subprocess.run(
        [sys.executable, "-m", "scripts.devnet", "up", "--port", str(taken_port)],
        capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"PortInUseError: port {taken_port} on 127.0.0.1 is in use: stop what listens there or"
        " take another"
    ]
