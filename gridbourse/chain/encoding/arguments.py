"""Arguments that no call can carry: named, with the range of their type, before anything is sent."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from web3 import Web3

from gridbourse.errors import GridbourseError

_INTEGER = re.compile(r"(u?)int([0-9]+)")
SHOWN = 60
LABEL_BYTES = 32


class ArgumentError(GridbourseError):
    """An argument that does not fit its type: `function`, `argument` (with its place), `value`."""

    def __init__(self, function: str, argument: str, value: Any, rule: str) -> None:
        self.function, self.argument, self.value = function, argument, value
        shown = repr(value)
        shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
        super().__init__(f"{function}: {argument}: {shown} is not {rule}")


class Misfit(NamedTuple):
    """The first value that does not fit: its name with its place, itself, and its type."""

    argument: str
    value: Any
    type: str


def misfit(w3: Web3, inputs: Sequence[Any], arguments: Sequence[Any]) -> Misfit | None:
    """The first of the arguments that its input (of a contract's ABI) does not take."""
    for entry, value in zip(inputs, arguments, strict=False):
        found = _in_value(w3, entry["name"], entry["type"], entry.get("components", ()), value)
        if found is not None:
            return found
    return None


def range_of(type_: str) -> str:
    """In words: the range of an integer, or the type."""
    integer = _INTEGER.fullmatch(type_)
    if integer is None:
        return f"{'an' if type_[0] in 'aeiou' else 'a'} {type_}"
    unsigned, bits = bool(integer[1]), int(integer[2])
    least, most = (0, f"2^{bits} - 1") if unsigned else (f"-2^{bits - 1}", f"2^{bits - 1} - 1")
    return f"a whole number in {least} to {most} ({type_})"


def label(function: str, name: str) -> bytes:
    """A name as the contracts hold it: one word of UTF-8; ArgumentError where it is longer."""
    word = name.encode()
    if len(word) > LABEL_BYTES:
        raise ArgumentError(function, "name", name, f"within {LABEL_BYTES} bytes")
    return word.ljust(LABEL_BYTES, b"\0")


def _in_value(
    w3: Web3, name: str, type_: str, components: Sequence[Any], value: Any
) -> Misfit | None:
    inner, array, _ = type_.rpartition("[")
    if array and isinstance(value, list | tuple):
        places = (_in_value(w3, f"{name}[{i}]", inner, components, v) for i, v in enumerate(value))
        return next((found for found in places if found is not None), None)
    if type_ == "tuple" and isinstance(value, tuple | list) and len(value) == len(components):
        fields = (
            _in_value(w3, f"{name}.{c['name']}", c["type"], c.get("components", ()), v)
            for c, v in zip(components, value, strict=True)
        )
        return next((found for found in fields if found is not None), None)
    return (
        None if type_ != "tuple" and w3.is_encodable(type_, value) else Misfit(name, value, type_)
    )


NOBODY = "0x" + "00" * 20
