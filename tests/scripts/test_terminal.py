"""What commands print where a terminal has few characters, an address has secrets, a name is forged."""

import argparse
import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from gridbourse.chain.deployment import record as deployments
from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.chain.node.connect import connect
from gridbourse.chain.node.devnet import Devnet
from gridbourse.text import PLAIN
from scripts import oracle, parse, replay, run
from tests.replay.noon import write_scenario
from tests.scripts.conftest import environment

SCRIPTS = sorted(
    path.stem
    for path in (CHECKOUT / "scripts").glob("*.py")
    if "\n    run(main)" in path.read_text() or "run_script(main)" in path.read_text()
)
PASSWORD, API_KEY = "opensesame", "k3y0fdso"
"""Words that no name of a test has: the folder of a test is called like it."""


@pytest.mark.parametrize("name", ["replay", "oracle", "crowdsale"])
def test_help_is_readable_on_a_terminal_of_ascii(name: str) -> None:
    assert name in SCRIPTS
    done = subprocess.run(
        [sys.executable, "-m", f"scripts.{name}", "--help"],
        cwd=CHECKOUT, env=environment(PYTHONIOENCODING="ascii"), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_every_command_line_goes_through_run() -> None:
    """Where streams learn to write what they can."""
    assert len(SCRIPTS) > 10
    with_main = {
        path.stem
        for path in (CHECKOUT / "scripts").glob("*.py")
        if '__name__ == "__main__"' in path.read_text()
    }
    assert with_main == set(SCRIPTS)


@pytest.mark.parametrize("broken", [False, True])
def test_what_is_printed_is_written_with_what_there_is(
    monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    streams = {name: io.TextIOWrapper(io.BytesIO(), "ascii") for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    monkeypatch.setattr(sys, "argv", ["name"])

    def say() -> None:
        print("5 µEUR × 2 … über 3 °C → Zähler ━ 漢")
        if broken:
            print("µ", file=sys.stderr)

    with pytest.raises(SystemExit):
        run(say)
    streams["stdout"].flush()
    said = streams["stdout"].buffer.getvalue().decode("ascii")
    assert said == "5 uEUR x 2 ... ueber 3 deg C -> Zaehler - ?\n"
    assert streams["stdout"].errors == PLAIN


def test_an_error_is_one_line_whatever_is_in_a_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["replay", str(tmp_path / "a\n2026 all is well\x1b[2K.toml")])
    with pytest.raises(SystemExit) as end:
        run(replay.main)
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a\\n2026 all is well\\x1b[2K.toml" in line


def test_the_log_of_an_oracle_has_a_line_for_each_record() -> None:
    formatter = oracle.OneLine("%(levelname)s %(message)s")
    forged = logging.LogRecord("x", logging.ERROR, "x", 1, "a\n2026 INFO %s", ("b\x1b",), None)
    assert formatter.format(forged) == "ERROR a\\n2026 INFO b\\x1b"


def with_secrets(url: str) -> str:
    return url.replace("http://", f"http://dso:{PASSWORD}@") + f"/?apikey={API_KEY}"


def test_secrets_of_an_address_are_in_nothing_a_run_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deployments, "FOLDER", tmp_path / "deployments")
    scenario = write_scenario(tmp_path, 0.07)
    with Devnet() as devnet:
        url = with_secrets(devnet.rpc_url)
        options = (str(scenario), "--network", url, "--periods", "1", "--out")
        replay.main(*options, str(tmp_path / "out"))
        assert connect(devnet.rpc_url).eth.block_number > 0
        found = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert found["network"] == devnet.rpc_url
    said = capfd.readouterr()
    for word in (PASSWORD, API_KEY):
        assert word not in said.out + said.err
        for file in (path for path in tmp_path.rglob("*") if path.is_file()):
            assert word not in file.name
            assert word.encode() not in file.read_bytes(), file


def test_options_have_the_public_part_of_an_address_and_the_chain_the_whole() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--network")
    with Devnet() as devnet:
        whole = with_secrets(devnet.rpc_url)
        options = parse(parser, ("--network", whole))
        assert options.network == devnet.rpc_url
        provider = connect(options.network).provider
        assert provider.endpoint_uri == whole  # type: ignore[attr-defined]
