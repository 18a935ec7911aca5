"""One mapping for deployment and onboarding: a meter oracle reads members of both."""

import pytest

from gridbourse.metering.errors import ReadingError
from gridbourse.metering.points import read_numbers
from gridbourse.onboarding.applications import read_applications
from gridbourse.onboarding.mapping import found_mapping, update_mapping
from tests.onboarding.applying import TERMS, row, write

DEPLOYED = [
    {"point_id": "P0001", "number": 8, "account": "0x8", "at": 0, "zone": "LV1.101"},
    {"point_id": "P0002", "number": 9, "account": "0x9", "at": 1, "zone": "LV1.101"},
]


@pytest.fixture
def member(people, tmp_path):
    """Registers somebody at a point; the id."""

    def register(point: str, number: int) -> str:
        judged = read_applications(write(tmp_path / f"{point}-{number}.csv", row(point)), TERMS)
        (person,), _ = people.apply(judged.good)
        people.check(person.id, "Grace")
        people.intend(person.id, f"0x{number}")
        people.registered(person.id, number)
        return person.id

    return register


def test_the_rows_of_both_are_in_it_and_neither_removes_the_others(people, member, tmp_path):
    path = tmp_path / "devnet.participants.csv"
    found_mapping(path, DEPLOYED)
    first = member("S1", 20)
    update_mapping(path, people)
    assert read_numbers(path) == {"P0001": (8,), "P0002": (9,), "S1": (20,)}

    people.left(first)
    member("S2", 21)
    update_mapping(path, people)
    update_mapping(path, people)
    assert read_numbers(path) == {"P0001": (8,), "P0002": (9,), "S1": (20,), "S2": (21,)}

    people.erase(first, 20)
    update_mapping(path, people)
    assert read_numbers(path) == {"P0001": (8,), "P0002": (9,), "S2": (21,)}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_point_that_was_taken_over_has_both_in_order(people, member, tmp_path):
    path = tmp_path / "devnet.participants.csv"
    found_mapping(path, DEPLOYED)
    member("P0002", 20)
    update_mapping(path, people)
    assert read_numbers(path)["P0002"] == (9, 20)


def test_without_a_deployments_mapping_it_is_made(people, member, tmp_path):
    member("S1", 8)
    update_mapping(tmp_path / "new.csv", people)
    assert read_numbers(tmp_path / "new.csv") == {"S1": (8,)}


def test_a_mapping_that_is_none_is_not_overwritten(people, member, tmp_path):
    path = tmp_path / "devnet.participants.csv"
    path.write_text("mine\n")
    member("S1", 8)
    with pytest.raises(ReadingError, match="column is missing"):
        update_mapping(path, people)
    assert path.read_text() == "mine\n"
