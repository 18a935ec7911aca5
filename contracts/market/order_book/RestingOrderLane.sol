// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BookOrder, BookOrderLib} from "./BookOrder.sol";

type RestingOrderLane is uint256;

using RestingOrderLaneLib for RestingOrderLane global;

/// @notice An order that rests in a book, in one lane of 56 bits: side: 1 | participant: 27 | Wh: 28
/// @dev   What is left of it is never zero: an empty lane is no order.
library RestingOrderLaneLib {
    uint256 internal constant MAX_PARTICIPANT = (1 << 27) - 1;

    function pack(uint256 onSide, uint256 ofParticipant, uint256 energyWh) internal pure returns (RestingOrderLane) {
        return RestingOrderLane.wrap((onSide << 55) | (ofParticipant << 28) | energyWh);
    }

    function isNone(RestingOrderLane lane) internal pure returns (bool) {
        return RestingOrderLane.unwrap(lane) == 0;
    }

    function wh(RestingOrderLane lane) internal pure returns (uint256) {
        return RestingOrderLane.unwrap(lane) & ((1 << 28) - 1);
    }

    function participant(RestingOrderLane lane) internal pure returns (uint256) {
        return (RestingOrderLane.unwrap(lane) >> 28) & MAX_PARTICIPANT;
    }

    function side(RestingOrderLane lane) internal pure returns (uint256) {
        return RestingOrderLane.unwrap(lane) >> 55;
    }

    /// @dev As a limit order with its place in the book
    function asBookOrder(RestingOrderLane lane, uint256 tick, uint256 position) internal pure returns (BookOrder) {
        BookOrder order = BookOrderLib.pack(lane.participant(), BookOrderLib.LIMIT, lane.side(), tick, lane.wh());
        return order.withPosition(position);
    }

    /// @dev As an energy lane: an offer promises energy out of the connection, a bid energy into it
    function energy(RestingOrderLane lane) internal pure returns (uint256) {
        return energy(lane.side(), lane.wh());
    }

    function energy(uint256 onSide, uint256 energyWh) internal pure returns (uint256) {
        return onSide == BookOrderLib.OFFER ? energyWh << 28 : energyWh;
    }
}
