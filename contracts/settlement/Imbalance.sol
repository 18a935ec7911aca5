// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SignedLanes} from "../libraries/SignedLanes.sol";

/// @title What participants owe for one period beyond its trades
/// @notice Energy beyond the contract goes to the supplier at the feed-in tariff, energy short of it comes
///         from there at the retail price. Import fee on what the supplier sends, local fee on what was
///         bought and received, export fee on what is injected beyond what was sold. The reference is
///         `gridbourse.model.settlement`.
/// @dev   Four participants at once, unchecked: energies of 32 bits times prices of 16 bits stay in their lanes.
library Imbalance {
    /// @dev all in µEUR per Wh
    struct Prices {
        uint256 retail;
        uint256 feedIn;
        uint256 importFee;
        uint256 localFee;
        uint256 exportFee;
    }

    /// @notice What each of four participants owes the supplier and the DSO; signed 64-bit lanes throughout
    /// @param readings Net metered energy, + injects
    /// @param contracts Net contracted energy, + sells
    /// @param exportCaps Injection above this cap is not paid for
    /// @return supplierMicroEur What the supplier receives from each participant (− pays to it)
    /// @return dsoMicroEur What the DSO receives from each participant
    function charge(uint256 readings, uint256 contracts, uint256 exportCaps, Prices memory prices)
        internal
        pure
        returns (uint256 supplierMicroEur, uint256 dsoMicroEur)
    {
        unchecked {
            readings = SignedLanes.min(readings, exportCaps);
            uint256 deviations = SignedLanes.sub(readings, contracts);
            uint256 surplus = SignedLanes.positive(deviations);
            uint256 shortfall = SignedLanes.sub(surplus, deviations);
            uint256 sold = SignedLanes.positive(contracts);
            uint256 exported = SignedLanes.positive(SignedLanes.sub(readings, sold));
            uint256 drawn = SignedLanes.positive(SignedLanes.sub(0, readings));
            uint256 local = SignedLanes.positive(SignedLanes.sub(drawn, shortfall));
            supplierMicroEur = SignedLanes.sub(shortfall * prices.retail, surplus * prices.feedIn);
            dsoMicroEur = shortfall * prices.importFee + exported * prices.exportFee + local * prices.localFee;
        }
    }
}
