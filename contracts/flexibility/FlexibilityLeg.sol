// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice An offer of flexibility, and what becomes of it, in a 56-bit lane
/// @dev   Wh: 28 | tick: 16 | agent: 8 | state: 4. An empty lane is no offer, or one that is over. The agent is the place
///        of who brought it among those of its request; 0 = the participant itself
library FlexibilityLeg {
    uint256 internal constant OFFERED = 1;
    /// @dev Not called by lot, but its schedule is verified all the same
    uint256 internal constant STANDS_BY = 2;
    /// @dev Its agent's offers together miss the minimum bid
    uint256 internal constant TOO_SMALL = 3;
    uint256 internal constant AWARDED = 4;
    /// @dev Its salt was not shown in time: it is called by no lot, and costs its bond
    uint256 internal constant WITHHELD = 5;

    function pack(uint256 energyWh, uint256 atTick, uint256 inState) internal pure returns (uint256) {
        return (energyWh << 28) | (atTick << 12) | inState;
    }

    function packFor(uint256 energyWh, uint256 atTick, uint256 byAgent) internal pure returns (uint256) {
        return pack(energyWh, atTick, (byAgent << 4) | OFFERED);
    }

    function wh(uint256 leg) internal pure returns (uint256) {
        return leg >> 28;
    }

    function tick(uint256 leg) internal pure returns (uint256) {
        return (leg >> 12) & 0xffff;
    }

    function agent(uint256 leg) internal pure returns (uint256) {
        return (leg >> 4) & 0xff;
    }

    function state(uint256 leg) internal pure returns (uint256) {
        return leg & 0xf;
    }

    function withState(uint256 leg, uint256 newState) internal pure returns (uint256) {
        return (leg & ~uint256(0xf)) | newState;
    }

    function withWh(uint256 leg, uint256 energyWh) internal pure returns (uint256) {
        return (energyWh << 28) | (leg & ((1 << 28) - 1));
    }
}
