// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What people do at the clearing house, besides what its modules do
interface IClearingHouseDesk {
    /// @notice Proposes a module by the code it has; it can be authorised once the timelock has run
    function proposeModule(address module, uint8 permissions) external;

    /// @notice Authorises a proposed module
    function authoriseModule(address module) external;

    /// @notice Takes a module's permissions, and what is proposed for it, at once. It may still give back reservations
    ///         and margins that it holds; what it booked counts, as far as it closes
    function revokeModule(address module) external;

    /// @notice Ends the setting up: from now on the timelock binds
    function seal() external;

    /// @notice Brings currency of the caller into accounts: its own, or anyone's
    function deposit(uint256[] calldata accounts, uint256[] calldata amountsMicroEur) external;

    /// @notice Sets how far below zero a participant's orders may take its account. The supplier stands in for it: an
    ///         order draws on credit only as far as there is cover
    function setCreditLimit(uint256 participant, uint256 limitMicroEur) external;

    /// @notice Pays credits that wait into their accounts, in the order given, as far as cover allows; anyone may
    function payWaiting(uint256[] calldata participants) external;

    /// @notice Takes free money of the caller's own account out; without a dispute window it is paid at once
    /// @return id Number of the withdrawal
    function withdraw(uint256 amountMicroEur) external returns (uint256 id);

    /// @notice Takes money of a named account out: the DSO of its area, the TSO, the supplier, or for the others the operator. What
    ///         has to cover what participants owe stays
    /// @return id Number of the withdrawal
    function withdrawHouse(uint256 account, uint256 amountMicroEur) external returns (uint256 id);

    /// @notice Pays a withdrawal out whose window is over, less what its account is in debt; anyone may. Whoever lost its
    ///         account, role or permission meanwhile gets nothing, and a house account waits for cover
    function finishWithdrawal(uint256 id) external;

    /// @notice Puts money on its way out back into its account. Its holder may; of what a module takes, the module, or
    ///         the holder once it was revoked
    function cancelWithdrawal(uint256 id) external;

    /// @notice Free money of every account below `limit`
    function balances(uint256 limit) external view returns (int256[] memory all);

    /// @notice Σ accounts below `limit` and of all DSOs + Σ holds + Σ open trades of all areas + credits that wait + withdrawals set aside −
    ///         currency brought in and not taken out; zero, always
    /// @param limit The registry's seat limit, or above it
    function moneySum(uint256 limit) external view returns (int256 sum);
}
