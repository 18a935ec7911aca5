// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

type OrderLane is uint256;

using OrderLaneLib for OrderLane global;

/// @notice One limit order of a call auction, in 53 bits
/// @dev   Wh: 28 | tick: 16 | side: 1 (0 bid, 1 offer) | sequence: 8. Wh = 0 with a sequence is a cancelled order:
///        the sequence stays, so that a replaced or cancelled order never comes back.
library OrderLaneLib {
    uint256 internal constant BID = 0;
    uint256 internal constant OFFER = 1;
    uint256 private constant BITS = 53;

    function pack(uint256 energyWh, uint256 atTick, uint256 onSide, uint256 ofSequence)
        internal
        pure
        returns (OrderLane)
    {
        return OrderLane.wrap((energyWh << 25) | (atTick << 9) | (onSide << 8) | ofSequence);
    }

    /// @dev Whether there never was one: a cancelled order has its sequence
    function isNone(OrderLane order) internal pure returns (bool) {
        return OrderLane.unwrap(order) == 0;
    }

    /// @dev Whether it has no bits beyond those of an order
    function fits(OrderLane order) internal pure returns (bool) {
        return OrderLane.unwrap(order) >> BITS == 0;
    }

    function wh(OrderLane order) internal pure returns (uint256) {
        return OrderLane.unwrap(order) >> 25;
    }

    function tick(OrderLane order) internal pure returns (uint256) {
        return (OrderLane.unwrap(order) >> 9) & 0xffff;
    }

    function side(OrderLane order) internal pure returns (uint256) {
        return (OrderLane.unwrap(order) >> 8) & 1;
    }

    function sequence(OrderLane order) internal pure returns (uint256) {
        return OrderLane.unwrap(order) & 0xff;
    }

    /// @dev With its sequence; it has none yet
    function withSequence(OrderLane order, uint256 newSequence) internal pure returns (OrderLane) {
        return OrderLane.wrap(OrderLane.unwrap(order) | newSequence);
    }

    function withWh(OrderLane order, uint256 energyWh) internal pure returns (OrderLane) {
        return OrderLane.wrap((OrderLane.unwrap(order) & ((1 << 25) - 1)) | (energyWh << 25));
    }

    /// @dev Whether an order asks for less than a former one, at the same price or not at all; whatever the sequences
    function lowers(OrderLane order, OrderLane former) internal pure returns (bool) {
        (uint256 word, uint256 before) = (OrderLane.unwrap(order), OrderLane.unwrap(former));
        uint256 quantity = word >> 25;
        if (quantity == 0) return true;
        return quantity < before >> 25 && (word >> 8) & 0x1ffff == (before >> 8) & 0x1ffff;
    }

    /// @dev The order as an energy lane: an offer promises energy out, a bid energy into the connection
    function energy(OrderLane order) internal pure returns (uint256) {
        uint256 quantity = OrderLane.unwrap(order) >> 25;
        return side(order) == OFFER ? quantity << 28 : quantity;
    }
}
