// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What a payment module asks the clearing house: it takes what somebody agreed to pay, and nothing else
interface IPayments {
    /// @notice Takes free money out of a participant's account as currency, to the calling module
    function collect(uint256 participant, uint256 amountMicroEur) external;

    /// @notice Free money of an account in µEUR; negative = debt
    function balanceOf(uint256 account) external view returns (int256);
}
