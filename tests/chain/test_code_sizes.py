"""No contract is larger than the committed figures say, or than a chain takes."""

import json
from pathlib import Path

import pytest

from benchmarks import code_sizes
from gridbourse.chain.node.compiler import MAX_DEPLOYED_BYTES, Artifact, load_artifacts

FUNCTION = {"type": "function", "name": "ask"}


def test_no_contract_grows_unless_it_is_meant_to() -> None:
    held = json.loads(code_sizes.RESULTS.read_text())
    found = code_sizes.sizes(load_artifacts())
    assert found.keys() == held.keys(), "if this is meant, python -m benchmarks.code_sizes"
    grown = {name: (held[name], size) for name, size in found.items() if size > held[name]}
    assert grown == {}, "bytes held and found: if this is meant, python -m benchmarks.code_sizes"


def test_every_contract_can_be_deployed() -> None:
    assert max(json.loads(code_sizes.RESULTS.read_text()).values()) < MAX_DEPLOYED_BYTES


def test_libraries_and_interfaces_have_no_size_of_their_own() -> None:
    artifacts = {
        "Market": Artifact("Market", [FUNCTION], "0x60", 7, "contracts/Market.sol"),
        "IMarket": Artifact("IMarket", [FUNCTION], "", 0, "contracts/IMarket.sol"),
        "Lanes": Artifact(
            "Lanes", [{"type": "error", "name": "Full"}], "0x60", 50, "contracts/Lanes.sol"
        ),
    }
    assert code_sizes.sizes(artifacts) == {"Market": 7}


def test_what_is_written_is_what_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "code_sizes.json"
    monkeypatch.setattr(code_sizes, "RESULTS", target)
    code_sizes.main()
    assert json.loads(target.read_text()) == code_sizes.sizes(load_artifacts())
    assert str(target) in capsys.readouterr().out
