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

    /// @notice A role in one market area: that of area 0 is the role itself. DSO, METER_ORACLE, GRID_ORACLE and VERIFIER are
    ///         asked for in the area that is acted in, and say nothing in another
    function inArea(bytes32 role, uint256 area) internal pure returns (bytes32) {
        return area == 0 ? role : keccak256(abi.encode(role, area));
    }
}
