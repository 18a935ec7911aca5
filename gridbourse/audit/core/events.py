"""Decoding of logs into events: contract, name and values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple, event_abi_to_log_topic

from gridbourse.audit.core.errors import AuditError


@dataclass(frozen=True)
class Log:
    """Log as a node gives it."""

    address: str
    topics: list[bytes]
    data: bytes
    block: int
    index: int

    @property
    def where(self) -> str:
        """Place in the chain, for humans."""
        return f"block {self.block} log {self.index}"


@dataclass(frozen=True)
class Event:
    """Event of a contract of the deployment; structs and tuples are plain tuples."""

    contract: str
    name: str
    values: dict[str, Any]
    where: str
    block: int

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def at(self, *places: str) -> str:
        """Place of the event: the given values by name, then the log."""
        named = [f"{place} {self.values[place]}" for place in places]
        return ", ".join([*named, self.where])


class Decoder:
    """Decoder of the logs of a deployment's contracts, named by address."""

    def __init__(self, names: Mapping[str, str], abis: Mapping[str, list[dict[str, Any]]]) -> None:
        """`names`: contract name by lower-case address; `abis`: by contract name."""
        self._names = dict(names)
        self._events = {
            (contract, event_abi_to_log_topic(entry)): entry  # type: ignore[arg-type]
            for contract, abi in abis.items()
            for entry in abi
            if entry["type"] == "event"
        }

    def decode(self, logs: Sequence[Log]) -> Iterator[Event]:
        """Events in order; AuditError for a log of no contract or no event of the deployment."""
        last = (-1, -1)
        for log in logs:
            if (log.block, log.index) <= last:
                raise AuditError(
                    f"logs.json: {log.where} comes after block {last[0]} log {last[1]}"
                )
            last = (log.block, log.index)
            yield self._event(log)

    def _event(self, log: Log) -> Event:
        contract = self._names.get(log.address.lower())
        if contract is None:
            raise AuditError(
                f"logs.json: {log.where}: {log.address} is no contract of the deployment"
            )
        entry = self._events.get((contract, log.topics[0])) if log.topics else None
        if entry is None:
            raise AuditError(f"logs.json: {log.where}: not an event of {contract}")
        indexed = [item for item in entry["inputs"] if item["indexed"]]
        plain = [item for item in entry["inputs"] if not item["indexed"]]
        try:
            if len(indexed) != len(log.topics) - 1:
                raise ValueError(f"{len(log.topics) - 1} indexed values instead of {len(indexed)}")
            values = [
                decode([item["type"]], topic)[0]
                for item, topic in zip(indexed, log.topics[1:], strict=True)
            ]
            values += decode([collapse_if_tuple(item) for item in plain], log.data)
        except (DecodingError, ValueError) as error:
            raise AuditError(
                f"logs.json: {log.where}: damaged {contract}.{entry['name']}: {error}"
            ) from error
        names = [item["name"] for item in (*indexed, *plain)]
        named = dict(zip(names, values, strict=True))
        return Event(contract, entry["name"], named, log.where, log.block)
