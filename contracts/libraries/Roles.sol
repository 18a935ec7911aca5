// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Roles a service account may hold; held in the registry, read by every contract
library Roles {
    bytes32 internal constant OPERATOR = keccak256("OPERATOR");
    bytes32 internal constant DSO = keccak256("DSO");
    bytes32 internal constant TSO = keccak256("TSO");
    bytes32 internal constant SUPPLIER = keccak256("SUPPLIER");
    bytes32 internal constant GATEWAY = keccak256("GATEWAY");
    bytes32 internal constant AGGREGATOR = keccak256("AGGREGATOR");
    bytes32 internal constant METER_ORACLE = keccak256("METER_ORACLE");
    bytes32 internal constant GRID_ORACLE = keccak256("GRID_ORACLE");
    bytes32 internal constant VERIFIER = keccak256("VERIFIER");
    bytes32 internal constant ATTESTER = keccak256("ATTESTER");
    bytes32 internal constant TREASURER = keccak256("TREASURER");
}
