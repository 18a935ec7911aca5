"""Numbers of the house accounts, and of the first participant above them (`HouseAccounts.sol`)."""

DSO_ACCOUNT, SUPPLIER_ACCOUNT, OPERATOR_ACCOUNT = 1, 2, 3
ROUNDING_ACCOUNT, SPREAD_ACCOUNT, MARGIN_ACCOUNT, TSO_ACCOUNT = 4, 5, 6, 7
FIRST_PARTICIPANT = 8
OTHER_DSOS = 0xFFFF_0000
"""Above every seat: the DSO of area n, for n > 0, has the account n above this."""


def dso_account(area: int) -> int:
    """Account of an area's DSO."""
    return OTHER_DSOS + area if area else DSO_ACCOUNT
