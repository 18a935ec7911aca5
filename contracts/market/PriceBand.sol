// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITariff} from "../interfaces/ITariff.sol";
import {PriceGrid} from "./PriceGrid.sol";

/// @title The fixed grid of prices a market of energy trades on
/// @notice The top tick stays at or below what the supplier asks in the period.
abstract contract PriceBand is PriceGrid {
    /// @notice Whose retail price the band stays under
    ITariff public immutable tariff;

    error BandAboveRetail(uint256 topMicroEurPerWh, uint256 retailMicroEurPerWh);

    constructor(ITariff tariff_, uint256 floor_, uint256 tick_, uint256 ticks_, uint256 maxTicks)
        PriceGrid(floor_, tick_, ticks_, maxTicks)
    {
        tariff = tariff_;
    }

    /// @dev A period whose retail price is below the band takes no orders, and is metered and settled like any other
    function _requireBand(uint256 period) internal view {
        (uint256 retail,) = tariff.energyPrices(period);
        uint256 top = _price(ticks - 1);
        if (top > retail) revert BandAboveRetail(top, retail);
    }
}
