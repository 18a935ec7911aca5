// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Lanes} from "../../libraries/Lanes.sol";

/// @notice What an order book remembers of a participant in a period, in one word
/// @dev   period: 32 | 104 unused | kept Wh (sell, buy): 56 | 7 unused | keeps: 1 | area: 8 | orders brought
///        to rest and not taken back: 16 | sequence: 32, the sequence lowest
library BookAccount {
    uint256 private constant BROUGHT = 32;
    uint256 private constant AREA = 48;
    uint256 private constant KEEPS = 56;
    uint256 private constant KEPT = 64;

    /// @dev `word` when it belongs to the period, else an empty account of it
    function ofPeriod(uint256 word, uint256 period, uint256 inArea) internal pure returns (uint256) {
        return Lanes.tag(word) == period ? word : Lanes.fresh(period) | (inArea << AREA);
    }

    function area(uint256 account) internal pure returns (uint256) {
        return (account >> AREA) & 0xff;
    }

    function brought(uint256 account) internal pure returns (uint256) {
        return (account >> BROUGHT) & 0xffff;
    }

    function withOneMore(uint256 account) internal pure returns (uint256) {
        unchecked {
            return account + (1 << BROUGHT);
        }
    }

    function withOneLess(uint256 account) internal pure returns (uint256) {
        unchecked {
            return account - (1 << BROUGHT);
        }
    }

    function sequence(uint256 account) internal pure returns (uint256) {
        return uint32(account);
    }

    function withSequence(uint256 account, uint256 newSequence) internal pure returns (uint256) {
        return (account >> BROUGHT << BROUGHT) | newSequence;
    }

    /// @dev Whether what backs cancelled orders stays reserved for the participant's next ones
    function keeps(uint256 account) internal pure returns (bool) {
        return (account >> KEEPS) & 1 != 0;
    }

    /// @dev Energy lane reserved for orders to come
    function kept(uint256 account) internal pure returns (uint256) {
        return (account >> KEPT) & Lanes.MASK56;
    }

    function withKept(uint256 account, uint256 energy) internal pure returns (uint256) {
        account &= ~((Lanes.MASK56 << KEPT) | (1 << KEEPS));
        return energy == 0 ? account : account | (energy << KEPT) | (1 << KEEPS);
    }

    /// @dev Both lanes stay below what the clearing house has reserved, 28 bits
    function plusKept(uint256 account, uint256 energy) internal pure returns (uint256) {
        unchecked {
            return account + (energy << KEPT);
        }
    }

    function minusKept(uint256 account, uint256 energy) internal pure returns (uint256) {
        unchecked {
            return account - (energy << KEPT);
        }
    }
}
