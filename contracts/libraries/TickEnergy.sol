// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Lanes} from "./Lanes.sol";
import {MeritOrder} from "./MeritOrder.sol";

/// @notice Energy on each price tick of both sides of a book, seven ticks to a storage word
library TickEnergy {
    uint256 internal constant MAX_TICKS = 259;
    uint256 private constant PER_WORD = MeritOrder.TICKS_PER_WORD;
    uint256 private constant MASK = type(uint32).max;

    /// @dev words[side × 256 + tick / 7], each tagged with its period
    struct Book {
        mapping(uint256 => uint256) words;
    }

    /// @notice More energy would lie at one tick of a side than 32 bits hold
    error TickFull(uint256 side, uint256 tick, uint256 presentWh, uint256 addedWh);

    function add(Book storage book, uint256 period, uint256 side, uint256 tick, uint256 wh) internal {
        if (wh == 0) return;
        unchecked {
            uint256 key = (side << 8) | (tick / PER_WORD);
            uint256 shift = (tick % PER_WORD) * 32;
            uint256 word = Lanes.ofPeriod(book.words[key], period);
            uint256 present = (word >> shift) & MASK;
            if (present + wh > MASK) revert TickFull(side, tick, present, wh);
            book.words[key] = word + (wh << shift);
        }
    }

    /// @dev Warning: unchecked. What is removed was added before, or the lane would borrow from the next one
    function remove(Book storage book, uint256 period, uint256 side, uint256 tick, uint256 wh) internal {
        if (wh == 0) return;
        unchecked {
            uint256 key = (side << 8) | (tick / PER_WORD);
            book.words[key] = Lanes.ofPeriod(book.words[key], period) - (wh << ((tick % PER_WORD) * 32));
        }
    }

    /// @dev Energy on each tick as `MeritOrder` takes it: seven ticks a word, no tag
    function load(Book storage book, uint256 period, uint256 side, uint256 ticks)
        internal
        view
        returns (uint256[] memory words)
    {
        unchecked {
            words = new uint256[]((ticks + PER_WORD - 1) / PER_WORD);
            for (uint256 i; i < words.length; ++i) {
                uint256 word = book.words[(side << 8) | i];
                if (Lanes.tag(word) == period) words[i] = uint224(word);
            }
        }
    }
}
