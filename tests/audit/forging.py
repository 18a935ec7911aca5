"""Changes a log as a forger would: decode, alter, encode again."""

from collections.abc import Callable, Iterator
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.abi import collapse_if_tuple, event_abi_to_log_topic

from gridbourse.chain.node.compiler import load_artifacts

Content = dict[str, Any]
Alter = Callable[[dict[str, Any]], None]


def entry_of(contract: str, name: str) -> dict[str, Any]:
    abi = load_artifacts()[contract].abi
    return next(e for e in abi if e["type"] == "event" and e["name"] == name)


def logs_of(content: Content, contract: str, name: str) -> list[dict[str, Any]]:
    """The logs of one event, in order."""
    topic = "0x" + event_abi_to_log_topic(entry_of(contract, name)).hex()  # type: ignore[arg-type]
    return [log for log in content["logs"] if log["topics"][0] == topic]


def altered(contract: str, name: str, alter: Alter, nth: int = 0) -> Callable[[Content], None]:
    """A forgery: the values in the data (not the indexed ones) of the nth such log changed."""
    plain = [item for item in entry_of(contract, name)["inputs"] if not item["indexed"]]
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


def altered_topic(contract: str, name: str, topic: int, nth: int = 0) -> Callable[[Content], None]:
    """A forgery: an indexed value of the nth such log is another."""

    def forge(content: Content) -> None:
        log = logs_of(content, contract, name)[nth]
        value = bytearray.fromhex(log["topics"][topic][2:])
        value[-1] ^= 1
        log["topics"][topic] = "0x" + value.hex()

    return forge


def changed_fields(log: dict[str, Any], entry: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(field, log) for every value of a log, indexed or not, with that one changed a little."""
    plain = [item for item in entry["inputs"] if not item["indexed"]]
    types = [collapse_if_tuple(item) for item in plain]
    values = decode(types, bytes.fromhex(log["data"][2:]))
    for at, item in enumerate(plain):
        for field, other in _others(item, values[at]):
            forged = (*values[:at], other, *values[at + 1 :])
            yield field, {**log, "data": "0x" + encode(types, forged).hex()}
    indexed = [item for item in entry["inputs"] if item["indexed"]]
    for at, item in enumerate(indexed, start=1):
        topic = bytearray.fromhex(log["topics"][at][2:])
        topic[-1] ^= 1
        topics = [*log["topics"][:at], "0x" + topic.hex(), *log["topics"][at + 1 :]]
        yield item["name"], {**log, "topics": topics}


def _others(item: dict[str, Any], value: Any) -> Iterator[tuple[str, Any]]:
    """The value changed; of a struct, each field in turn."""
    if item["type"] != "tuple":
        yield item["name"], _other(value)
        return
    for at, part in enumerate(item["components"]):
        changed = (*value[:at], _other(value[at]), *value[at + 1 :])
        yield f"{item['name']}.{part['name']}", changed


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value ^ 1
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    if isinstance(value, str):
        return f"0x{int(value, 16) ^ 1:040x}"
    return (_other(value[0]), *value[1:]) if value else (1,)


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
