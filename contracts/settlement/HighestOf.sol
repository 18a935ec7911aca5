// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title The highest of up to 4,096 numbers of 16 bits, kept while each of them rises and falls
/// @notice Sixteen numbers to a word, and the highest of each word as a number in a word above it: three words are
///         written for a change, however many numbers there are.
library HighestOf {
    /// @dev level: 1 .. 3 | word of the level: 12 => sixteen numbers, the first lowest
    struct Tree {
        mapping(uint256 levelAndWord => uint256) words;
    }

    uint256 private constant LEVELS = 3;
    uint256 private constant PER_WORD = 16;
    uint256 private constant BITS = 16;
    uint256 private constant MASK = 0xffff;

    /// @notice Gives the number of a place below 4,096 a value of 16 bits
    /// @return highest The highest of all then
    function set(Tree storage self, uint256 place, uint256 value) internal returns (uint256 highest) {
        highest = value;
        for (uint256 level = 1; level <= LEVELS; ++level) {
            uint256 key = (level << 12) | (place / PER_WORD);
            uint256 shift = (place % PER_WORD) * BITS;
            uint256 word = (self.words[key] & ~(MASK << shift)) | (highest << shift);
            self.words[key] = word;
            highest = _highestIn(word);
            place /= PER_WORD;
        }
    }

    function _highestIn(uint256 word) private pure returns (uint256 highest) {
        for (; word != 0; word >>= BITS) {
            if (word & MASK > highest) highest = word & MASK;
        }
    }
}
