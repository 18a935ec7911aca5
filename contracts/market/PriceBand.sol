// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITariff} from "../interfaces/ITariff.sol";

/// @title The fixed grid of prices a market trades on
/// @notice Tick 0 is the floor; the top tick stays at or below what the supplier asks in the period.
abstract contract PriceBand {
    /// @notice Whose retail price the band stays under
    ITariff public immutable tariff;
    /// @notice Price of tick 0
    uint256 public immutable floorMicroEurPerWh;
    /// @notice Price step between ticks
    uint256 public immutable tickMicroEurPerWh;
    /// @notice Number of ticks in the price band
    uint256 public immutable ticks;

    error TickOutOfBand(uint256 participant, uint256 tick, uint256 ticks);
    error BandAboveRetail(uint256 topMicroEurPerWh, uint256 retailMicroEurPerWh);
    error BadBand(uint256 floorMicroEurPerWh, uint256 tickMicroEurPerWh, uint256 ticks);

    constructor(ITariff tariff_, uint256 floor_, uint256 tick_, uint256 ticks_, uint256 maxTicks) {
        if (tick_ == 0 || ticks_ == 0 || ticks_ > maxTicks) revert BadBand(floor_, tick_, ticks_);
        tariff = tariff_;
        floorMicroEurPerWh = floor_;
        tickMicroEurPerWh = tick_;
        ticks = ticks_;
    }

    /// @dev A period whose retail price is below the band takes no orders, and is metered and settled like any other
    function _requireBand(uint256 period) internal view {
        (uint256 retail,) = tariff.energyPrices(period);
        uint256 top = _price(ticks - 1);
        if (top > retail) revert BandAboveRetail(top, retail);
    }

    function _price(uint256 tick) internal view returns (uint256) {
        unchecked {
            return floorMicroEurPerWh + tick * tickMicroEurPerWh; // both below the retail price, 16 bits
        }
    }
}
