// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What a campaign tells of the export it shares with its investors
interface IExportPledges {
    /// @notice Promises a part of an installation's export; refused above what others have left of it
    function pledge(uint256 installation, uint256 permille) external;

    /// @notice Takes back what the caller has pledged of the installation it named
    function release(uint256 installation) external;

    /// @notice What of an installation's export is promised, in permille
    function pledgedPermille(uint256 installation) external view returns (uint256);
}
