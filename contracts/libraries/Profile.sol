// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What the markets need to know of a participant, in 64 bits
/// @dev   capacity in Wh per period: 28 | area: 8 | zone: 12 | gateway: 12 | status: 4
library Profile {
    uint256 internal constant NONE = 0;
    uint256 internal constant ACTIVE = 1;
    uint256 internal constant SUSPENDED = 2;
    uint256 internal constant LEFT = 3;

    function pack(uint256 canCarryWh, uint256 inArea, uint256 inZone) internal pure returns (uint256) {
        return (canCarryWh << 36) | (inArea << 28) | (inZone << 16) | ACTIVE;
    }

    function capacityWh(uint256 profile) internal pure returns (uint256) {
        return profile >> 36;
    }

    function area(uint256 profile) internal pure returns (uint256) {
        return (profile >> 28) & 0xff;
    }

    function zone(uint256 profile) internal pure returns (uint256) {
        return (profile >> 16) & 0xfff;
    }

    /// @dev Number of the gateway that holds this participant's mandate; 0 = none
    function gateway(uint256 profile) internal pure returns (uint256) {
        return (profile >> 4) & 0xfff;
    }

    function status(uint256 profile) internal pure returns (uint256) {
        return profile & 0xf;
    }

    function withStatus(uint256 profile, uint256 newStatus) internal pure returns (uint256) {
        return (profile & ~uint256(0xf)) | newStatus;
    }

    function withGateway(uint256 profile, uint256 newGateway) internal pure returns (uint256) {
        return (profile & ~(uint256(0xfff) << 4)) | (newGateway << 4);
    }
}
