"""Numbers of the house accounts, and of the first participant above them (`HouseAccounts.sol`)."""

DSO_ACCOUNT, SUPPLIER_ACCOUNT, OPERATOR_ACCOUNT = 1, 2, 3
ROUNDING_ACCOUNT, SPREAD_ACCOUNT, MARGIN_ACCOUNT, TSO_ACCOUNT = 4, 5, 6, 7
FIRST_PARTICIPANT = 8
AREA_DSOS = 0xFFFFFF00
"""With an area's number, the account of its DSO; DSO_ACCOUNT is that of area 0. No participant is as high."""


def dso_account(area: int) -> int:
    """Number of the account of an area's DSO."""
    return DSO_ACCOUNT if area == 0 else AREA_DSOS | area


def is_dso(account: int) -> bool:
    """Whether an account is a DSO's, in whatever area."""
    return account == DSO_ACCOUNT or account > AREA_DSOS


def area_of_dso(account: int) -> int:
    """The area of a DSO's account."""
    return 0 if account == DSO_ACCOUNT else account - AREA_DSOS


def is_participant(account: int) -> bool:
    """Whether a number is above the named accounts, and no DSO's."""
    return FIRST_PARTICIPANT <= account <= AREA_DSOS
