"""What a contract refuses, reports and answers: compared with all its values, never in part."""

from functools import cache
from operator import itemgetter
from typing import Any

from brownie import project, web3
from eth_abi import decode
from eth_utils import keccak, to_checksum_address
from eth_utils.abi import collapse_if_tuple

PANIC = {"name": "Panic", "inputs": [{"type": "uint256"}]}


def refusal(method: Any, *args: Any, by: Any) -> tuple:
    """The custom error (name, *values) a call is refused by; one that goes through fails."""
    data = method.encode_input(*args)
    return refused({"from": str(by), "to": method._address, "data": data}, method._name)


def deployment_refusal(container: Any, *args: Any, by: Any) -> tuple:
    """The custom error by which a constructor refuses its arguments."""
    return refused({"from": str(by), "data": container.deploy.encode_input(*args)}, container._name)


def refused(call: dict[str, str], name: str) -> tuple:
    """The custom error a raw call is refused by."""
    try:
        web3.eth.call(call)
    except ValueError as error:  # brownie's middleware hands the node's answer on as it is
        return _decoded(bytes.fromhex(error.args[0]["data"].removeprefix("0x")))
    raise AssertionError(f"{name} went through")


def _decoded(data: bytes) -> tuple:
    error = _errors()[data[:4]]
    types = [collapse_if_tuple(i) for i in error["inputs"]]
    values = decode(types, data[4:])
    return (
        error["name"],
        *(
            to_checksum_address(v) if t == "address" else v
            for t, v in zip(types, values, strict=True)
        ),
    )


def fact(tx: Any, name: str) -> tuple:
    """The values of the one event of that name in a transaction."""
    (event,) = tx.events[name]
    return tuple(event.values())


def told(tx: Any, name: str) -> list:
    """Every event of this name in a transaction: none, one or many."""
    return list(tx.events[name]) if name in tx.events else []


def ask(*questions: tuple) -> list:
    """The answers to many views (method, *arguments) in one request: some fifty times faster."""
    calls = [
        ("eth_call", [{"to": method._address, "data": method.encode_input(*args)}, "latest"])
        for method, *args in questions
    ]
    answers = sorted(web3.provider.make_batch_request(calls), key=itemgetter("id")) if calls else []
    return [
        method.decode_output(answer["result"])
        for (method, *_), answer in zip(questions, answers, strict=True)
    ]


@cache
def _errors() -> dict[bytes, dict]:
    """Every error of the project by its selector."""
    abis = [entry for c in project.get_loaded_projects()[0] for entry in c.abi]
    found = {}
    for error in [entry for entry in abis if entry["type"] == "error"] + [PANIC]:
        types = ",".join(collapse_if_tuple(i) for i in error["inputs"])
        found[keccak(text=f"{error['name']}({types})")[:4]] = error
    return found
