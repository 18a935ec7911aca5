"""Tables ``[[swaps]]`` of a scenario file."""

from gridbourse.scenario.fields import Fields
from gridbourse.scenario.markets.over_the_counter import _contract
from gridbourse.scenario.rules import OtcContract
from gridbourse.scenario.scenario import Scenario
from gridbourse.scenario.table_context import TableContext


def read(fields: Fields, context: TableContext) -> tuple[OtcContract, ...]:
    """Swaps agreed in private."""
    return tuple(_contract(table, context) for table in fields.list_of_tables("swaps"))


def of_contract(scenario: Scenario) -> tuple[int, int]:
    """Least energy, and most swaps of a seller in a period."""
    return 50, 3
