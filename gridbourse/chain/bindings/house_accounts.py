"""Numbers of the house accounts, and of the first participant above them (`HouseAccounts.sol`)."""

DSO_ACCOUNT, SUPPLIER_ACCOUNT, OPERATOR_ACCOUNT = 1, 2, 3
ROUNDING_ACCOUNT, SPREAD_ACCOUNT, MARGIN_ACCOUNT, TSO_ACCOUNT = 4, 5, 6, 7
FIRST_PARTICIPANT = 8
