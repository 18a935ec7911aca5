// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title What one participant owes for one period beyond its trades
/// @notice Energy beyond the contract goes to the supplier at the feed-in tariff, energy short of it comes
///         from there at the retail price. Import fee on what the supplier sends, local fee on what was
///         bought and received, export fee on what is injected beyond what was sold. The reference is
///         `gridbourse.model.settlement`.
/// @dev   Unchecked: energies of 32 bits times prices of 16 bits.
library Imbalance {
    /// @dev all in µEUR per Wh
    struct Prices {
        uint256 retail;
        uint256 feedIn;
        uint256 importFee;
        uint256 localFee;
        uint256 exportFee;
    }

    /// @notice What one participant owes the supplier and the DSO
    /// @param readingWh Net metered energy, + injects
    /// @param contractWh Net contracted energy, + sells
    /// @param exportCapWh Injection above this cap is not paid for
    /// @return supplierMicroEur What the supplier receives from the participant (− pays to it)
    /// @return dsoMicroEur What the DSO receives from the participant
    function charge(int256 readingWh, int256 contractWh, uint256 exportCapWh, Prices memory prices)
        internal
        pure
        returns (int256 supplierMicroEur, int256 dsoMicroEur)
    {
        unchecked {
            if (readingWh > int256(exportCapWh)) readingWh = int256(exportCapWh);
            int256 deviationWh = readingWh - contractWh;
            if (deviationWh < 0) {
                supplierMicroEur = -deviationWh * int256(prices.retail);
                dsoMicroEur = -deviationWh * int256(prices.importFee);
            } else {
                supplierMicroEur = -deviationWh * int256(prices.feedIn);
                int256 exportedWh = deviationWh < readingWh ? deviationWh : readingWh;
                if (exportedWh > 0) dsoMicroEur = exportedWh * int256(prices.exportFee);
            }
            if (contractWh < 0 && readingWh < 0) {
                int256 localWh = readingWh > contractWh ? -readingWh : -contractWh;
                dsoMicroEur += localWh * int256(prices.localFee);
            }
        }
    }
}
