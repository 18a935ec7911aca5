// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITariff} from "../interfaces/ITariff.sol";
import {PriceGrid} from "./PriceGrid.sol";

/// @title The fixed grid of prices a market of energy trades on
/// @notice No price of a period is above what the supplier asks in it: the ticks above its retail price are not used.
abstract contract PriceBand is PriceGrid {
    /// @notice Whose retail price the band stays under
    ITariff public immutable tariff;

    /// @notice The retail price of the period is below the floor: it takes no orders
    error BandAboveRetail(uint256 floorMicroEurPerWh, uint256 retailMicroEurPerWh);

    constructor(ITariff tariff_, uint256 floor_, uint256 tick_, uint256 ticks_, uint256 maxTicks)
        PriceGrid(floor_, tick_, ticks_, maxTicks)
    {
        tariff = tariff_;
    }

    /// @dev How many ticks of the band a period uses in an area, from the floor on. One whose retail price is below the floor takes no
    ///      orders, and is metered and settled like any other
    function _ticksIn(uint256 area, uint256 period) internal view returns (uint256) {
        (uint256 retail,) = tariff.energyPrices(area, period);
        if (retail < floorMicroEurPerWh) revert BandAboveRetail(floorMicroEurPerWh, retail);
        uint256 below = (retail - floorMicroEurPerWh) / tickMicroEurPerWh + 1;
        return below < ticks ? below : ticks;
    }
}
