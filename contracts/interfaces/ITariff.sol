// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketClock} from "./IMarketClock.sol";

/// @notice Prices outside the local market and grid fees, all in µEUR per Wh
interface ITariff {
    struct ZoneFees {
        uint16 importMicroEurPerWh;
        uint16 localMicroEurPerWh;
        uint16 exportMicroEurPerWh;
    }

    /// @notice Market time
    function clock() external view returns (IMarketClock);

    /// @notice Energy prices of the supplier in a period
    function energyPrices(uint256 period)
        external
        view
        returns (uint256 retailMicroEurPerWh, uint256 feedInMicroEurPerWh);

    /// @notice Grid fees of a zone in a period: its own, else its parent's, else the flat fees
    function feesOf(uint256 zone, uint256 period) external view returns (ZoneFees memory);

    /// @notice Retail price, and that plus the highest fee of any zone: what a buyer reserves per Wh
    function holdRates(uint256 period)
        external
        view
        returns (uint256 retailMicroEurPerWh, uint256 holdMicroEurPerWh);
}
