// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../../interfaces/IClearingHouse.sol";
import {Lanes} from "../../libraries/Lanes.sol";
import {Profile} from "../../libraries/Profile.sol";
import {BookAccount} from "./BookAccount.sol";
import {BookOrder} from "./BookOrder.sol";
import {OrderBookLevels} from "./OrderBookLevels.sol";
import {RestingOrderLaneLib} from "./RestingOrderLane.sol";

/// @title What backs the orders of a book
/// @notice Reserved in the clearing house = orders at rest + trades waiting or accepted + what a participant chose to
///         keep reserved for its next orders.
abstract contract BookCollateral is OrderBookLevels {
    /// @notice The participant is suspended or has left (see Profile)
    error ParticipantNotActive(uint256 participant, uint256 status);

    /// @dev Backs an own order: by what its participant keeps reserved here, and by more where that is not enough. Returns
    ///      whether what it keeps was enough: the clearing house, which else asks whether it is active, was not asked
    function _claim(uint256 area, uint256 period, uint256 participant, uint256 energy) internal returns (bool) {
        uint256 key = _accountKey(period, participant);
        BookAccount account = _accounts[key];
        if (_agent() == address(0) && account.isOf(period) && account.keeps()) {
            uint256 drawn = _least(account.kept(), energy);
            _accounts[key] = account.minusKept(drawn);
            energy -= drawn;
            if (energy == 0) return true;
        }
        _reserve(area, period, participant, 0, energy);
        return false;
    }

    /// @dev Gives back what backed an own order: to what its participant keeps reserved, or free
    function _free(uint256 area, uint256 period, uint256 participant, uint256 energy) internal {
        uint256 key = _accountKey(period, participant);
        BookAccount account = _accounts[key];
        if (_agent() == address(0) && account.isOf(period) && account.keeps()) {
            _accounts[key] = account.plusKept(energy);
        } else {
            _reserve(area, period, participant, energy, 0);
        }
    }

    /// @dev An energy lane as far as another goes that has only one direction
    function _least(uint256 lane, uint256 oneWay) private pure returns (uint256) {
        uint256 available = oneWay > Lanes.MASK28 ? lane & (Lanes.MASK28 << 28) : lane & Lanes.MASK28;
        return available < oneWay ? available : oneWay;
    }

    function _requireActive(uint256 participant, uint256 profile) internal pure {
        uint256 status = Profile.status(profile);
        if (status != Profile.ACTIVE) revert ParticipantNotActive(participant, status);
    }

    /// @dev Shortens the list to `count` orders, and gives back what backed each
    function _giveBack(uint256 area, uint256 period, BookOrder[] memory orders, uint256 count) internal {
        _shorten(orders, count);
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](count);
        for (uint256 i; i < count; ++i) {
            uint256 energy = RestingOrderLaneLib.energy(orders[i].side(), orders[i].wh());
            exchanges[i] = _exchange(orders[i].participant(), energy, 0);
        }
        _exchangeAll(area, period, exchanges);
    }
}
