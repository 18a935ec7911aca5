// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IPeriods} from "../interfaces/IClearingHouse.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {AreaKey} from "../libraries/AreaKey.sol";
import {Cover} from "./Cover.sol";

/// @title The ring of periods: which are under way, with what they hold
/// @notice Each area has a ring of its own, and a period there keeps its slot until it is settled: an area that stops holds
///         up none of the others
abstract contract Periods is Cover, IPeriods {
    /// @dev One storage slot: a period of an area. It is free for another one once this one is settled. `reservedBy`,
    ///      `bookedBy` and `pricedBy` have one bit for the index of each market; the last where all that the market
    ///      booked was at one price
    struct Period {
        uint32 period;
        uint16 retailMicroEurPerWh;
        uint16 holdMicroEurPerWh;
        bool settling;
        bool settled;
        uint56 holdsMicroEur;
        int48 tradesMicroEur;
        uint16 reservedBy;
        uint16 bookedBy;
        uint16 pricedBy;
    }

    /// @notice Market time
    IMarketClock public immutable clock;
    /// @notice Prices outside the market and fees, by which holds are measured
    ITariff public immutable tariff;
    /// @inheritdoc IPeriods
    uint256 public immutable ringSize;

    /// @dev ring slot | area
    mapping(uint256 key => Period) internal _ring;

    /// @notice Groups of this period are settled already: nothing is reserved, booked or collected in it any more
    error PeriodSettling(uint256 area, uint256 period);
    /// @notice The period has no slot of the ring; `occupant` is the period that has it
    error PeriodNotActive(uint256 area, uint256 period, uint256 occupant);
    /// @notice A ring of periods has two slots at least
    error RingTooSmall(uint256 ringSize);

    constructor(IERC20 currency_, ITariff tariff_, uint256 ringSize_) Cover(currency_) {
        if (ringSize_ < 2) revert RingTooSmall(ringSize_);
        tariff = tariff_;
        clock = tariff_.clock();
        ringSize = ringSize_;
    }

    /// @notice The period in a slot of an area's ring with its holds and open trades
    function periodAt(uint256 area, uint256 slot) external view returns (Period memory) {
        return _ring[AreaKey.inSlot(slot, area)];
    }

    function _slotOf(uint256 area, uint256 period) internal view returns (Period storage slot) {
        slot = _inRing(area, period);
        if (slot.period != period) revert PeriodNotActive(area, period, slot.period);
    }

    /// @dev Where a period of an area is, or another one of the same slot
    function _inRing(uint256 area, uint256 period) internal view returns (Period storage) {
        return _ring[AreaKey.inSlot(period % ringSize, area)];
    }
}
