// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SignedLanes} from "./SignedLanes.sol";

/// @notice What the markets need to know of a participant, in 64 bits
/// @dev   capacity in Wh per period: 28 | area: 8 | zone: 12 | gateway: 12 | limits its agents: 1 | status: 3
library Profile {
    uint256 internal constant NONE = 0;
    uint256 internal constant ACTIVE = 1;
    uint256 internal constant SUSPENDED = 2;
    uint256 internal constant LEFT = 3;
    /// @dev Taken out by the operator: not its own doing. It has both lowest bits, as LEFT has
    uint256 internal constant REMOVED = 7;

    uint256 private constant STATUS = 0x7;
    uint256 private constant AREA = 0xff << 28;
    uint256 private constant LIMITED = 0x8;

    uint256 private constant CAPACITIES = ((1 << 28) - 1) * (1 | (1 << 64) | (1 << 128) | (1 << 192));
    uint256 private constant ZONES = 0xfff * (1 | (1 << 64) | (1 << 128) | (1 << 192));

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
        return profile & STATUS;
    }

    /// @dev Whether a status says that its participant is gone, by itself or not
    function hasLeft(uint256 ofStatus) internal pure returns (bool) {
        return ofStatus & LEFT == LEFT;
    }

    /// @dev Whether the operator keeps its participant from ordering: what it can not do is then not its default
    function heldBack(uint256 profile) internal pure returns (bool) {
        return status(profile) == SUSPENDED || status(profile) == REMOVED;
    }

    function withStatus(uint256 profile, uint256 newStatus) internal pure returns (uint256) {
        return (profile & ~STATUS) | newStatus;
    }

    function withGateway(uint256 profile, uint256 newGateway) internal pure returns (uint256) {
        return (profile & ~(uint256(0xfff) << 4)) | (newGateway << 4);
    }

    /// @dev Whether its participant says how much of its connection its agents may promise (see AgentLimits)
    function withLimits(uint256 profile, bool limits) internal pure returns (uint256) {
        return limits ? profile | LIMITED : profile & ~LIMITED;
    }

    // --- a group of four at once ---------------------------------------------------------------

    /// @dev What area and status of four are whose area it is, all active
    function activeIn(uint256 ofArea) internal pure returns (uint256) {
        unchecked {
            return ((ofArea << 28) | ACTIVE) * SignedLanes.EACH;
        }
    }

    /// @dev Whether all four of a group are active in the area that `expected` is made of (see `activeIn`)
    function allActive(uint256 profiles, uint256 expected) internal pure returns (bool) {
        unchecked {
            return profiles & ((AREA | STATUS) * SignedLanes.EACH) == expected;
        }
    }

    /// @dev Whether somebody of a group, who is not blank, is of another area than `expected` is made of
    function anyElsewhere(uint256 profiles, uint256 expected) internal pure returns (bool) {
        unchecked {
            return (profiles ^ expected) & members(profiles) & (AREA * SignedLanes.EACH) != 0;
        }
    }

    /// @dev Capacities of a group in Wh, as 64-bit lanes
    function capacities(uint256 profiles) internal pure returns (uint256) {
        return (profiles >> 36) & CAPACITIES;
    }

    /// @dev All ones in the lanes of a group that are not blank
    function members(uint256 profiles) internal pure returns (uint256) {
        unchecked {
            // Every status but NONE has one of its two lowest bits set.
            return ((profiles | (profiles >> 1)) & SignedLanes.EACH) * type(uint64).max;
        }
    }

    /// @dev All ones in the lanes of a group whose grid zone is `inZone`
    function ofZone(uint256 profiles, uint256 inZone) internal pure returns (uint256) {
        unchecked {
            uint256 others = ((profiles >> 16) ^ (inZone * SignedLanes.EACH)) & ZONES;
            return ~((((others + ZONES) >> 12) & SignedLanes.EACH) * type(uint64).max);
        }
    }

    /// @dev Whether somebody of a group says how much of its connection its agents may promise
    function anyLimits(uint256 profiles) internal pure returns (bool) {
        unchecked {
            return profiles & (LIMITED * SignedLanes.EACH) != 0;
        }
    }

    /// @dev Whether somebody of a group has left
    function anyLeft(uint256 profiles) internal pure returns (bool) {
        return profiles & (profiles >> 1) & SignedLanes.EACH != 0; // LEFT and REMOVED alone have both bits
    }
}
