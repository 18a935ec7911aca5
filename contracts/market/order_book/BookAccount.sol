// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Lanes} from "../../libraries/Lanes.sol";

type BookAccount is uint256;

using BookAccountLib for BookAccount global;

/// @notice What an order book remembers of a participant in a period, in one word
/// @dev   period: 32 | 104 unused | kept Wh (sell, buy): 56 | 7 unused | keeps: 1 | area: 8 | orders brought
///        to rest and not taken back: 16 | sequence: 32, the sequence lowest
library BookAccountLib {
    uint256 private constant BROUGHT = 32;
    uint256 private constant AREA = 48;
    uint256 private constant KEEPS = 56;
    uint256 private constant KEPT = 64;
    uint256 private constant PERIOD = 224;

    /// @dev The account when it belongs to the period, else an empty one of it
    function ofPeriod(BookAccount account, uint256 period, uint256 inArea) internal pure returns (BookAccount) {
        uint256 word = BookAccount.unwrap(account);
        return BookAccount.wrap(Lanes.tag(word) == period ? word : Lanes.fresh(period) | (inArea << AREA));
    }

    function isOf(BookAccount account, uint256 period) internal pure returns (bool) {
        return BookAccount.unwrap(account) >> PERIOD == period;
    }

    function area(BookAccount account) internal pure returns (uint256) {
        return (BookAccount.unwrap(account) >> AREA) & 0xff;
    }

    function brought(BookAccount account) internal pure returns (uint256) {
        return (BookAccount.unwrap(account) >> BROUGHT) & 0xffff;
    }

    function withOneMore(BookAccount account) internal pure returns (BookAccount) {
        unchecked {
            return BookAccount.wrap(BookAccount.unwrap(account) + (1 << BROUGHT));
        }
    }

    function withOneLess(BookAccount account) internal pure returns (BookAccount) {
        unchecked {
            return BookAccount.wrap(BookAccount.unwrap(account) - (1 << BROUGHT));
        }
    }

    function sequence(BookAccount account) internal pure returns (uint256) {
        return uint32(BookAccount.unwrap(account));
    }

    function withSequence(BookAccount account, uint256 newSequence) internal pure returns (BookAccount) {
        return BookAccount.wrap((BookAccount.unwrap(account) >> BROUGHT << BROUGHT) | newSequence);
    }

    /// @dev Whether what backs cancelled orders stays reserved for the participant's next ones
    function keeps(BookAccount account) internal pure returns (bool) {
        return (BookAccount.unwrap(account) >> KEEPS) & 1 != 0;
    }

    /// @dev Energy lane reserved for orders to come
    function kept(BookAccount account) internal pure returns (uint256) {
        return (BookAccount.unwrap(account) >> KEPT) & Lanes.MASK56;
    }

    function withKept(BookAccount account, uint256 energy) internal pure returns (BookAccount) {
        uint256 word = BookAccount.unwrap(account) & ~((Lanes.MASK56 << KEPT) | (1 << KEEPS));
        return BookAccount.wrap(energy == 0 ? word : word | (energy << KEPT) | (1 << KEEPS));
    }

    /// @dev Both lanes stay below what the clearing house has reserved, 28 bits
    function plusKept(BookAccount account, uint256 energy) internal pure returns (BookAccount) {
        unchecked {
            return BookAccount.wrap(BookAccount.unwrap(account) + (energy << KEPT));
        }
    }

    function minusKept(BookAccount account, uint256 energy) internal pure returns (BookAccount) {
        unchecked {
            return BookAccount.wrap(BookAccount.unwrap(account) - (energy << KEPT));
        }
    }
}
