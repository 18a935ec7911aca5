// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What markets ask of the contracts between aggregators and prosumers
interface IPortfolios {
    /// @notice The contract of a participant in a delivery period; all zero when it has none
    /// @return aggregator Participant number of its aggregator
    /// @return permille Share of flexibility revenue that goes to the prosumer
    /// @return mayTrade Whether the aggregator may trade for it
    function contractOf(uint256 participant, uint256 period)
        external
        view
        returns (uint256 aggregator, uint256 permille, bool mayTrade);
}
