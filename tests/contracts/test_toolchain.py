"""That brownie tests the bytecode that is deployed, on a chain like the one it is deployed to."""

import brownie
import pytest
from brownie import ParticipantRegistry, project, web3

from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.devnet import BLOCK_GAS_LIMIT

PUSH0 = "0x5f"  # an instruction since Shanghai


def test_brownie_compiles_the_bytecode_that_the_scripts_deploy():
    ours = {name: a.bytecode for name, a in load_artifacts().items() if a.bytecode}
    theirs = project.get_loaded_projects()[0].dict()

    assert {name: f"0x{theirs[name].bytecode}" for name in ours} == ours


def test_the_chain_has_the_block_of_a_permissioned_network():
    latest = web3.eth.get_block("latest")

    assert latest.gasLimit == BLOCK_GAS_LIMIT
    assert latest.baseFeePerGas == 0


def test_the_chain_runs_paris_and_nothing_later(operator):
    with pytest.raises(Exception, match=r"(?i)opcode|NotActivated"):
        web3.eth.call({"from": operator.address, "data": PUSH0})


def test_a_contract_of_ours_deploys_and_reverts_by_its_custom_error(operator, accounts):
    registry = ParticipantRegistry.deploy(operator, {"from": operator})

    with brownie.reverts():
        registry.suspend(1, {"from": accounts[1]})
