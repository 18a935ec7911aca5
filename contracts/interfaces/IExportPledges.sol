// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What campaigns and the registry ask of the export that is shared with investors
interface IExportPledges {
    /// @notice Promises a part of a metering point's export; refused above what others have left of it
    function pledge(bytes32 meteringPoint, uint256 permille) external;

    /// @notice Takes back what the caller has pledged of the metering point it named
    function release(bytes32 meteringPoint) external;

    /// @notice What of a metering point's export is promised, in permille
    function pledgedPermille(bytes32 meteringPoint) external view returns (uint256);

    /// @notice Reverts while any of a metering point's export is promised: its holder does not leave by itself
    function requireFree(bytes32 meteringPoint) external view;

    /// @notice Reverts unless an account may come to a metering point: while any of its export is promised, only one that
    ///         has said that it takes the promise over
    function requireMayTake(bytes32 meteringPoint, address account) external view;
}
