// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Numbers of the named accounts: they share one numbering with participants, who start at FIRST_PARTICIPANT
library HouseAccounts {
    uint256 internal constant DSO = 1;
    uint256 internal constant SUPPLIER = 2;
    uint256 internal constant OPERATOR = 3;
    uint256 internal constant ROUNDING = 4;
    uint256 internal constant SPREAD = 5;
    uint256 internal constant MARGIN = 6;
    uint256 internal constant TSO = 7;
    uint256 internal constant FIRST_PARTICIPANT = 8;
}
