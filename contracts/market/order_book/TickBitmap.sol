// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {BookOrderLib} from "./BookOrder.sol";

type TickBitmap is uint256;

using TickBitmapLib for TickBitmap global;

/// @title At which ticks of a book orders rest, in one word: best bid and best offer without a search
/// @notice A book is never crossed, so bids and offers share the ticks: bids rest below the split, offers from it on.
/// @dev    tag: 16 | ticks in use: 8 | split: 8 | one bit a tick: 224. The tag is the lap of the ring, not the period: it
///         comes back after 65,535 laps, which are 478 years of a ring of 256 periods of 15 minutes.
library TickBitmapLib {
    uint256 internal constant MAX_TICKS = 224;
    uint256 private constant SPLIT_SHIFT = 224;
    uint256 private constant USED_SHIFT = 232;
    uint256 private constant TAG_SHIFT = 240;
    uint256 private constant TICKS = (1 << MAX_TICKS) - 1;

    /// @dev Of a lap of the ring, never that of a word never written
    function tagOf(uint256 lap) internal pure returns (uint256) {
        unchecked {
            return lap % type(uint16).max + 1;
        }
    }

    /// @dev The empty book of a lap, which uses so many ticks of the band
    function fresh(uint256 lap, uint256 ticks) internal pure returns (TickBitmap) {
        return TickBitmap.wrap((tagOf(lap) << TAG_SHIFT) | (ticks << USED_SHIFT));
    }

    function isOf(TickBitmap book, uint256 lap) internal pure returns (bool) {
        return TickBitmap.unwrap(book) >> TAG_SHIFT == tagOf(lap);
    }

    function used(TickBitmap book) internal pure returns (uint256) {
        return (TickBitmap.unwrap(book) >> USED_SHIFT) & 0xff;
    }

    /// @dev The ticks of a side as bits
    function ofSide(TickBitmap book, uint256 side) internal pure returns (uint256) {
        uint256 bids = (1 << split(book)) - 1;
        return TickBitmap.unwrap(book) & TICKS & (side == BookOrderLib.BID ? bids : ~bids);
    }

    /// @dev The best of a side's ticks: the highest with a bid, the lowest with an offer; there must be one
    function best(uint256 ticks, uint256 side) internal pure returns (uint256) {
        unchecked {
            return Math.log2(side == BookOrderLib.BID ? ticks : ticks & (~ticks + 1));
        }
    }

    /// @dev With an order at a tick; the split moves when the side has been farther off so far
    function with(TickBitmap book, uint256 side, uint256 tick) internal pure returns (TickBitmap) {
        unchecked {
            uint256 bound = split(book);
            if (side == BookOrderLib.BID) {
                if (tick >= bound) bound = tick + 1;
            } else if (tick < bound) {
                bound = tick;
            }
            uint256 word = TickBitmap.unwrap(book);
            word = (word >> USED_SHIFT << USED_SHIFT) | (word & TICKS);
            return TickBitmap.wrap(word | (bound << SPLIT_SHIFT) | (1 << tick));
        }
    }

    function has(TickBitmap book, uint256 tick) internal pure returns (bool) {
        return (TickBitmap.unwrap(book) >> tick) & 1 != 0;
    }

    function without(TickBitmap book, uint256 tick) internal pure returns (TickBitmap) {
        return TickBitmap.wrap(TickBitmap.unwrap(book) & ~(1 << tick));
    }

    function split(TickBitmap book) private pure returns (uint256) {
        return (TickBitmap.unwrap(book) >> SPLIT_SHIFT) & 0xff;
    }
}
