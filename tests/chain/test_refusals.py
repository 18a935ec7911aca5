"""What contracts refuse is said in words: phases, roles and times, as the sources name them."""

import re
from typing import Any

import pytest
from eth_utils import keccak

from gridbourse.chain.bindings import crowdsale, flexibility, grid_oracle
from gridbourse.chain.node import refusals
from gridbourse.chain.node.compiler import CHECKOUT, load_artifacts
from gridbourse.chain.node.transactions import Reverted

SOURCES = [path.read_text(encoding="utf-8") for path in (CHECKOUT / "contracts").rglob("*.sol")]


def error(contract: str, name: str, arguments: int) -> list[dict[str, Any]]:
    """Inputs of an error in a contract's ABI."""
    (found,) = (
        entry["inputs"]
        for entry in load_artifacts()[contract].abi
        if entry["type"] == "error" and entry["name"] == name and len(entry["inputs"]) == arguments
    )
    return found


def refusal(contract: str, name: str, *values: Any) -> str:
    inputs = error(contract, name, len(values))
    named = dict(zip((given["name"] for given in inputs), values, strict=True))
    return str(Reverted("step", name, named, inputs))


@pytest.mark.parametrize(
    ("contract", "name", "values", "said"),
    [
        ("EquityCampaign", "WrongPhase", (1,), "step refused: WrongPhase(phase=open)"),
        ("CallAuction", "WrongPhase", (0, 7, 3), "WrongPhase(area=0, period=7, phase=void)"),
        ("AggregatorAuction", "WrongPhase", (0, 7, 2, 2), "auction=2, phase=ended)"),
        ("FlexibilityMarket", "WrongPhase", (0, 7, 2, 2), "request=2, phase=void)"),
        ("EquityCampaign", "NotOver", (1_469_354_400, 1_469_354_401),
         "NotOver(now_=2016-07-24 10:00 UTC, from=2016-07-24 10:00:01 UTC)"),
        ("EquityCampaign", "NotOver", (1_632_576, 1_632_600), "NotOver(now_=1632576, from=1632600)"),
        ("ClearingHouse", "TimelockRunning", ("0x12", 1_469_354_400),
         "module=0x12, executableAt=2016-07-24 10:00 UTC)"),
        ("ParticipantRegistry", "MissingRole", ("0x12", keccak(text="METER_ORACLE")), "role=METER_ORACLE)"),
        ("ParticipantRegistry", "MissingRole", ("0x12", b"\1" * 32), f"role=0x{'01' * 32})"),
        ("ParticipantRegistry", "MissingRole", ("0x12", bytes(32)), "role=ADMIN)"),
        ("ParticipantRegistry", "MeteringPointTaken", (bytes(32), 8), f"meteringPoint=0x{'00' * 32}"),
        ("Settlement", "ReadingMissing", (8, 7, 0), "period=7, deadline=0)"),
    ],
)  # fmt: skip
def test_numbers_that_mean_something_are_named(
    contract: str, name: str, values: tuple[Any, ...], said: str
) -> None:
    assert said in refusal(contract, name, *values)


def test_the_values_stay_what_the_chain_has() -> None:
    inputs = error("EquityCampaign", "WrongPhase", 1)
    assert Reverted("step", "WrongPhase", {"phase": 1}, inputs).values == {"phase": 1}


def test_every_enum_an_error_shows_has_its_names() -> None:
    shown = {
        given["internalType"].removeprefix("enum ")
        for artifact in load_artifacts().values()
        for entry in artifact.abi
        if entry["type"] == "error"
        for given in entry["inputs"]
        if given.get("internalType", "").startswith("enum ")
    }
    assert shown <= refusals.ENUMS.keys()


@pytest.mark.parametrize("enum", refusals.ENUMS)
def test_names_of_enums_are_those_of_the_sources(enum: str) -> None:
    contract, name = enum.split(".")
    (text,) = (
        text for text in SOURCES
        if re.search(rf"^(abstract )?(contract|interface) {contract}\b", text, re.MULTILINE)
    )  # fmt: skip
    body = text[re.search(rf"(contract|interface) {contract}\b", text).start() :]  # type: ignore[union-attr]
    members = re.search(rf"enum {name} \{{([^}}]*)\}}", body)
    assert members is not None
    words = re.findall(r"^\s*(\w+)", re.sub(r"//.*", "", members[1]), re.MULTILINE)
    spaced = (re.sub(r"(?<=[a-z])(?=[A-Z])", " ", word).lower() for word in words)
    assert tuple(spaced) == refusals.ENUMS[enum]


def test_they_are_the_names_that_are_used_elsewhere() -> None:
    assert refusals.ENUMS["Campaign.Phase"] == crowdsale.PHASES
    assert refusals.ENUMS["IFlexibilityMarket.Phase"] == flexibility.PHASES
    assert refusals.ENUMS["IGridOracle.Verdict"] == grid_oracle.VERDICTS


def test_roles_and_purposes_are_those_of_the_sources() -> None:
    hashed = {name for text in SOURCES for name in re.findall(r'keccak256\("([A-Z_]+)"\)', text)}
    assert hashed <= set(refusals.NAMED)


def test_statuses_are_those_of_the_sources() -> None:
    text = (CHECKOUT / "contracts" / "libraries" / "Profile.sol").read_text(encoding="utf-8")
    found = re.findall(r"uint256 internal constant (\w+) = (\d);", text)
    assert {int(value): name.lower() for name, value in found} == refusals.STATUSES
