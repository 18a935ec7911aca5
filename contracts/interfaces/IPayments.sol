// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMoneyAccounts} from "./IClearingHouse.sol";

/// @notice What a payment module asks the clearing house: it takes what somebody agreed to pay, and nothing else
interface IPayments is IMoneyAccounts {
    /// @notice Takes free money out of a participant's account as currency, to the calling module
    function collect(uint256 participant, uint256 amountMicroEur) external;
}
