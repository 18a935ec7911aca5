// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title What markets, oracles and the settlement ask the clearing house
interface IClearingHouse {
    /// @notice Number of period slots in every ring
    function ringSize() external view returns (uint256);

    /// @notice Takes the ring slot of a period; a no-op when the period holds it already
    /// @return areas How many areas the period has: those opened later are not in it
    function activate(uint256 period) external returns (uint256 areas);

    /// @notice Exchanges reservations of a group: energy lanes (sell, buy) given back and claimed
    /// @return profiles The group's profiles, as the registry holds them
    function reserve(uint256 period, uint256 group, uint256 released, uint256 claimed)
        external
        returns (uint256 profiles);

    /// @notice Books trades of groups: energy lanes (sold, bought) and signed payments (+ received)
    function book(uint256 period, uint256[] calldata groups, uint256[] calldata fills, uint256[] calldata payments)
        external;

    /// @notice Moves what payers paid above what payees received (pay-as-bid) to the spread account
    function collectSpread(uint256 period, uint256 amountMicroEur) external;

    /// @notice Changes accounts at settlement and gives back what the period still holds; sums to zero
    function settle(
        uint256 period,
        uint256[] calldata groups,
        uint256[] calldata deltas,
        int256 supplierMicroEur,
        int256 dsoMicroEur
    ) external;

    /// @notice Marks one more area of the period as settled
    function finishArea(uint256 period) external;

    /// @notice Energy lanes (sold, bought) of a group in a period
    function positionsOf(uint256 period, uint256 group) external view returns (uint256);

    /// @notice Whether settlement of the period has begun
    function settling(uint256 period) external view returns (bool);
}
