// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

type BookOrder is uint256;

using BookOrderLib for BookOrder global;

/// @notice What a participant wants of an order book, in 122 bits
/// @dev   participant: 32 | sequence: 32 | new tick: 8 | kind: 3 | side: 1 | tick: 8 | position: 10 | Wh: 28, the
///        Wh lowest. Tick is the limit price of a new order; with the position it is the place of the resting order
///        that is cancelled or replaced. The sequence is for signed orders, the new tick for replacements.
library BookOrderLib {
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

    uint256 private constant BITS = 122;
    uint256 internal constant MAX_POSITION = 0x3ff;

    function pack(uint256 ofParticipant, uint256 ofKind, uint256 onSide, uint256 atTick, uint256 energyWh)
        internal
        pure
        returns (BookOrder)
    {
        return BookOrder.wrap((ofParticipant << 90) | (ofKind << 47) | (onSide << 46) | (atTick << 38) | energyWh);
    }

    /// @dev Names an order at rest, to cancel or replace it
    function naming(uint256 ofParticipant, uint256 atTick, uint256 atPosition) internal pure returns (BookOrder) {
        return BookOrder.wrap((ofParticipant << 90) | (CANCEL << 47) | (atTick << 38) | (atPosition << 28));
    }

    /// @dev With the place of a resting order at its tick; it has none yet
    function withPosition(BookOrder order, uint256 atPosition) internal pure returns (BookOrder) {
        return BookOrder.wrap(BookOrder.unwrap(order) | (atPosition << 28));
    }

    function withWh(BookOrder order, uint256 energyWh) internal pure returns (BookOrder) {
        return BookOrder.wrap((BookOrder.unwrap(order) >> 28 << 28) | energyWh);
    }

    /// @dev Whether it has no bits beyond those of an order
    function fits(BookOrder order) internal pure returns (bool) {
        return BookOrder.unwrap(order) >> BITS == 0;
    }

    function isNone(BookOrder order) internal pure returns (bool) {
        return BookOrder.unwrap(order) == 0;
    }

    function wh(BookOrder order) internal pure returns (uint256) {
        return BookOrder.unwrap(order) & ((1 << 28) - 1);
    }

    function position(BookOrder order) internal pure returns (uint256) {
        return (BookOrder.unwrap(order) >> 28) & MAX_POSITION;
    }

    function tick(BookOrder order) internal pure returns (uint256) {
        return (BookOrder.unwrap(order) >> 38) & 0xff;
    }

    function side(BookOrder order) internal pure returns (uint256) {
        return (BookOrder.unwrap(order) >> 46) & 1;
    }

    function kind(BookOrder order) internal pure returns (uint256) {
        return (BookOrder.unwrap(order) >> 47) & 7;
    }

    function newTick(BookOrder order) internal pure returns (uint256) {
        return (BookOrder.unwrap(order) >> 50) & 0xff;
    }

    function sequence(BookOrder order) internal pure returns (uint256) {
        return (BookOrder.unwrap(order) >> 58) & type(uint32).max;
    }

    function participant(BookOrder order) internal pure returns (uint256) {
        return (BookOrder.unwrap(order) >> 90) & type(uint32).max;
    }
}
