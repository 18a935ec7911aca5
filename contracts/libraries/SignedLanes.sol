// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Arithmetic on four signed 64-bit lanes of a word at once
/// @notice Balances, readings, payments and charges of a group of four, each lane a number of its own. Unless a function
///         says otherwise, its results have to be within their 64 bits.
library SignedLanes {
    // Literals throughout: a product of named constants would be worked out anew wherever it is used.
    /// @dev Times it, a number not below zero stands in every lane
    uint256 internal constant EACH = 1 | (1 << 64) | (1 << 128) | (1 << 192);
    uint256 private constant MASK32 = (1 << 32) - 1;
    uint256 private constant SIGNS = (1 << 63) * (1 | (1 << 64) | (1 << 128) | (1 << 192));

    /// @dev The four lowest signed 32-bit lanes of a word
    function fromInt32s(uint256 word) internal pure returns (uint256) {
        unchecked {
            word = (word & MASK32) | ((word & (MASK32 << 32)) << 32) | ((word & (MASK32 << 64)) << 64)
                | ((word & (MASK32 << 96)) << 96);
            return word | (((word >> 31) & EACH) * (MASK32 << 32)); // the sign goes on upwards
        }
    }

    function add(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            // Without their signs two lanes cannot run over into the next; the signs are added by xor.
            return ((a & ~SIGNS) + (b & ~SIGNS)) ^ ((a ^ b) & SIGNS);
        }
    }

    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            return ((a | SIGNS) - (b & ~SIGNS)) ^ (~(a ^ b) & SIGNS);
        }
    }

    /// @dev Whether every one of the `sums` of `a` and `b` is within its 64 bits
    function within(uint256 a, uint256 b, uint256 sums) internal pure returns (bool) {
        return (a ^ sums) & (b ^ sums) & SIGNS == 0; // one that is not has another sign than both
    }

    function min(uint256 a, uint256 b) internal pure returns (uint256) {
        return b ^ ((a ^ b) & below0(sub(a, b)));
    }

    /// @dev Zero in place of what is below zero
    function positive(uint256 word) internal pure returns (uint256) {
        return word & ~below0(word);
    }

    function anyBelow0(uint256 word) internal pure returns (bool) {
        return word & SIGNS != 0;
    }

    /// @dev All ones in the lanes that are below zero
    function below0(uint256 word) internal pure returns (uint256) {
        unchecked {
            return ((word & SIGNS) >> 63) * type(uint64).max;
        }
    }

    /// @dev The four lanes together
    function sum(uint256 word) internal pure returns (int256) {
        unchecked {
            return int256(int64(uint64(word))) + int64(uint64(word >> 64)) + int64(uint64(word >> 128))
                + int64(uint64(word >> 192));
        }
    }
}
