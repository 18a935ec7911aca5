"""Changes a log as a forger would: decode, alter, encode again."""

from collections.abc import Callable
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.abi import collapse_if_tuple, event_abi_to_log_topic

from gridbourse.chain.compiler import load_artifacts

Content = dict[str, Any]
Alter = Callable[[dict[str, Any]], None]


def _entry(contract: str, name: str) -> dict[str, Any]:
    abi = load_artifacts()[contract].abi
    return next(e for e in abi if e["type"] == "event" and e["name"] == name)


def logs_of(content: Content, contract: str, name: str) -> list[dict[str, Any]]:
    """The logs of one event, in order."""
    topic = "0x" + event_abi_to_log_topic(_entry(contract, name)).hex()  # type: ignore[arg-type]
    return [log for log in content["logs"] if log["topics"][0] == topic]


def altered(contract: str, name: str, alter: Alter, nth: int = 0) -> Callable[[Content], None]:
    """A forgery: the values in the data (not the indexed ones) of the nth such log changed."""
    plain = [item for item in _entry(contract, name)["inputs"] if not item["indexed"]]
    types = [collapse_if_tuple(item) for item in plain]

    def forge(content: Content) -> None:
        log = logs_of(content, contract, name)[nth]
        names = [item["name"] for item in plain]
        data = decode(types, bytes.fromhex(log["data"][2:]))
        values = {
            n: list(v) if isinstance(v, tuple) else v for n, v in zip(names, data, strict=True)
        }
        alter(values)
        log["data"] = "0x" + encode(types, [values[n] for n in names]).hex()

    return forge


def dropped(contract: str, name: str, nth: int = 0) -> Callable[[Content], None]:
    """A forgery: the nth such log is missing."""

    def forge(content: Content) -> None:
        content["logs"].remove(logs_of(content, contract, name)[nth])

    return forge


def repeated(contract: str, name: str, nth: int = 0) -> Callable[[Content], None]:
    """A forgery: the nth such log comes a second time, at the end."""

    def forge(content: Content) -> None:
        log = logs_of(content, contract, name)[nth]
        content["logs"].append({**log, "blockNumber": content["logs"][-1]["blockNumber"] + 1})

    return forge


def plus(field: str, amount: int, at: int | None = None) -> Alter:
    """Adds to a value, or to one item of a list."""

    def alter(values: dict[str, Any]) -> None:
        if at is None:
            values[field] += amount
        else:
            values[field][at] += amount

    return alter


def set_reading(lane: int, wh: int) -> Alter:
    """Puts another reading into a lane of the first block (lowest lane last, as in MeterOracle)."""

    def alter(values: dict[str, Any]) -> None:
        data = bytearray(values["readings"])
        start = len(data) % 28 + 28 - 4 * (lane + 1)
        data[start : start + 4] = wh.to_bytes(4, "big", signed=True)
        values["readings"] = bytes(data)

    return alter
