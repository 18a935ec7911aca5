// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {BookOrder} from "./BookOrder.sol";

/// @title At which ticks of a book orders rest, in one word: best bid and best offer without a search
/// @notice A book is never crossed, so bids and offers share the ticks: bids rest below the split, offers from it on.
/// @dev   tag: 24 | split: 8 | one bit a tick: 224. A tag of 24 bits is the lap of the ring, not the period: it comes
///        back after 16.7 million laps, years even for periods of one second.
library BookTicks {
    uint256 internal constant MAX_TICKS = 224;
    uint256 private constant SPLIT_SHIFT = 224;
    uint256 private constant TAG_SHIFT = 232;
    uint256 private constant TICKS = (1 << MAX_TICKS) - 1;

    /// @dev The empty book of a lap; laps count from 1 here, so that no book is a slot never written
    function fresh(uint256 lap) internal pure returns (uint256) {
        return (lap + 1) << TAG_SHIFT;
    }

    function isOf(uint256 book, uint256 lap) internal pure returns (bool) {
        return book >> TAG_SHIFT == (lap + 1) & type(uint24).max;
    }

    /// @dev The ticks of a side as bits
    function ofSide(uint256 book, uint256 side) internal pure returns (uint256) {
        uint256 bids = (1 << split(book)) - 1;
        return book & TICKS & (side == BookOrder.BID ? bids : ~bids);
    }

    /// @dev The best of a side's ticks: the highest with a bid, the lowest with an offer; there must be one
    function best(uint256 ticks, uint256 side) internal pure returns (uint256) {
        unchecked {
            return Math.log2(side == BookOrder.BID ? ticks : ticks & (~ticks + 1));
        }
    }

    /// @dev With an order at a tick; the split moves when the side has been farther off so far
    function with(uint256 book, uint256 side, uint256 tick) internal pure returns (uint256) {
        unchecked {
            uint256 bound = split(book);
            if (side == BookOrder.BID) {
                if (tick >= bound) bound = tick + 1;
            } else if (tick < bound) {
                bound = tick;
            }
            book = (book >> TAG_SHIFT << TAG_SHIFT) | (book & TICKS);
            return book | (bound << SPLIT_SHIFT) | (1 << tick);
        }
    }

    function has(uint256 book, uint256 tick) internal pure returns (bool) {
        return (book >> tick) & 1 != 0;
    }

    function without(uint256 book, uint256 tick) internal pure returns (uint256) {
        return book & ~(1 << tick);
    }

    function split(uint256 book) private pure returns (uint256) {
        return (book >> SPLIT_SHIFT) & 0xff;
    }
}
