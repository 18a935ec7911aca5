"""Whichever chain it runs on: identical trades, prices, balances, to the last bit of storage."""

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gridbourse.report.record import RunRecord
from tests.audit.forging import logs_of
from tests.replay.conftest import NETWORKS, Run
from tests.replay.noon import PERIODS

CLEARED_AT = (1 << 40) - 1 << 48
"""Bits of a session's word, see `CallAuctionBook.Session`."""
DIFFERENT = {"network", "wall_s", "gas"}
"""Of a summary: what depends on the chain, the hour, and, by a few zero bytes of signatures, both."""


def read(run: Run, name: str) -> Any:
    return json.loads((run.folder / name).read_text())


@pytest.fixture(scope="module")
def pair(runs: dict[str, Run]) -> tuple[Run, Run]:
    devnet, embedded = (runs[network] for network in NETWORKS)
    return devnet, embedded


def test_the_window_holds_trades_caps_and_second_clearings(pair: tuple[Run, Run]) -> None:
    figures = read(pair[0], "summary.json")
    assert figures["periods"] == figures["price_micro_eur_per_wh"]["trading_periods"] == PERIODS
    assert figures["verdicts"]["capped"] > 5
    assert figures["verdicts"]["accepted"] > 5
    assert figures["matched_wh"] > 5_000
    assert figures["curtailed_wh"] > 0
    assert all(figures["orders_by_route"][route] > 0 for route in ("mandate", "signed", "own"))
    assert figures["gas"]["clear"]["transactions"] > PERIODS


def test_balances_positions_and_prices_are_identical(pair: tuple[Run, Run]) -> None:
    devnet, embedded = (read(run, "state.json") for run in pair)
    assert devnet == embedded
    assert len(devnet["positions"]) == len(devnet["prices"]) == PERIODS
    assert all(price is not None for price in devnet["prices"].values())
    assert any(sold for of_period in devnet["positions"].values() for sold, _ in of_period.values())


def test_the_storage_of_every_contract_is_identical(pair: tuple[Run, Run]) -> None:
    """But for the block times of each clearing and of the seal, which the contracts keep."""
    devnet, embedded = (run.storage for run in pair)
    assert devnet.keys() == embedded.keys()
    assert len(devnet) == 10
    assert sum(map(len, devnet.values())) > 500
    for name in set(devnet) - {"CallAuction", "ClearingHouse"}:
        assert devnet[name] == embedded[name], name
    assert devnet["ClearingHouse"].keys() == embedded["ClearingHouse"].keys()
    sealed_at = [
        (word, embedded["ClearingHouse"][slot])
        for slot, word in devnet["ClearingHouse"].items()
        if word != embedded["ClearingHouse"][slot]
    ]
    assert len(sealed_at) <= 1
    assert all(abs(one - other) < 3_600 for one, other in sealed_at)
    sessions = 0
    assert devnet["CallAuction"].keys() == embedded["CallAuction"].keys()
    for slot, word in devnet["CallAuction"].items():
        differing = word ^ embedded["CallAuction"][slot]
        assert not differing & ~CLEARED_AT
        sessions += differing != 0
    assert sessions <= PERIODS


def test_the_chains_wrote_the_same_log(pair: tuple[Run, Run]) -> None:
    """Every event with its values, in the same order, from contracts at the same addresses."""

    def facts(run: Run) -> list[tuple]:
        content = read(run, "logs.json")
        timed = logs_of(content, "ClearingHouse", "ModuleProposed")  # tells the block's time
        logs = [log for log in content["logs"] if log not in timed]
        return [(log["address"], log["topics"], log["data"]) for log in logs]

    devnet, embedded = map(facts, pair)
    assert len(devnet) > 20 * PERIODS
    assert devnet == embedded


def test_orders_periods_participants_and_money_are_identical(pair: tuple[Run, Run]) -> None:
    devnet, embedded = (RunRecord.load(run.folder / "record") for run in pair)
    for table in ("orders", "periods", "participants", "money"):
        pd.testing.assert_frame_equal(getattr(devnet, table), getattr(embedded, table))
    assert devnet.verdicts == embedded.verdicts


def test_figures_are_identical(pair: tuple[Run, Run]) -> None:
    devnet, embedded = (read(run, "summary.json") for run in pair)
    assert {key for key in devnet if devnet[key] != embedded[key]} <= DIFFERENT


def test_gas_is_identical_but_for_the_bytes_of_signatures(pair: tuple[Run, Run]) -> None:
    devnet, embedded = (read(run, "summary.json")["gas"] for run in pair)
    signed = [gas.pop("orders signed") for gas in (devnet, embedded)]
    assert devnet == embedded
    assert signed[0]["gas"] == pytest.approx(signed[1]["gas"], rel=1e-3)


def test_verdicts_and_readings_are_the_same_bytes(pair: tuple[Run, Run]) -> None:
    for kind in ("verdicts", "readings"):
        devnet, embedded = (
            {path.name: path.read_bytes() for path in (run.folder / kind).iterdir()} for run in pair
        )
        assert len(devnet) >= PERIODS
        assert devnet == embedded


def test_accounts_are_the_same(pair: tuple[Run, Run]) -> None:
    def people(path: Path) -> list[dict[str, str]]:
        with path.open() as file:
            return list(csv.DictReader(file))

    devnet, embedded = (people(run.folder / "participants.csv") for run in pair)
    assert devnet == embedded
    assert len(devnet) == read(pair[0], "summary.json")["participants"]
