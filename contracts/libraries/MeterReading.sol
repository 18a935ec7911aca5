// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Profile} from "./Profile.sol";
import {SignedLanes} from "./SignedLanes.sol";

/// @title Which readings count: those that the connection can carry
/// @notice A net reading beyond the connection's capacity, either way, is as good as none. The reference is
///         `gridbourse.model.settlement`.
library MeterReading {
    /// @dev Stands for no reading
    int256 internal constant MISSING = type(int32).min;

    /// @dev Whether one of four readings (signed 64-bit lanes) is missing, or beyond the capacity in its profile
    function anyUnusable(uint256 readings, uint256 profiles) internal pure returns (bool) {
        uint256 capacities = Profile.capacities(profiles);
        return SignedLanes.anyBelow0(
            SignedLanes.add(capacities, readings) | SignedLanes.sub(capacities, readings)
        );
    }

    /// @dev Whether one reading can be used
    function isUsable(int256 wh, uint256 capacityWh) internal pure returns (bool) {
        return wh <= int256(capacityWh) && wh >= -int256(capacityWh);
    }
}
