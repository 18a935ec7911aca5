"""What the chain knows of the people of a run: numbers and pseudonyms."""

import csv
import json
from pathlib import Path

import pytest
from eth_utils import keccak

from tests.replay.conftest import NETWORKS, Run

REGISTERED = keccak(
    text="ParticipantRegistered(uint256,address,bytes32,uint256,uint256,uint256,uint256)"
)


@pytest.fixture
def folder(runs: dict[str, Run]) -> Path:
    return runs[NETWORKS[0]].folder


@pytest.fixture
def people(folder: Path) -> dict[int, str]:
    """Point by participant number, as the run's own folder says."""
    with (folder / "participants.csv").open() as file:
        return {int(row["number"]): row["point_id"] for row in csv.DictReader(file)}


def registered(folder: Path) -> dict[int, str]:
    """Metering point by participant number, as the chain says."""
    logs = json.loads((folder / "logs.json").read_text())["logs"]
    told = [log["topics"] for log in logs if log["topics"][0] == "0x" + REGISTERED.hex()]
    return {int(number, 16): point for _, number, _, point in told}


def test_the_mapping_stays_beside_the_chain(folder: Path, people: dict[int, str]) -> None:
    points = registered(folder)
    assert points.keys() == people.keys()
    assert len(set(points.values())) == len(people) > 8
    assert (folder / "participants.csv").stat().st_mode & 0o777 == 0o600


def test_metering_points_are_pseudonyms_on_the_chain(folder: Path, people: dict[int, str]) -> None:
    logs = (folder / "logs.json").read_text().lower()
    assert all(point[2:] in logs for point in registered(folder).values())
    for point in people.values():
        assert point.encode().hex() not in logs
        assert keccak(text=point).hex() not in logs
