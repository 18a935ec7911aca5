"""Whatever a forger changes in the log, the record or the storage, the checker names it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gridbourse.audit.core.findings import Difference
from gridbourse.chain.node.compiler import CHECKOUT
from tests.audit.forging import (
    altered,
    altered_topic,
    dropped,
    logs_of,
    plus,
    repeated,
    set_reading,
)

Forging = Callable[[str, Callable[[Any], None]], list[Difference]]


def a_zone_below_itself(content: dict[str, Any]) -> None:
    log = logs_of(content, "ParticipantRegistry", "ZoneAdded")[0]
    log["topics"][2] = log["topics"][1]


# forgery of the log, the kind of difference it must be named as, and what its place must say
FORGERIES = {
    "a zone below itself": (a_zone_below_itself, "registry", "zone 1"),
    "a fill": (
        altered("ClearingHouse", "TradesBooked", plus("fills", 1, at=0)),
        "fill",
        "participant 8",
    ),
    "a payment": (
        altered("ClearingHouse", "TradesBooked", plus("payments", 1 << 128, at=0)),
        "payment",
        "participant 10",
    ),
    "a price": (
        altered("CallAuction", "Cleared", plus("priceMicroEurPerWh", 1)),
        "price",
        "period",
    ),
    "a volume": (altered("CallAuction", "Cleared", plus("matchedWh", 1)), "clearing", "volume"),
    "a margin": (
        altered("CallAuction", "Cleared", plus("bid", 1, at=1)),
        "clearing",
        "marginal bid",
    ),
    "a round": (altered("CallAuction", "Cleared", plus("round", 1)), "round", "Cleared"),
    "an order": (
        altered("CallAuction", "OrdersPlaced", plus("groups", 1 << 25, at=0)),
        "book root",
        "Cleared",
    ),
    "a lost order": (dropped("CallAuction", "OrdersPlaced"), "book root", "Cleared"),
    "a lost cancellation": (dropped("CallAuction", "OrderPlaced", -1), "book root", "Cleared"),
    "a replayed order": (repeated("CallAuction", "OrdersPlaced"), "order", "participant 8"),
    "a cap": (altered("GridOracle", "Capped", plus("groups", 1 << 28, at=0)), "cap", "group 2"),
    "a raised cap": (
        altered("GridOracle", "Capped", plus("groups", 500 << 28, at=0), -1),
        "cap",
        "participant 8",
    ),
    "lost caps": (dropped("GridOracle", "Capped"), "cap", "period"),
    "shrunk orders": (
        altered("CallAuction", "OrdersShrunk", plus("orders", 1 << 25)),
        "cap",
        "group 2",
    ),
    "a lost acceptance": (dropped("GridOracle", "Accepted"), "verdict", "booking"),
    "a lost booking": (dropped("CallAuction", "Booked"), "settlement", "group 2"),
    "lost trades": (dropped("ClearingHouse", "TradesBooked"), "fill", "booking"),
    "trades booked twice": (repeated("ClearingHouse", "TradesBooked"), "fill", "group 2"),
    "a spread": (altered("CallAuction", "Booked", plus("spreadMicroEur", 1)), "spread", "period"),
    "a reading": (
        altered("MeterOracle", "ReadingsSubmitted", set_reading(2, 700)),
        "settlement",
        "participant 9",
    ),
    "a lost correction": (
        dropped("MeterOracle", "ReadingsSubmitted", 1),
        "settlement",
        "participant 8",
    ),
    "a late reading": (repeated("MeterOracle", "ReadingsSubmitted"), "reading", "version"),
    "an estimate": (
        altered("Settlement", "ReadingEstimated", plus("estimateWh", 1)),
        "estimate",
        "participant 15",
    ),
    "a lost estimate": (dropped("Settlement", "ReadingEstimated", 1), "estimate", "participant 16"),
    "a lost deadline": (dropped("Settlement", "ReadingsAwaited"), "estimate", "participant 16"),
    "a settlement": (
        altered("ClearingHouse", "GroupsSettled", plus("deltas", 1, at=0)),
        "settlement",
        "participant 8",
    ),
    "the DSO's fees": (
        altered("ClearingHouse", "GroupsSettled", plus("dsoMicroEur", 1)),
        "identity",
        "sum to 0",
    ),
    "a lost settlement": (dropped("ClearingHouse", "GroupsSettled"), "settlement", "area"),
    "a settlement twice": (repeated("ClearingHouse", "GroupsSettled"), "settlement", "group 2"),
    "a lost end": (dropped("ClearingHouse", "PeriodFinished"), "settlement", "finished"),
    "a debt": (
        altered("ClearingHouse", "DebtIncurred", plus("balanceMicroEur", 1)),
        "debt",
        "participant",
    ),
    "a lost debt": (dropped("ClearingHouse", "DebtIncurred"), "debt", "participant"),
    "a deposit": (
        altered("ClearingHouse", "Deposited", plus("amountMicroEur", 1)),
        "balance",
        "account 8",
    ),
    "a lost deposit": (dropped("ClearingHouse", "Deposited"), "money", "deposits"),
    "a withdrawal": (
        altered("ClearingHouse", "Withdrawn", plus("amountMicroEur", 1)),
        "withdrawal",
        "account, to",
    ),
    "a withdrawal that was not paid": (
        dropped("ClearingHouse", "Withdrawn"),
        "money",
        "withdrawals",
    ),
    "a withdrawal that was never announced": (
        dropped("ClearingHouse", "WithdrawalAnnounced"),
        "withdrawal",
        "none is under way",
    ),
    "more set aside": (
        altered("ClearingHouse", "WithdrawalAnnounced", plus("amountMicroEur", 1)),
        "balance",
        "account 14",
    ),
    "more set aside than there is": (
        altered("ClearingHouse", "WithdrawalAnnounced", plus("amountMicroEur", 10**7)),
        "money rule",
        "account 14",
    ),
    "money of another": (
        altered_topic("ClearingHouse", "WithdrawalAnnounced", 3),
        "withdrawal",
        "does not hold it",
    ),
    "another account": (
        altered_topic("ClearingHouse", "WithdrawalAnnounced", 2),
        "withdrawal",
        "does not hold it",
    ),
    "a number": (
        altered_topic("ClearingHouse", "WithdrawalAnnounced", 1),
        "withdrawal",
        "number",
    ),
    "a day of payment": (
        altered("ClearingHouse", "WithdrawalAnnounced", plus("readyAt", 1), -1),
        "balance",
        "under way",
    ),
    "a debt that was not paid first": (
        altered("ClearingHouse", "WithdrawalFinished", plus("keptMicroEur", -1), 1),
        "withdrawal",
        "kept",
    ),
    "a withdrawal that ended twice": (
        repeated("ClearingHouse", "WithdrawalFinished"),
        "withdrawal",
        "none is under way",
    ),
    "a lost end of a withdrawal": (
        dropped("ClearingHouse", "WithdrawalFinished"),
        "withdrawal",
        "account, to",
    ),
    "money put back": (
        altered("ClearingHouse", "WithdrawalCancelled", plus("amountMicroEur", 1)),
        "withdrawal",
        "put back",
    ),
    "a lost cancellation of a withdrawal": (
        dropped("ClearingHouse", "WithdrawalCancelled"),
        "balance",
        "under way",
    ),
    "a credit that waits": (
        altered("ClearingHouse", "CreditWaits", plus("amountMicroEur", 1)),
        "credit that waits",
        "participant 13",
    ),
    "a lost credit that waits": (
        dropped("ClearingHouse", "CreditWaits"),
        "credit that waits",
        "participant 13",
    ),
    "a credit that need not wait": (
        repeated("ClearingHouse", "CreditWaits"),
        "credit that waits",
        "participant 13",
    ),
    "a credit that came": (
        altered("ClearingHouse", "WaitingPaid", plus("amountMicroEur", 1)),
        "credit that waits",
        "paid",
    ),
    "a lost payment of a credit": (
        dropped("ClearingHouse", "WaitingPaid"),
        "balance",
        "account 13",
    ),
    "a reading that was refused": (
        altered("Settlement", "ReadingRefused", plus("wh", 1)),
        "reading",
        "participant 15",
    ),
    "a capacity it was refused for": (
        altered("Settlement", "ReadingRefused", plus("capacityWh", 1)),
        "reading",
        "participant 15",
    ),
    "a lost refusal": (
        dropped("Settlement", "ReadingRefused"),
        "reading",
        "participant 15",
    ),
    "a refusal of a good reading": (
        repeated("Settlement", "ReadingRefused"),
        "reading",
        "participant 15",
    ),
    "lost currency": (dropped("SettlementCurrency", "Transfer", -1), "money", "currency held"),
    "a retail price": (
        altered("Tariff", "EnergyPricesSet", plus("retailMicroEurPerWh", 1)),
        "scenario",
        "retail",
    ),
    "a grid fee": (
        altered("Tariff", "GridFeesSet", plus("localMicroEurPerWh", 1), 1),
        "scenario",
        "LV3.102",
    ),
    "a hold rate": (
        altered("ClearingHouse", "PeriodActivated", plus("holdMicroEurPerWh", 1)),
        "tariff",
        "hold",
    ),
    "a capacity": (
        altered("ParticipantRegistry", "ParticipantRegistered", plus("capacityWh", 1)),
        "scenario",
        "P0001",
    ),
    "a zone": (
        altered("ParticipantRegistry", "ParticipantRegistered", plus("zone", 1)),
        "scenario",
        "P0001",
    ),
    "a lost participant": (
        dropped("ParticipantRegistry", "ParticipantRegistered"),
        "registry",
        "participant",
    ),
    "a lost mandate": (dropped("ParticipantRegistry", "MandateGiven"), "order", "participant 8"),
    "a lower limit of what agents may promise": (
        altered("ParticipantRegistry", "AgentsLimited", plus("sellWh", -1)),
        "reservation",
        "participant 8",
    ),
    "a lost gateway": (
        dropped("ParticipantRegistry", "RoleGranted", -1),
        "order",
        "not a gateway",
    ),
    "market time": (
        altered("MarketClock", "ClockAdvanced", plus("timestamp", 400)),
        "market time",
        "order",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_log_is_named(forge: Forging, name: str) -> None:
    forgery, what, place = FORGERIES[name]
    found = [str(d) for d in forge("logs", forgery)]
    assert any(line.startswith(f"{what}: ") and place in line for line in found), found


def test_difference_says_both_values(forge: Forging) -> None:
    found = forge("logs", altered("CallAuction", "Cleared", plus("priceMicroEurPerWh", 7)))
    [price] = [d for d in found if d.what == "price"]
    assert int(price.chain) == int(price.rebuilt) + 7


def test_one_micro_euro_in_one_balance(forge: Forging) -> None:
    def one_more(state: dict[str, Any]) -> None:
        state["balances"]["11"] += 1

    found = forge("state", one_more)
    assert [d.what for d in found] == ["balance", "identity"]
    assert found[0].where == "µEUR, account 11"
    assert int(found[0].chain) == int(found[0].rebuilt) + 1


def test_one_watt_hour_in_one_position(forge: Forging) -> None:
    def one_more(state: dict[str, Any]) -> None:
        positions = state["positions"]["0"]
        positions[min(positions)]["8"][0] += 1

    found, unbalanced = forge("state", one_more)
    assert unbalanced.where.startswith("sold Wh = bought Wh")
    assert (found.what, found.chain, found.rebuilt) == ("position", "(601, 0)", "(600, 0)")


@pytest.mark.parametrize("field", ["prices", "balances", "positions"])
def test_storage_that_is_silent(forge: Forging, field: str) -> None:
    def forget(state: dict[str, Any]) -> None:
        state[field] = {}

    assert forge("state", forget)


def test_storage_that_was_overwritten(honest: Path, forge: Forging) -> None:
    """With room for two periods the first ones are gone: they are then not missed."""

    def small_ring(record: dict[str, Any]) -> None:
        record["contracts"]["ClearingHouse"]["arguments"][3] = 2

    def forget_first(state: dict[str, Any]) -> None:
        del state["positions"]["0"][min(state["positions"]["0"])]

    assert "position" in {d.what for d in forge("state", forget_first)}
    assert forge("deployment", small_ring) == []


@pytest.mark.parametrize("field", ["currency_held", "deposits", "withdrawals"])
def test_currency_that_is_not_there(forge: Forging, field: str) -> None:
    def one_less(state: dict[str, Any]) -> None:
        state[field] -= 1

    assert "identity" in {d.what for d in forge("state", one_less)}


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("tariff", {"retail_micro_eur_per_wh": 310}, "price band"),
        ("market.max_rounds", 3, "rounds"),
        ("market.area", "elsewhere", "areas"),
        ("parties.participation", 0.2, "participants"),
        ("periods", 5, "not settled"),
        ("start", "2016-07-24T01:00:00Z", "from period"),
    ],
)
def test_another_scenario(forge: Forging, key: str, value: Any, place: str) -> None:
    def replace(given: dict[str, Any]) -> None:
        given["overrides"][key] = value

    found = forge("scenario", replace)
    assert {d.what for d in found} == {"scenario"}
    assert any(place in d.where for d in found), found


def test_another_price_band_at_deployment(forge: Forging) -> None:
    def cheaper(record: dict[str, Any]) -> None:
        record["contracts"]["CallAuction"]["arguments"][0][5] -= 1

    what = {d.what for d in forge("deployment", cheaper)}
    assert {"scenario", "price", "payment"} <= what


def test_a_process_of_its_own_exits_with_1(honest: Path, forge: Forging) -> None:
    forge("logs", altered("CallAuction", "Cleared", plus("priceMicroEurPerWh", 1)))
    command = [sys.executable, "-m", "scripts.check", str(honest)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "price: area 0, period" in done.stdout
