// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What the registry may open to anyone, each on its own; orders, trades and metering never are
library Purposes {
    bytes32 internal constant HOLD_CURRENCY = keccak256("HOLD_CURRENCY");
    bytes32 internal constant FUND = keccak256("FUND");
    bytes32 internal constant HOLD_SHARES = keccak256("HOLD_SHARES");
}
