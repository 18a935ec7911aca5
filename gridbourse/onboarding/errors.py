"""Errors in an application, a person's state or a keystore."""

from dataclasses import dataclass
from enum import StrEnum

from gridbourse.errors import GridbourseError


class Rule(StrEnum):
    """Rule for an application; the value is the word that a refusal names."""

    SCHEMA = "schema"  # the columns of the file, a field for each of them
    TEXT = "text"  # not empty, printable, not longer than a name may be
    NUMBER = "number"  # digits, with a point before a fraction
    ZONE = "zone"  # a grid zone of this market
    CAPACITY = "capacity"  # possible for a connection and within a contract's range
    ADDRESS = "address"  # an account address, its checksum right
    ACCOUNT = "account"  # not of a contract, nor of a party that runs the market
    PERIOD = "period"  # a delivery period that is over
    RANGE = "range"  # not beyond the connection's capacity
    METER = "meter"  # the key the meter operator has on record for the point
    SIGNATURE = "signature"  # of that meter, on this very reading
    CREDIT = "credit"  # from zero to the treasurer's limit
    MANDATE = "mandate"  # yes or no; yes where the key is made here
    DUPLICATE = "duplicate"  # one application per metering point, meter and account


@dataclass(frozen=True)
class Refusal:
    """Fault in one row; row is the line of the CSV file, whose header is line 1."""

    row: int
    column: str
    rule: Rule
    reason: str


class ApplicationError(GridbourseError):
    """Application file that cannot be read as one: none of its rows are taken."""


class PersonError(GridbourseError):
    """Person that does not exist, or is not in the state in which this step begins."""


class PeopleError(GridbourseError):
    """Register of people that cannot be opened, or is of another deployment."""
