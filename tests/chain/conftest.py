"""A small contract and the two development chains, for the tests of the chain layer."""

from pathlib import Path

import pytest

from gridbourse.chain.node.compiler import Artifact, compile_contracts
from gridbourse.chain.node.devnet import CHECKOUT

TALLY = """
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
import {Context} from "@openzeppelin/contracts/utils/Context.sol";

contract Tally is Context {
    uint256[] public entries;
    struct Pair { uint256 left; bytes4 right; }
    error NotAllowed(uint256 count);
    error Unfit(address who, Pair pair);

    function fill(uint256 count) external {
        for (uint256 i = 1; i <= count; i++) entries.push(i);
    }

    function refuse(uint256 count) external pure { revert NotAllowed(count); }
    function explain() external pure { revert("for a reason"); }
    function unfit() external view { revert Unfit(msg.sender, Pair(7, 0x01020304)); }
    function panic() external pure { assert(false); }
    function mute() external pure { revert(); }
}
"""


@pytest.fixture(scope="session")
def tree(tmp_path_factory) -> Path:
    """A folder with one contract that imports a package."""
    root = tmp_path_factory.mktemp("tree")
    (root / "contracts").mkdir()
    (root / "contracts" / "Tally.sol").write_text(TALLY)
    (root / "node_modules").symlink_to(CHECKOUT / "node_modules")
    return root


@pytest.fixture(scope="session")
def tally(tree) -> Artifact:
    return compile_contracts(tree)["Tally"]
