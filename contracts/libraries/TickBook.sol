// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Lanes} from "./Lanes.sol";

/// @title Energy on each price tick of both sides of a book, seven ticks to a storage word
library TickBook {
    uint256 internal constant PER_WORD = 7;
    uint256 internal constant MAX_TICKS = 259;
    uint256 private constant MASK = type(uint32).max;

    /// @dev words[side × 256 + tick / 7], each tagged with its period
    struct Book {
        mapping(uint256 => uint256) words;
    }

    error TickFull(uint256 side, uint256 tick, uint256 presentWh, uint256 addedWh);

    function add(Book storage book, uint256 period, uint256 side, uint256 tick, uint256 wh) internal {
        if (wh == 0) return;
        (uint256 key, uint256 shift) = _place(side, tick);
        uint256 word = Lanes.ofPeriod(book.words[key], period);
        uint256 present = (word >> shift) & MASK;
        if (present + wh > MASK) revert TickFull(side, tick, present, wh);
        book.words[key] = word + (wh << shift);
    }

    /// @dev What is removed was added before, so the lane cannot run below zero
    function remove(Book storage book, uint256 period, uint256 side, uint256 tick, uint256 wh) internal {
        if (wh == 0) return;
        (uint256 key, uint256 shift) = _place(side, tick);
        book.words[key] = Lanes.ofPeriod(book.words[key], period) - (wh << shift);
    }

    /// @return wh Energy on each tick
    function volumes(Book storage book, uint256 period, uint256 side, uint256 ticks)
        internal
        view
        returns (uint256[] memory wh)
    {
        wh = new uint256[](ticks);
        unchecked {
            for (uint256 first; first < ticks; first += PER_WORD) {
                uint256 word = book.words[(side << 8) | (first / PER_WORD)];
                if (Lanes.tag(word) != period || uint224(word) == 0) continue;
                for (uint256 tick = first; tick < ticks && tick < first + PER_WORD; ++tick) {
                    wh[tick] = word & MASK;
                    word >>= 32;
                }
            }
        }
    }

    function _place(uint256 side, uint256 tick) private pure returns (uint256 key, uint256 shift) {
        unchecked {
            return ((side << 8) | (tick / PER_WORD), (tick % PER_WORD) * 32);
        }
    }
}
