"""Files that a run leaves for the audit, read and refused when damaged."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gridbourse.audit.core.errors import AuditError
from gridbourse.audit.core.events import Log
from gridbourse.audit.core.rules import Rules, rules_of
from gridbourse.chain.deployment.record import CONTRACTS, MARKETS, DeploymentRecord
from gridbourse.chain.node.compiler import CHECKOUT

T = TypeVar("T")
BASELINES = "baselines"
"""Folder of the evidence of committed baselines."""


@dataclass(frozen=True)
class State:
    """State in the chain's own storage at the end; positions only where no later period overwrote them.

    balances: free money by account number, µEUR. waiting: credit by participant that waits for the
    supplier's money. under_way: withdrawals by number, as (account, recipient, µEUR, unix seconds from
    which on it is paid). positions: (sold, bought) Wh by area, period and
    participant. prices: clearing price by area and period, None where nothing traded.
    """

    balances: dict[int, int]
    waiting: dict[int, int]
    under_way: dict[int, tuple[int, str, int, int]]
    positions: dict[int, dict[int, dict[int, tuple[int, int]]]]
    prices: dict[int, dict[int, int | None]]
    currency_held: int
    deposits: int
    withdrawals: int


@dataclass(frozen=True)
class Run:
    """Inputs of the audit. baselines: folder with the evidence that was published; bills: those of the
    run's summary, None without one."""

    logs: list[Log]
    deployment: DeploymentRecord
    rules: Rules
    state: State
    scenario_file: Path
    overrides: dict[str, Any]
    baselines: list[Path]
    bills: dict[int, dict[str, int]]


def load_run(folder: Path) -> Run:
    """Read a run's folder; AuditError names the file and the field that is wrong."""
    if not folder.is_dir():
        raise AuditError(f"{folder}: no such folder")
    deployment = _deployment(folder / "deployment.json")
    logs = _read(folder / "logs.json", _logs)
    if logs[0] != deployment.chain_id:
        raise AuditError(
            f"logs.json: chain_id {logs[0]}, deployment.json says {deployment.chain_id}"
        )
    scenario = _read(folder / "scenario.json", _scenario)
    state = _read(folder / "state.json", _state)
    summary = folder / "summary.json"
    told = _read(summary, _bills) if summary.exists() else {"": {}}
    # Of several areas, each has a folder of its name.
    baselines = [folder / name / BASELINES for name in told]
    bills = {area: each for area, each in enumerate(told.values()) if each}
    return Run(logs[1], deployment, rules_of(deployment), state, *scenario, baselines, bills)


def _deployment(path: Path) -> DeploymentRecord:
    try:
        deployment = DeploymentRecord.load(path)
    except AttributeError as error:
        raise AuditError(f"{path.name}: damaged: {error}") from error
    for name in CONTRACTS:
        if name not in deployment.contracts:
            raise AuditError(f"{path.name}: contracts.{name} is missing")
    if not any(name in deployment.contracts for name in MARKETS):
        raise AuditError(f"{path.name}: contracts has none of the markets {', '.join(MARKETS)}")
    return deployment


def _read(path: Path, understand: Callable[[Any], T]) -> T:
    try:
        return understand(json.loads(path.read_text()))
    except FileNotFoundError:
        raise AuditError(f"{path}: missing; a replay writes it") from None
    except KeyError as error:
        raise AuditError(f"{path.name}: field {error} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise AuditError(f"{path.name}: damaged: {error}") from error


def _logs(fields: dict[str, Any]) -> tuple[int, list[Log]]:
    return _integer(fields["chain_id"]), logs_of(fields["logs"])


def logs_of(rows: Iterable[Mapping[str, Any]]) -> list[Log]:
    """Logs from JSON as a node writes it, in the order of the rows."""
    return [
        Log(
            row["address"],
            [_bytes(topic) for topic in row["topics"]],
            _bytes(row["data"]),
            _integer(row["blockNumber"]),
            _integer(row["logIndex"]),
        )
        for row in rows
    ]


def _state(fields: dict[str, Any]) -> State:
    return State(
        balances={int(k): _integer(v) for k, v in fields["balances"].items()},
        waiting={int(k): _integer(v) for k, v in fields["waiting"].items()},
        under_way={int(k): _withdrawal(v) for k, v in fields["under_way"].items()},
        positions={
            int(area): {
                int(period): {int(who): _pair(energies) for who, energies in of_period.items()}
                for period, of_period in of_area.items()
            }
            for area, of_area in fields["positions"].items()
        },
        prices={
            int(area): {
                int(period): None if price is None else _integer(price)
                for period, price in of_area.items()
            }
            for area, of_area in fields["prices"].items()
        },
        currency_held=_integer(fields["currency_held"]),
        deposits=_integer(fields["deposits"]),
        withdrawals=_integer(fields["withdrawals"]),
    )


def _scenario(fields: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Path of the scenario, if relative from the working folder or the checkout; and its overrides."""
    path = Path(fields["file"])
    return path if path.exists() else CHECKOUT / path, dict(fields["overrides"])


def _bills(fields: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Bills by the name of the area; of a run of one, by no name."""
    areas = fields.get("areas", {"": fields})
    return {
        name: {kind: _integer(amount) for kind, amount in area["bills_micro_eur"].items()}
        for name, area in areas.items()
    }


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not an integer")
    return value


def _pair(value: Any) -> tuple[int, int]:
    sold, bought = value
    return _integer(sold), _integer(bought)


def _withdrawal(value: Any) -> tuple[int, str, int, int]:
    account, recipient, micro_eur, ready_at = value
    return _integer(account), str(recipient), _integer(micro_eur), _integer(ready_at)


def _bytes(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x"))
