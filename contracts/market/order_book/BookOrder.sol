// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What a participant wants of an order book, in 122 bits
/// @dev   participant: 32 | sequence: 32 | new tick: 8 | kind: 3 | side: 1 | tick: 8 | position: 10 | Wh: 28, the
///        Wh lowest. Tick is the limit price of a new order; with the position it is the place of the resting order
///        that is cancelled or replaced. The sequence is for signed orders, the new tick for replacements.
library BookOrder {
    uint256 internal constant BID = 0;
    uint256 internal constant OFFER = 1;

    /// @dev What does not trade at once rests
    uint256 internal constant LIMIT = 0;
    /// @dev What does not trade at once is cancelled
    uint256 internal constant IMMEDIATE_OR_CANCEL = 1;
    /// @dev Trades whole at once, or not at all
    uint256 internal constant FILL_OR_KILL = 2;
    uint256 internal constant CANCEL = 3;
    uint256 internal constant REPLACE = 4;

    uint256 internal constant BITS = 122;
    uint256 internal constant MAX_POSITION = 0x3ff;

    function pack(uint256 ofParticipant, uint256 ofKind, uint256 onSide, uint256 atTick, uint256 energyWh)
        internal
        pure
        returns (uint256)
    {
        return (ofParticipant << 90) | (ofKind << 47) | (onSide << 46) | (atTick << 38) | energyWh;
    }

    /// @dev Names an order at rest, to cancel or replace it
    function naming(uint256 ofParticipant, uint256 atTick, uint256 atPosition) internal pure returns (uint256) {
        return (ofParticipant << 90) | (CANCEL << 47) | (atTick << 38) | (atPosition << 28);
    }

    function withWh(uint256 order, uint256 energyWh) internal pure returns (uint256) {
        return (order >> 28 << 28) | energyWh;
    }

    function wh(uint256 order) internal pure returns (uint256) {
        return order & ((1 << 28) - 1);
    }

    function position(uint256 order) internal pure returns (uint256) {
        return (order >> 28) & MAX_POSITION;
    }

    function tick(uint256 order) internal pure returns (uint256) {
        return (order >> 38) & 0xff;
    }

    function side(uint256 order) internal pure returns (uint256) {
        return (order >> 46) & 1;
    }

    function kind(uint256 order) internal pure returns (uint256) {
        return (order >> 47) & 7;
    }

    function newTick(uint256 order) internal pure returns (uint256) {
        return (order >> 50) & 0xff;
    }

    function sequence(uint256 order) internal pure returns (uint256) {
        return (order >> 58) & type(uint32).max;
    }

    function participant(uint256 order) internal pure returns (uint256) {
        return (order >> 90) & type(uint32).max;
    }
}
