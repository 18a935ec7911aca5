"""The order in which a compiler is looked for, and the npm one behind its shim."""

import json
import stat
import subprocess

import pytest
import requests
import solcx

from gridbourse.chain.node import solc
from gridbourse.chain.node.devnet import CHECKOUT
from gridbourse.chain.node.solc import CompilerNotFoundError, find_solc

VERSION = "0.8.37"
SHIM = CHECKOUT / "tools" / "solc"


def executable(path, version=VERSION):
    """A compiler that can only say its version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'Version: {version}+commit.f401782d.Linux.g++'\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A checkout without any compiler, on a machine without one and without a network."""
    monkeypatch.delenv("SOLCX_BINARY_PATH", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(solc.shutil, "which", lambda name: None)

    def out_of_reach(*args, **kwargs):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(solc.requests, "head", out_of_reach)
    return tmp_path / "checkout"


def entry(checkout):
    return checkout / ".venv" / "solcx" / f"solc-v{VERSION}"


def test_one_in_its_own_folder_is_taken_without_looking_further(bare):
    executable(entry(bare))

    assert find_solc(VERSION, bare) == entry(bare)


def test_one_that_py_solc_x_installed_earlier_comes_before_path_and_npm(bare, monkeypatch):
    installed = executable(bare.parent / "home" / ".solcx" / f"solc-v{VERSION}")
    on_path = executable(bare.parent / "bin" / "solc")
    monkeypatch.setattr(solc.shutil, "which", lambda name: str(on_path))
    executable(bare / "tools" / "solc")

    assert find_solc(VERSION, bare).resolve() == installed


def test_one_on_path_of_another_version_is_passed_over(bare, monkeypatch):
    on_path = executable(bare.parent / "bin" / "solc", version="0.8.30")
    monkeypatch.setattr(solc.shutil, "which", lambda name: str(on_path))
    npm = executable(bare / "tools" / "solc")

    assert find_solc(VERSION, bare).resolve() == npm


def test_the_download_comes_before_npm(bare, monkeypatch):
    executable(bare / "tools" / "solc")
    monkeypatch.setattr(solc.requests, "head", lambda *args, **kwargs: None)

    def download(version, solcx_binary_path):
        executable(solcx_binary_path / f"solc-v{version}")

    monkeypatch.setattr(solcx, "install_solc", download)

    found = find_solc(VERSION, bare)

    assert found == entry(bare)
    assert not found.is_symlink()


def test_a_download_that_does_not_run_here_gives_way_to_npm(bare, monkeypatch):
    npm = executable(bare / "tools" / "solc")
    monkeypatch.setattr(solc.requests, "head", lambda *args, **kwargs: None)

    def download(version, solcx_binary_path):
        (solcx_binary_path / f"solc-v{version}").write_text("not for this processor")

    monkeypatch.setattr(solcx, "install_solc", download)

    assert find_solc(VERSION, bare).resolve() == npm


def test_without_any_the_error_says_what_to_do(bare):
    with pytest.raises(CompilerNotFoundError, match=r"no solc 0\.8\.37.*make setup"):
        find_solc(VERSION, bare)
    assert not entry(bare).is_symlink()


def test_the_shim_says_its_version():
    out = subprocess.run([SHIM, "--version"], capture_output=True, text=True, check=True).stdout

    assert f"Version: {VERSION}+commit." in out


def test_the_shim_reads_imports_below_its_base_path(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "Part.sol").write_text("contract Part {}")
    request = {
        "language": "Solidity",
        "sources": {"Whole.sol": {"content": 'import "@p/Part.sol"; contract Whole is Part {}'}},
        "settings": {
            "remappings": ["@p/=parts/"],
            "outputSelection": {"*": {"*": ["evm.bytecode.object"]}},
        },
    }

    done = subprocess.run(
        [SHIM, "--standard-json", "--base-path", tmp_path, "--allow-paths", "."],
        input=json.dumps(request), capture_output=True, text=True, check=True,
    )  # fmt: skip

    contracts = json.loads(done.stdout)["contracts"]
    assert contracts["Whole.sol"]["Whole"]["evm"]["bytecode"]["object"]
    assert "Part" in contracts["parts/Part.sol"]


def test_the_shim_writes_the_syntax_tree_once_and_again_only_when_told(tmp_path):
    source = tmp_path / "A.sol"
    source.write_text("contract A { uint256 public value; }")
    command = [SHIM, "--ast-compact-json", source, "--output-dir", tmp_path / "ast"]

    subprocess.run(command, check=True)
    again = subprocess.run(command, capture_output=True, text=True)
    subprocess.run([*command, "--overwrite"], check=True)

    tree = json.loads((tmp_path / "ast" / "A.sol_json.ast").read_text())
    assert (tree["nodeType"], tree["nodes"][0]["name"]) == ("SourceUnit", "A")
    assert again.returncode == 1
    assert "--overwrite" in again.stderr


def test_the_shim_refuses_an_option_it_would_have_to_ignore():
    refused = subprocess.run([SHIM, "--via-ir"], capture_output=True, text=True)

    assert refused.returncode == 1
    assert "--via-ir" in refused.stderr
