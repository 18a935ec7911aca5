// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title A fixed grid of price ticks
/// @notice Tick 0 is the floor.
abstract contract PriceGrid {
    /// @notice Price of tick 0
    uint256 public immutable floorMicroEurPerWh;
    /// @notice Price step between ticks
    uint256 public immutable tickMicroEurPerWh;
    /// @notice Number of ticks in the price band
    uint256 public immutable ticks;

    /// @notice The tick is above the band; the period uses `ticks` of it from the floor on
    error TickOutOfBand(uint256 participant, uint256 tick, uint256 ticks);
    /// @notice A price grid has a step and ticks, and no price in it has more than 16 bits
    error BadBand(uint256 floorMicroEurPerWh, uint256 tickMicroEurPerWh, uint256 ticks);

    constructor(uint256 floor_, uint256 tick_, uint256 ticks_, uint256 maxTicks) {
        if (tick_ == 0 || ticks_ == 0 || ticks_ > maxTicks) revert BadBand(floor_, tick_, ticks_);
        floorMicroEurPerWh = floor_;
        tickMicroEurPerWh = tick_;
        ticks = ticks_;
    }

    /// @dev Of the `used` ones from the floor on
    function _requireTick(uint256 participant, uint256 tick, uint256 used) internal pure {
        if (tick >= used) revert TickOutOfBand(participant, tick, used);
    }

    function _price(uint256 tick) internal view returns (uint256) {
        unchecked {
            return floorMicroEurPerWh + tick * tickMicroEurPerWh; // 16 bits
        }
    }
}
