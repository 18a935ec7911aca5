// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Market time
interface IMarketClock {
    /// @notice Length of a delivery period (market time unit) in seconds
    function mtuSeconds() external view returns (uint256);

    /// @notice Whether the operator drives the clock; fixed for the life of the contract
    function replay() external view returns (bool);

    /// @notice How long before delivery a period stops taking orders
    function gateClosureSeconds() external view returns (uint256);

    /// @notice How many periods beyond the current one take orders
    function horizonPeriods() external view returns (uint256);

    /// @notice Market time, unix seconds
    function timestamp() external view returns (uint256);

    /// @notice Market time from which the period takes no more orders
    function gateClosure(uint256 period) external view returns (uint256);

    /// @notice The period market time is in
    function currentPeriod() external view returns (uint256);

    /// @notice The first period that takes orders now: the one whose gate closes next
    function nextOpenPeriod() external view returns (uint256);

    /// @notice The last period that takes orders now
    function lastOpenPeriod() external view returns (uint256);

    /// @notice Whether orders for the period are no longer taken
    function gateClosed(uint256 period) external view returns (bool);

    /// @notice Reverts unless orders for the period are taken now
    function requireOpen(uint256 period) external view;

    /// @notice Whether the period lies in the past
    function delivered(uint256 period) external view returns (bool);
}
