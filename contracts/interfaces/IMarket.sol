// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What the grid oracle and the settlement ask every market
interface IMarket {
    /// @notice Round and root of the cleared book of an area and period that a verdict must bind
    /// @return cleared Whether there is a cleared book that waits for a verdict
    function bookOf(uint256 area, uint256 period) external view returns (bool cleared, uint8 round, bytes20 root);

    /// @notice Brings the orders of a group under caps; energy lanes (export, import)
    function applyCaps(uint256 area, uint256 period, uint256 group, uint256 caps) external;

    /// @notice Opens the capped book for another clearing, or voids it when no round is left
    /// @return fallback_ Whether the period now runs on caps and supplier alone
    function reopen(uint256 area, uint256 period) external returns (bool fallback_);

    /// @notice Whether every trade of the area and period is booked
    function booked(uint256 area, uint256 period) external view returns (bool);
}
