// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BookOrder} from "./BookOrder.sol";

/// @title Rows of a batch for an order book
/// @notice What the book and its splitter have in common
abstract contract BookRows {
    /// @notice What a participant signed (see BookOrder); `expiry` is unix seconds of block time
    struct SignedOrder {
        BookOrder order;
        uint40 expiry;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice An order of a gateway's batch (see BookOrder) may not go in and was left out, by the error that refuses it
    event OrderLeftOut(uint256 indexed area, uint256 indexed period, BookOrder order, bytes reason);

    /// @notice The word is no order as BookOrder has it, or not of a kind that may be brought in here
    error MalformedOrder(uint256 participant, uint256 order);
    /// @notice An order is for no less and no more than this
    error EnergyOutOfRange(uint256 participant, uint256 wh, uint256 minWh, uint256 maxWh);
}
