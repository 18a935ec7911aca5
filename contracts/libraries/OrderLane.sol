// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice One limit order of a call auction, in 53 bits
/// @dev   Wh: 28 | tick: 16 | side: 1 (0 bid, 1 offer) | sequence: 8. Wh = 0 with a sequence is a cancelled order:
///        the sequence stays, so that a replaced or cancelled order never comes back.
library OrderLane {
    uint256 internal constant BID = 0;
    uint256 internal constant OFFER = 1;
    uint256 internal constant BITS = 53;

    function pack(uint256 energyWh, uint256 atTick, uint256 onSide, uint256 withSequence)
        internal
        pure
        returns (uint256)
    {
        return (energyWh << 25) | (atTick << 9) | (onSide << 8) | withSequence;
    }

    function wh(uint256 order) internal pure returns (uint256) {
        return order >> 25;
    }

    function tick(uint256 order) internal pure returns (uint256) {
        return (order >> 9) & 0xffff;
    }

    function side(uint256 order) internal pure returns (uint256) {
        return (order >> 8) & 1;
    }

    function sequence(uint256 order) internal pure returns (uint256) {
        return order & 0xff;
    }

    function withWh(uint256 order, uint256 energyWh) internal pure returns (uint256) {
        return (order & ((1 << 25) - 1)) | (energyWh << 25);
    }

    /// @dev Whether an order asks for less than a former one, at the same price or not at all; whatever the sequences
    function lowers(uint256 order, uint256 former) internal pure returns (bool) {
        uint256 quantity = order >> 25;
        if (quantity == 0) return true;
        return quantity < former >> 25 && (order >> 8) & 0x1ffff == (former >> 8) & 0x1ffff;
    }

    /// @dev The order as an energy lane: an offer promises energy out, a bid energy into the connection
    function energy(uint256 order) internal pure returns (uint256) {
        uint256 quantity = order >> 25;
        return side(order) == OFFER ? quantity << 28 : quantity;
    }
}
