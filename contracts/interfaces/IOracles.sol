// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What markets and settlement ask the grid oracle
interface IGridOracle {
    enum Verdict {
        None,
        Capping,
        Capped,
        Accepted,
        Fallback
    }

    /// @notice The newest verdict on an area and period, the round it is about, and whether caps are in force
    function verdictOf(uint256 area, uint256 period)
        external
        view
        returns (Verdict verdict, uint8 round, bool capsInForce);

    /// @notice Energy lanes (export cap, import cap) of each group; Lanes.MAX_WH = none
    function capsOfGroups(uint256 period, uint256[] calldata groups) external view returns (uint256[] memory caps);
}

/// @notice What the settlement asks the meter oracle
interface IMeterOracle {
    /// @notice For each group of an area four signed 64-bit lanes: the net reading in Wh (+ injects); type(int32).min =
    ///         missing
    function readingsOfGroups(uint256 area, uint256 period, uint256[] calldata groups)
        external
        view
        returns (uint256[] memory readings);
}
