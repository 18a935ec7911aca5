// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMoneyAccounts} from "./IClearingHouse.sol";

/// @notice What a payment module asks the clearing house: it takes what somebody agreed to pay, and nothing else
interface IPayments is IMoneyAccounts {
    /// @notice Takes free money out of a participant's account, to the calling module. It comes as currency once the
    ///         dispute window is over and somebody finishes the withdrawal, less what the account then owes
    /// @return id Number of the withdrawal
    function collect(uint256 participant, uint256 amountMicroEur) external returns (uint256 id);

    /// @notice Takes what a participant has announced to withdraw, up to `most`, to the calling module in its place: who
    ///         owes does not take its money out first. What is left goes on as it was announced
    /// @param id Number of the withdrawal, of this participant and of no module
    /// @return amountMicroEur What was taken
    function collectAnnounced(uint256 id, uint256 participant, uint256 most) external returns (uint256 amountMicroEur);

    /// @notice Currency a module received of what it collected, over all time, in µEUR
    function receivedBy(address module) external view returns (uint256);

    /// @notice What a module took from a participant over all time, in µEUR: received or on its way, without what went back
    function takenFrom(address module, uint256 participant) external view returns (uint256);
}
