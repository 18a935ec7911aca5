"""Contracts for tests only, which let a test call what no contract shows."""

import shutil
from pathlib import Path

from brownie import web3

from gridbourse.chain.node.compiler import CHECKOUT, Artifact, compile_contracts

_COMPILED: dict[str, Artifact] = {}
"""Every harness by its name: one compilation serves a whole session."""


def deploy_harness(name: str, tmp_path_factory, accounts, *arguments):
    """Functions of a harness, compiled with the settings of the contracts beside their libraries."""
    return deploy_contract(name, tmp_path_factory, accounts, *arguments).functions


def deploy_contract(name: str, tmp_path_factory, accounts, *arguments):
    """A harness itself, with its address."""
    if not _COMPILED:
        _COMPILED.update(_compiled(tmp_path_factory))
    artifact = _COMPILED[name]
    factory = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    receipt = transact(factory.constructor(*arguments), accounts)
    return web3.eth.contract(abi=artifact.abi, address=receipt["contractAddress"])


def transact(call, accounts):
    """A harness's function sent as a transaction, and mined."""
    sent = call.transact({"from": accounts[0].address})
    return web3.eth.wait_for_transaction_receipt(sent)


def _compiled(tmp_path_factory):
    root = tmp_path_factory.mktemp("harness")
    for folder in ("libraries", "interfaces"):
        shutil.copytree(CHECKOUT / "contracts" / folder, root / "contracts" / folder)
    for library in ("settlement/Imbalance.sol",):
        (root / "contracts" / library).parent.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / "contracts" / library, root / "contracts" / library)
    shutil.copytree(Path(__file__).parent / "harness", root / "contracts/harness")
    (root / "node_modules").symlink_to(CHECKOUT / "node_modules")
    return compile_contracts(root)
