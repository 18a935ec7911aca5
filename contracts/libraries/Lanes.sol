// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SignedLanes} from "./SignedLanes.sol";

/// @title Four participants to a storage word
/// @notice A group holds participants 4g..4g+3, each with a lane in one word. Words that belong to a
///         delivery period carry it in their top 32 bits (the tag), so that a ring of slots is
///         rewritten (5,000 gas) and never created anew (22,100 gas).
/// @dev    Two widths: 64-bit lanes fill an untagged word; 56-bit lanes leave room for the tag.
///         A 56-bit energy lane is a pair of 28-bit quantities in Wh: (out, into) = (sell, buy),
///         (sold, bought) or (export cap, import cap).
library Lanes {
    uint256 internal constant PER_GROUP = 4;
    uint256 internal constant MASK56 = (1 << 56) - 1;
    uint256 internal constant MASK28 = (1 << 28) - 1;
    /// @dev The largest energy one participant may order, trade or be capped at in one period; as a cap: none
    uint256 internal constant MAX_WH = MASK28;
    uint256 private constant TAG_SHIFT = 224;
    // Literals throughout: a product of named constants would be worked out anew wherever it is used.
    uint256 private constant INTOS = ((1 << 28) - 1) * (1 | (1 << 56) | (1 << 112) | (1 << 168));
    uint256 private constant TOPS = (1 << 55) * (1 | (1 << 56) | (1 << 112) | (1 << 168));

    function groupOf(uint256 participant) internal pure returns (uint256) {
        return participant >> 2;
    }

    function laneOf(uint256 participant) internal pure returns (uint256) {
        return participant & 3;
    }

    function participantAt(uint256 group, uint256 lane) internal pure returns (uint256) {
        return (group << 2) | lane;
    }

    /// @dev An empty word of `period`
    function fresh(uint256 period) internal pure returns (uint256) {
        return period << TAG_SHIFT;
    }

    /// @dev The period (storage) or the group (calldata) a word carries in its top 32 bits
    function tag(uint256 word) internal pure returns (uint256) {
        return word >> TAG_SHIFT;
    }

    /// @dev `word` when it belongs to `period`, else an empty word of that period
    function ofPeriod(uint256 word, uint256 period) internal pure returns (uint256) {
        return word >> TAG_SHIFT == period ? word : period << TAG_SHIFT;
    }

    function get56(uint256 word, uint256 lane) internal pure returns (uint256) {
        unchecked {
            return (word >> (lane * 56)) & MASK56;
        }
    }

    function set56(uint256 word, uint256 lane, uint256 value) internal pure returns (uint256) {
        unchecked {
            uint256 shift = lane * 56;
            return (word & ~(MASK56 << shift)) | (value << shift);
        }
    }

    function get64(uint256 word, uint256 lane) internal pure returns (uint256) {
        unchecked {
            return (word >> (lane * 64)) & type(uint64).max;
        }
    }

    function set64(uint256 word, uint256 lane, uint256 value) internal pure returns (uint256) {
        unchecked {
            uint256 shift = lane * 64;
            return (word & ~(uint256(type(uint64).max) << shift)) | (value << shift);
        }
    }

    function getInt64(uint256 word, uint256 lane) internal pure returns (int256) {
        return int64(uint64(get64(word, lane)));
    }

    function setInt64(uint256 word, uint256 lane, int256 value) internal pure returns (uint256) {
        return set64(word, lane, uint64(int64(value)));
    }

    function energy(uint256 out, uint256 into) internal pure returns (uint256) {
        return (out << 28) | into;
    }

    function outOf(uint256 lane) internal pure returns (uint256) {
        return lane >> 28;
    }

    function intoOf(uint256 lane) internal pure returns (uint256) {
        return lane & MASK28;
    }

    // --- four lanes at once --------------------------------------------------------------------

    /// @dev What goes out of each of four connections, alone in its 56-bit lane: there it may be added, or multiplied
    ///      by a price, without running over
    function outs(uint256 word) internal pure returns (uint256) {
        return (word >> 28) & INTOS;
    }

    /// @dev What goes into each of four connections, alone in its 56-bit lane
    function intos(uint256 word) internal pure returns (uint256) {
        return word & INTOS;
    }

    /// @dev Out less into of four energy lanes, as signed 64-bit lanes
    function nets(uint256 word) internal pure returns (uint256) {
        return SignedLanes.sub(widen(outs(word)), widen(intos(word)));
    }

    /// @dev Whether a 56-bit lane of `a` is above that of `b`; both below 2^55
    function anyAbove(uint256 a, uint256 b) internal pure returns (bool) {
        unchecked {
            return ((b | TOPS) - a) & TOPS != TOPS; // a lane above `b` borrows its top bit
        }
    }

    // --- four signed amounts in 56-bit lanes, two's complement ---------------------------------

    /// @dev Lane by lane; the sums have to be within their 56 bits. The result has no tag
    function addSigned(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            // Without their signs two lanes cannot run over into the next; the signs are added by xor.
            return uint224((a & ~TOPS) + (b & ~TOPS)) ^ uint224((a ^ b) & TOPS);
        }
    }

    /// @dev Four signed 64-bit lanes, each within 56 bits, as signed 56-bit lanes without tag
    function narrow(uint256 four) internal pure returns (uint256) {
        return (four & MASK56) | ((four >> 8) & (MASK56 << 56)) | ((four >> 16) & (MASK56 << 112))
            | ((four >> 24) & (MASK56 << 168));
    }

    /// @dev Four signed 56-bit lanes as signed 64-bit lanes
    function widenSigned(uint256 word) internal pure returns (uint256 four) {
        unchecked {
            four = widen(word);
            return four | (((four >> 55) & SignedLanes.EACH) * (0xff << 56));
        }
    }

    /// @dev Four 56-bit lanes as 64-bit lanes
    function widen(uint256 word) internal pure returns (uint256) {
        return (word & MASK56) | ((word & (MASK56 << 56)) << 8) | ((word & (MASK56 << 112)) << 16)
            | ((word & (MASK56 << 168)) << 24);
    }
}
