// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {HouseAccounts} from "../../libraries/HouseAccounts.sol";
import {CheckedTrades} from "../CheckedTrades.sol";

/// @title What taking part in a market costs by time instead of by trade
/// @notice Sellers and buyers pay the same fee for each delivery period, in advance, to the market operator. Where the
///         fee is zero nobody needs to subscribe.
abstract contract Subscriptions is CheckedTrades {
    /// @notice Fee of one participant for one delivery period
    uint256 public immutable subscriptionMicroEurPerPeriod;
    /// @notice The first delivery period a participant's subscription does not cover any more
    mapping(uint256 participant => uint256) public subscribedUntil;

    /// @notice A participant paid for the delivery periods `fromPeriod` .. `untilPeriod - 1`
    event Subscribed(uint256 indexed participant, uint256 fromPeriod, uint256 untilPeriod, uint256 feeMicroEur);

    /// @notice No periods are asked for, or this market costs nothing
    error NothingToSubscribe(uint256 participant, uint256 periods, uint256 feeMicroEurPerPeriod);
    /// @notice The participant's subscription does not reach this period; `untilPeriod` is the first without
    error NotSubscribed(uint256 participant, uint256 period, uint256 untilPeriod);

    constructor(uint256 feeMicroEurPerPeriod) {
        subscriptionMicroEurPerPeriod = feeMicroEurPerPeriod;
    }

    /// @notice Pays the caller's fee for more periods: from the end of its subscription, or the next open one, on
    /// @param periods How many delivery periods
    function subscribe(uint32 periods) external {
        uint256 participant = registry.numberOf(msg.sender);
        uint256 feeEach = subscriptionMicroEurPerPeriod;
        if (periods == 0 || feeEach == 0) revert NothingToSubscribe(participant, periods, feeEach);
        uint256 from = subscribedUntil[participant];
        uint256 next = clock.nextOpenPeriod();
        if (from < next) from = next;
        subscribedUntil[participant] = from + periods;
        clearingHouse.transfer(participant, HouseAccounts.OPERATOR, feeEach * periods);
        emit Subscribed(participant, from, from + periods, feeEach * periods);
    }

    function _requireSubscribed(uint256 participant, uint256 period) internal view {
        if (subscriptionMicroEurPerPeriod == 0) return;
        uint256 until = subscribedUntil[participant];
        if (period >= until) revert NotSubscribed(participant, period, until);
    }
}
