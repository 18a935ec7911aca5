// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What is offered for a participant, as one word; and what an offer took the place of, as another
/// @dev   Entry: participant: 32 | tick: 16 | Wh: 32 | what its connection carries, in Wh: 32 | agent: 8, its place among
///        those of the request. Replaced: former leg (see FlexibilityLeg): 56 | its bond in µEUR: 64 | the bond now: 64
library FlexibilityOffer {
    function pack(uint256 who, uint256 atTick, uint256 energyWh, uint256 canCarryWh, uint256 byAgent)
        internal
        pure
        returns (uint256)
    {
        return (who << 88) | (atTick << 72) | (energyWh << 40) | (canCarryWh << 8) | byAgent;
    }

    function participant(uint256 offer) internal pure returns (uint256) {
        return uint32(offer >> 88);
    }

    function tick(uint256 offer) internal pure returns (uint256) {
        return uint16(offer >> 72);
    }

    function wh(uint256 offer) internal pure returns (uint256) {
        return uint32(offer >> 40);
    }

    function capacityWh(uint256 offer) internal pure returns (uint256) {
        return uint32(offer >> 8);
    }

    function agent(uint256 offer) internal pure returns (uint256) {
        return uint8(offer);
    }

    function packReplaced(uint256 leg, uint256 bondMicroEur, uint256 newBondMicroEur) internal pure returns (uint256) {
        return (leg << 128) | (bondMicroEur << 64) | newBondMicroEur;
    }

    function formerLeg(uint256 replaced) internal pure returns (uint256) {
        return replaced >> 128;
    }

    function formerBond(uint256 replaced) internal pure returns (uint256) {
        return uint64(replaced >> 64);
    }

    function bond(uint256 replaced) internal pure returns (uint256) {
        return uint64(replaced);
    }
}
