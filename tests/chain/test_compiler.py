"""What is compiled, what is refused, and when the cache is believed."""

import logging
import shutil
from dataclasses import replace

import pytest

from gridbourse.chain.node import compiler
from gridbourse.chain.node.compiler import CompileError, compile_contracts, load_artifacts

PRAGMA = "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.20;\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "contracts").mkdir()
    return tmp_path


def write(root, name, source):
    (root / "contracts" / name).write_text(PRAGMA + source)


def test_an_artifact_holds_what_a_deployment_needs(tally):
    assert tally.source == "contracts/Tally.sol"
    assert tally.bytecode.startswith("0x60")
    assert 0 < tally.deployed_size < len(tally.bytecode) // 2
    assert {"fill", "refuse", "entries"} <= {entry.get("name") for entry in tally.abi}


def test_an_interface_has_no_bytecode(root):
    write(root, "I.sol", "interface I { function f() external; }")

    assert compile_contracts(root)["I"].bytecode == ""


def test_nothing_is_compiled_twice(root, monkeypatch):
    write(root, "A.sol", "contract A {}")
    first = compile_contracts(root)
    monkeypatch.setattr(compiler, "find_solc", lambda *args: pytest.fail("compiled again"))

    assert load_artifacts(root) == first


@pytest.mark.parametrize("change", ["source", "new source", "settings", "packages", "broken cache"])
def test_a_change_is_compiled(tree, tally, tmp_path, monkeypatch, change):
    root, settings, anew = tmp_path / "root", compiler.compiler_settings(), {"Compiled": tally}
    shutil.copytree(tree, root, symlinks=True)
    monkeypatch.setattr(compiler, "compile_contracts", lambda root, settings: anew)
    assert load_artifacts(root, settings) == {"Tally": tally}

    if change == "source":
        write(root, "Tally.sol", "contract Tally {}")
    elif change == "new source":
        write(root, "B.sol", "contract B {}")
    elif change == "settings":
        settings = replace(settings, optimizer_runs=1)
    elif change == "packages":
        (root / "package-lock.json").write_text("{}")
    else:
        (root / "build" / "artifacts.json").write_text("{")

    assert load_artifacts(root, settings) is anew


def test_solcs_own_message_is_the_error(root):
    write(root, "A.sol", "contract A { uint8 x = 256; }")

    with pytest.raises(CompileError, match=r"contracts/A\.sol:3:24") as refused:
        compile_contracts(root)
    assert "TypeError" in str(refused.value)


def test_a_warning_about_our_source_is_heard(root, caplog):
    write(root, "A.sol", "contract A { function f() external pure { uint256 idle; } }")

    with caplog.at_level(logging.WARNING):
        compile_contracts(root)

    assert "Unused local variable" in caplog.text


def test_a_contract_that_no_chain_would_take_is_refused(root):
    body = f'return hex"{"ab" * 25_000}";'
    function = f"function f() external pure returns (bytes memory) {{ {body} }}"
    write(root, "Big.sol", f"contract Big {{ {function} }}")

    with pytest.raises(CompileError, match=r"Big in contracts/Big\.sol is 25,\d+ bytes.*24,576"):
        compile_contracts(root)


def test_a_library_to_be_linked_is_refused(root):
    write(
        root, "L.sol", "library L { function one() external pure returns (uint256) { return 1; } }"
    )
    write(root, "A.sol", 'import "./L.sol"; contract A { uint256 public value = L.one(); }')

    with pytest.raises(CompileError, match=r"A in .* needs L linked"):
        compile_contracts(root)


def test_one_name_stands_for_one_contract(root):
    write(root, "A.sol", "contract Same {}")
    write(root, "B.sol", "contract Same {}")

    with pytest.raises(CompileError, match=r"Same is in contracts/A\.sol and in contracts/B\.sol"):
        compile_contracts(root)


def test_a_tree_without_sources_is_refused(root):
    with pytest.raises(CompileError, match="no Solidity source"):
        compile_contracts(root)
