// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Lanes} from "./Lanes.sol";

/// @title The orders at one price tick, first come first served
/// @notice Four orders to a word, 216 words in a circle from the head. A reader goes from word to word with an order in
///         it and skips the others unread: what was cancelled costs later takers nothing beyond the word it shares.
/// @dev    Level word: period: 32 | head: 8 | one bit a word that holds an order: 216. Queue word: period: 32 | four
///         orders: 56 each (see RestingOrder), lane 0 first. The head is the first word with an order.
///         A key's lowest 8 bits are zero: the number of a queue word goes there.
library LevelQueue {
    struct Levels {
        mapping(uint256 key => uint256) levels;
        mapping(uint256 keyAndWord => uint256) words;
    }

    uint256 internal constant WORDS = 216;
    uint256 private constant LIVE = (1 << WORDS) - 1;

    /// @notice From the first order of this tick to the last, no word is left for another
    error LevelFull(uint256 tick);

    /// @notice Puts an order behind all others
    /// @return position Its lane, counted over all words
    /// @return isFirst Whether the level was empty before
    function append(Levels storage self, uint256 key, uint256 period, uint256 order)
        internal
        returns (uint256 position, bool isFirst)
    {
        unchecked {
            uint256 level = Lanes.ofPeriod(self.levels[key], period);
            uint256 index = head(level);
            isFirst = isEmpty(level);
            if (!isFirst) {
                index = _last(level);
                uint256 word = self.words[key | index];
                uint256 lane = _behindLast(word);
                if (lane < Lanes.PER_GROUP) {
                    self.words[key | index] = word | (order << (lane * 56));
                    return (index * Lanes.PER_GROUP + lane, false);
                }
                index = _wrap(index + 1);
                if (index == head(level)) revert LevelFull((key >> 8) & 0xff);
            }
            self.words[key | index] = Lanes.fresh(period) | order;
            self.levels[key] = level | (1 << index);
            return (index * Lanes.PER_GROUP, isFirst);
        }
    }

    /// @notice Writes a word that has lost orders; one that has none left goes from the level
    /// @return empties Whether that leaves the level empty
    function shrink(Levels storage self, uint256 key, uint256 index, uint256 word) internal returns (bool empties) {
        self.words[key | index] = word;
        if (uint224(word) != 0) return false;
        uint256 level = without(self.levels[key], index);
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
        return (level >> WORDS) & 0xff;
    }

    /// @dev The level without a word; the head moves on to the next with an order
    function without(uint256 level, uint256 index) internal pure returns (uint256) {
        unchecked {
            level &= ~(1 << index);
            uint256 from = head(level);
            if (index != from || isEmpty(level)) return level;
            uint256 live = _fromHead(level);
            uint256 next = _wrap(from + Math.log2(live & (~live + 1)));
            return level - (from << WORDS) + (next << WORDS);
        }
    }

    /// @dev The last word with an order; there must be one
    function _last(uint256 level) private pure returns (uint256) {
        unchecked {
            return _wrap(head(level) + Math.log2(_fromHead(level)));
        }
    }

    /// @dev The bits of the words turned so that the head's is the lowest
    function _fromHead(uint256 level) private pure returns (uint256) {
        unchecked {
            uint256 live = level & LIVE;
            uint256 from = head(level);
            return (live >> from) | ((live << (WORDS - from)) & LIVE);
        }
    }

    /// @dev The lane behind the last order of a word, four when that is in the last lane
    function _behindLast(uint256 word) private pure returns (uint256 lane) {
        unchecked {
            for (uint256 orders = uint224(word); orders != 0; orders >>= 56) ++lane;
        }
    }

    function _wrap(uint256 index) private pure returns (uint256) {
        unchecked {
            return index < WORDS ? index : index - WORDS;
        }
    }
}
