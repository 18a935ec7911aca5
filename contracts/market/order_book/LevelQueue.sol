// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Lanes} from "../../libraries/Lanes.sol";
import {RestingOrderLane} from "./RestingOrderLane.sol";

/// @title The orders at one price tick, first come first served
/// @notice Four orders to a word, up to 208 words in a chain: a new one is taken wherever one is free, so that what was
///         cancelled makes room at once, and a reader goes from word to word with an order in it. A level is full when
///         each of its words holds an order, and not before.
/// @dev    Level word: period: 32 | tail: 8 | head: 8 | one bit a word that holds an order: 208. Queue word: tag: 16 | word
///         before: 8 | word behind: 8 | four orders: 56 each (see RestingOrderLane), lane 0 first. The tag is that of TickBitmap.
///         What is before the head and behind the tail says nothing. A key's lowest 8 bits are zero: the number of a queue
///         word goes there.
library LevelQueue {
    struct Levels {
        mapping(uint256 key => uint256) levels;
        mapping(uint256 keyAndWord => uint256) words;
    }

    uint256 internal constant WORDS = 208;
    uint256 private constant LIVE = (1 << WORDS) - 1;
    uint256 private constant HEAD = 208;
    uint256 private constant TAIL = 216;
    uint256 private constant BEHIND = 224;
    uint256 private constant BEFORE = 232;
    uint256 private constant TAG = 240;
    uint256 private constant LINK = 0xff;

    /// @notice Every word of this tick holds an order
    error LevelFull(uint256 tick);

    /// @notice Puts an order behind all others
    /// @param tag Of the period's lap
    /// @return position Its lane, counted over all words
    /// @return isFirst Whether the level was empty before
    function append(Levels storage self, uint256 key, uint256 period, uint256 tag, RestingOrderLane order)
        internal
        returns (uint256 position, bool isFirst)
    {
        unchecked {
            uint256 level = Lanes.ofPeriod(self.levels[key], period);
            uint256 last = (level >> TAIL) & LINK;
            uint256 word;
            isFirst = isEmpty(level);
            if (!isFirst) {
                word = self.words[key | last];
                uint256 lane = _behindLast(word);
                if (lane < Lanes.PER_GROUP) {
                    self.words[key | last] = word | (RestingOrderLane.unwrap(order) << (lane * 56));
                    return (last * Lanes.PER_GROUP + lane, false);
                }
            }
            uint256 free = ~level & LIVE;
            if (free == 0) revert LevelFull((key >> 8) & 0xff);
            uint256 index = Math.log2(free & (~free + 1));
            if (isFirst) level = _with(level, HEAD, index);
            else self.words[key | last] = _with(word, BEHIND, index);
            self.words[key | index] = (tag << TAG) | (last << BEFORE) | RestingOrderLane.unwrap(order);
            self.levels[key] = _with(level, TAIL, index) | (1 << index);
            return (index * Lanes.PER_GROUP, isFirst);
        }
    }

    /// @notice Writes a word that has lost orders; one that has none left goes from the chain
    /// @return empties Whether that leaves the level empty
    function shrink(Levels storage self, uint256 key, uint256 index, uint256 word) internal returns (bool empties) {
        self.words[key | index] = word;
        if (uint224(word) != 0) return false;
        uint256 level = self.levels[key];
        uint256 before = (word >> BEFORE) & LINK;
        uint256 behind = (word >> BEHIND) & LINK;
        bool isLast = (level >> TAIL) & LINK == index;
        if (head(level) == index) level = _with(level, HEAD, behind);
        else self.words[key | before] = _with(self.words[key | before], BEHIND, behind);
        if (isLast) level = _with(level, TAIL, before);
        else self.words[key | behind] = _with(self.words[key | behind], BEFORE, before);
        level &= ~(1 << index);
        self.levels[key] = level;
        return isEmpty(level);
    }

    function isEmpty(uint256 level) internal pure returns (bool) {
        return level & LIVE == 0;
    }

    /// @dev How many words hold an order
    function wordsOf(uint256 level) internal pure returns (uint256 count) {
        unchecked {
            for (uint256 live = level & LIVE; live != 0; live &= live - 1) ++count;
        }
    }

    function head(uint256 level) internal pure returns (uint256) {
        return (level >> HEAD) & LINK;
    }

    /// @dev The level without its first word, which says what comes behind it
    function withoutHead(uint256 level, uint256 word) internal pure returns (uint256) {
        return _with(level & ~(1 << head(level)), HEAD, (word >> BEHIND) & LINK);
    }

    function tagOf(uint256 word) internal pure returns (uint256) {
        return word >> TAG;
    }

    function _with(uint256 word, uint256 shift, uint256 link) private pure returns (uint256) {
        return (word & ~(LINK << shift)) | (link << shift);
    }

    /// @dev The lane behind the last order of a word, four when that is in the last lane
    function _behindLast(uint256 word) private pure returns (uint256 lane) {
        unchecked {
            for (uint256 orders = uint224(word); orders != 0; orders >>= 56) ++lane;
        }
    }
}
