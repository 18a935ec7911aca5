// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AreaKey} from "./AreaKey.sol";

/// @notice Numbers of the named accounts: they share one numbering with participants, who start at FIRST_PARTICIPANT. DSO is
///         that of area 0; those of the other areas lie above every seat
library HouseAccounts {
    uint256 internal constant DSO = 1;
    uint256 internal constant SUPPLIER = 2;
    uint256 internal constant OPERATOR = 3;
    uint256 internal constant ROUNDING = 4;
    uint256 internal constant SPREAD = 5;
    uint256 internal constant MARGIN = 6;
    uint256 internal constant TSO = 7;
    uint256 internal constant FIRST_PARTICIPANT = 8;
    /// @dev No seat, and no account but a DSO's, has this number or a higher one; all of them have 32 bits
    uint256 internal constant AREA_DSOS = 0xffffff00;

    /// @notice Number of the account of an area's DSO
    function dsoOf(uint256 area) internal pure returns (uint256) {
        if (area == 0) return DSO;
        if (area > type(uint8).max) revert AreaKey.AreaOutOfRange(area);
        return AREA_DSOS | area;
    }

    /// @notice Whether an account is a DSO's
    function isDso(uint256 account) internal pure returns (bool) {
        return account == DSO || account > AREA_DSOS;
    }

    /// @notice The area of a DSO's account
    function areaOfDso(uint256 account) internal pure returns (uint256) {
        return account == DSO ? 0 : account - AREA_DSOS;
    }

    /// @notice Whether a number is above the named accounts, and no DSO's
    function isParticipant(uint256 account) internal pure returns (bool) {
        return account >= FIRST_PARTICIPANT && account <= AREA_DSOS;
    }
}
