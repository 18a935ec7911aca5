"""What is wrong with an application, a person's state or a keystore."""

from dataclasses import dataclass
from enum import StrEnum

from gridbourse.errors import GridbourseError


class Rule(StrEnum):
    """What an application must be; the word a refusal names."""

    SCHEMA = "schema"  # the columns of the file, a field for each of them
    TEXT = "text"  # something, printable, not longer than a name is
    NUMBER = "number"  # digits, with a point before a fraction
    ZONE = "zone"  # a grid zone of this market
    CAPACITY = "capacity"  # what a connection can have and a contract can hold
    ADDRESS = "address"  # an account address, its checksum right
    ACCOUNT = "account"  # of no contract, and of nobody who runs the market
    PERIOD = "period"  # a delivery period that is over
    RANGE = "range"  # not beyond what the connection carries
    METER = "meter"  # the key the meter operator has on record for the point
    SIGNATURE = "signature"  # of that meter, on this very reading
    CREDIT = "credit"  # from nothing to the most the treasurer grants
    MANDATE = "mandate"  # yes or no; given with a key that is made here
    DUPLICATE = "duplicate"  # one application per metering point, meter and account


@dataclass(frozen=True)
class Refusal:
    """One thing wrong with one row; row is the line of the CSV file, whose header is line 1."""

    row: int
    column: str
    rule: Rule
    reason: str


class ApplicationError(GridbourseError):
    """An application file that cannot be read as one: nothing of it goes in."""


class PersonError(GridbourseError):
    """A person who is not there, or not where this step begins."""


class PeopleError(GridbourseError):
    """The register of people cannot be opened, or is of another deployment."""
