// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BookOrder} from "./BookOrder.sol";

/// @notice An order that rests in a book, in one lane of 56 bits: side: 1 | participant: 27 | Wh: 28
/// @dev   What is left of it is never zero: an empty lane is no order.
library RestingOrderLane {
    uint256 internal constant MAX_PARTICIPANT = (1 << 27) - 1;

    function pack(uint256 onSide, uint256 ofParticipant, uint256 energyWh) internal pure returns (uint256) {
        return (onSide << 55) | (ofParticipant << 28) | energyWh;
    }

    function wh(uint256 lane) internal pure returns (uint256) {
        return lane & ((1 << 28) - 1);
    }

    function participant(uint256 lane) internal pure returns (uint256) {
        return (lane >> 28) & MAX_PARTICIPANT;
    }

    function side(uint256 lane) internal pure returns (uint256) {
        return lane >> 55;
    }

    /// @dev As a limit order with its place in the book
    function asBookOrder(uint256 lane, uint256 tick, uint256 position) internal pure returns (uint256) {
        return BookOrder.pack(participant(lane), BookOrder.LIMIT, side(lane), tick, wh(lane)) | (position << 28);
    }

    /// @dev As an energy lane: an offer promises energy out of the connection, a bid energy into it
    function energy(uint256 lane) internal pure returns (uint256) {
        return energy(side(lane), wh(lane));
    }

    function energy(uint256 onSide, uint256 energyWh) internal pure returns (uint256) {
        return onSide == BookOrder.OFFER ? energyWh << 28 : energyWh;
    }
}
