// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketClock} from "./IMarketClock.sol";

/// @notice Prices outside the local market and grid fees of each market area, all in µEUR per Wh
interface ITariff {
    struct ZoneFees {
        uint16 importMicroEurPerWh;
        uint16 localMicroEurPerWh;
        uint16 exportMicroEurPerWh;
    }

    /// @notice Market time
    function clock() external view returns (IMarketClock);

    /// @notice Energy prices of the supplier in an area and period
    function energyPrices(uint256 area, uint256 period)
        external
        view
        returns (uint256 retailMicroEurPerWh, uint256 feedInMicroEurPerWh);

    /// @notice Grid fees of a zone in an area and period: its own there, else its parent's, else the flat fees of the area
    function feesOf(uint256 area, uint256 zone, uint256 period) external view returns (ZoneFees memory);

    /// @notice Retail price of an area, and that plus the highest fee of any zone there: what a buyer reserves per Wh
    function holdRates(uint256 area, uint256 period)
        external
        view
        returns (uint256 retailMicroEurPerWh, uint256 holdMicroEurPerWh);
}
