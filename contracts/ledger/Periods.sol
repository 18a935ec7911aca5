// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IPeriods} from "../interfaces/IClearingHouse.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {Cover} from "./Cover.sol";

/// @title The ring of periods: which are under way, with what they hold
/// @notice A period keeps its slot until every area of it is settled
abstract contract Periods is Cover, IPeriods {
    /// @dev One storage slot. It is free for another period once every area of this one is settled. `reservedBy`,
    ///      `bookedBy` and `pricedBy` have one bit for the index of each market; the last where all that the market
    ///      booked of an area was at one price
    struct Period {
        uint32 period;
        uint16 areas;
        uint16 areasSettled;
        uint16 retailMicroEurPerWh;
        uint16 holdMicroEurPerWh;
        bool settling;
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

    mapping(uint256 slot => Period) internal _ring;
    error PeriodSettling(uint256 period);
    error PeriodNotActive(uint256 period, uint256 occupant);
    error RingTooSmall(uint256 ringSize);

    constructor(IERC20 currency_, ITariff tariff_, uint256 ringSize_) Cover(currency_) {
        if (ringSize_ < 2) revert RingTooSmall(ringSize_);
        tariff = tariff_;
        clock = tariff_.clock();
        ringSize = ringSize_;
    }

    /// @notice The period in a ring slot with its holds and open trades
    function periodAt(uint256 slot) external view returns (Period memory) {
        return _ring[slot];
    }

    function _slotOf(uint256 period) internal view returns (Period storage slot) {
        slot = _ring[period % ringSize];
        if (slot.period != period) revert PeriodNotActive(period, slot.period);
    }
}
