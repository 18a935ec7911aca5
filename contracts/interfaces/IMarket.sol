// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What the settlement asks every market
interface IMarket {
    /// @notice Whether every trade of the area and period is booked, or never will be
    function booked(uint256 area, uint256 period) external view returns (bool);
}

/// @notice What the grid oracle asks the pool, whose book it judges as a whole
interface IPoolMarket is IMarket {
    /// @notice Round and root of the cleared book of an area and period that a verdict must bind
    /// @return cleared Whether there is a cleared book that waits for a verdict
    function bookOf(uint256 area, uint256 period) external view returns (bool cleared, uint8 round, bytes20 root);

    /// @notice Brings the orders of a group under caps; energy lanes (export, import)
    function applyCaps(uint256 area, uint256 period, uint256 group, uint256 caps) external;

    /// @notice Opens the capped book for another clearing, or voids it when no round is left
    /// @return fallback_ Whether the period now runs on caps and supplier alone
    function reopen(uint256 area, uint256 period) external returns (bool fallback_);
}

/// @notice What the grid oracle asks a market whose trades it judges one by one
interface ITradeMarket is IMarket {
    /// @notice Books the accepted trades of a sealed group and gives back what backed the rejected ones
    /// @param trades Every trade of the group in order (see TradeWord)
    /// @param rejected One bit a trade, the lowest for the first
    function applyVerdict(
        uint256 area,
        uint32 period,
        uint256 group,
        uint256[] calldata trades,
        uint256 rejected
    ) external;
}
