// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {Roles} from "../libraries/Roles.sol";
import {HighestOf} from "./HighestOf.sol";

/// @title Retail price, feed-in tariff and grid fees of each market area, by period and zone
/// @notice A change takes effect only in periods that take no orders yet: what an order was placed on stands. Changes
///         are announced in the order of their periods, at most `MAX_AHEAD_SECONDS` before they hold, and the newest
///         ones can be taken back until their periods take orders. What holds in a period is found by bisection. Areas have
///         their tariffs apart, and may have one before they are opened.
contract Tariff is ITariff {
    using Checkpoints for Checkpoints.Trace224;
    using HighestOf for HighestOf.Tree;

    /// @dev A change of fees, to be taken back in the reverse order
    struct FeeChange {
        uint32 fromPeriod;
        uint16 zone;
    }

    /// @notice Zone whose fees hold where neither a zone nor a zone above it has any
    uint256 public constant FLAT = 0;
    /// @notice The highest retail price, 5 EUR/kWh
    uint256 public constant MAX_RETAIL_MICRO_EUR_PER_WH = 5_000;
    /// @notice The highest import and local fee, 1 EUR/kWh
    uint256 public constant MAX_FEE_MICRO_EUR_PER_WH = 1_000;
    /// @notice The highest export fee, 0.20 EUR/kWh: the most that injecting may cost beyond what it earns
    uint256 public constant MAX_EXPORT_FEE_MICRO_EUR_PER_WH = 200;
    /// @notice How long before the first period that takes no orders yet a change may be announced, in market time
    uint256 public constant MAX_AHEAD_SECONDS = 400 days;
    /// @dev A bit that no empty version has
    uint256 private constant SET = 1 << 223;

    IParticipantRegistry public immutable registry;
    /// @inheritdoc ITariff
    IMarketClock public immutable clock;

    /// @dev By first period: SET | retail: 16 | feed-in: 16
    mapping(uint256 area => Checkpoints.Trace224) private _prices;
    /// @dev area | zone: 16 => by first period: SET | import: 16 | local: 16 | export: 16
    mapping(uint256 key => Checkpoints.Trace224) private _fees;
    /// @dev By first period: the highest import or local fee of any zone
    mapping(uint256 area => Checkpoints.Trace224) private _highestFees;
    /// @dev The same, zone by zone, as of the newest change
    mapping(uint256 area => HighestOf.Tree) private _newestFees;
    mapping(uint256 area => FeeChange[]) private _changes;

    /// @notice New energy prices of the supplier
    event EnergyPricesSet(
        uint256 indexed area, uint256 indexed fromPeriod, uint256 retailMicroEurPerWh, uint256 feedInMicroEurPerWh
    );
    /// @notice The supplier took back the energy prices announced from that period on
    event EnergyPricesWithdrawn(uint256 indexed area, uint256 indexed fromPeriod);
    /// @notice New grid fees of a zone (0 = flat)
    event GridFeesSet(
        uint256 indexed area,
        uint256 indexed zone,
        uint256 indexed fromPeriod,
        uint256 importMicroEurPerWh,
        uint256 localMicroEurPerWh,
        uint256 exportMicroEurPerWh
    );
    /// @notice The DSO took back the fees of a zone announced from that period on
    event GridFeesWithdrawn(uint256 indexed area, uint256 indexed zone, uint256 indexed fromPeriod);

    /// @notice A feed-in tariff above the retail price would pay for moving energy in a circle
    error FeedInAboveRetail(uint256 feedInMicroEurPerWh, uint256 retailMicroEurPerWh);
    /// @notice Prices and fees hold from a period on that takes no orders yet
    error PeriodTakesOrders(uint256 fromPeriod, uint256 lastOpenPeriod);
    /// @notice Prices and fees follow each other: these hold from no later period than the ones before
    error NotLater(uint256 fromPeriod, uint256 lastFromPeriod);
    /// @notice Prices and fees are announced no further ahead than this
    error TooFarAhead(uint256 fromPeriod, uint256 latest);
    /// @notice The first prices hold from a period that is not over
    error PeriodIsOver(uint256 fromPeriod, uint256 currentPeriod);
    /// @notice No prices hold in this period
    error NoTariff(uint256 area, uint256 period);
    /// @notice A price or fee above the highest one
    error PriceOutOfRange(uint256 microEurPerWh, uint256 maximum);
    /// @notice There is no announcement that could be taken back
    error NothingAnnounced();

    constructor(IParticipantRegistry registry_, IMarketClock clock_) {
        registry = registry_;
        clock = clock_;
    }

    // --- energy prices -------------------------------------------------------------------------

    /// @notice Sets the supplier's energy prices in an area from a period on. The first ones may hold from the current
    ///         period: no period before it has a tariff, so none of them can be opened any more
    function setEnergyPrices(
        uint256 area,
        uint32 fromPeriod,
        uint16 retailMicroEurPerWh,
        uint16 feedInMicroEurPerWh
    ) external {
        registry.requireRole(Roles.SUPPLIER, msg.sender);
        if (feedInMicroEurPerWh > retailMicroEurPerWh) {
            revert FeedInAboveRetail(feedInMicroEurPerWh, retailMicroEurPerWh);
        }
        _requireAtMost(retailMicroEurPerWh, MAX_RETAIL_MICRO_EUR_PER_WH);
        Checkpoints.Trace224 storage prices = _prices[area];
        (bool priced, uint32 last,) = prices.latestCheckpoint();
        if (priced) {
            if (fromPeriod <= last) revert NotLater(fromPeriod, last);
            _requireAhead(fromPeriod);
        } else {
            uint256 current = clock.currentPeriod();
            if (fromPeriod < current) revert PeriodIsOver(fromPeriod, current);
        }
        prices.push(fromPeriod, uint224(SET | (uint256(retailMicroEurPerWh) << 16) | feedInMicroEurPerWh));
        emit EnergyPricesSet(area, fromPeriod, retailMicroEurPerWh, feedInMicroEurPerWh);
    }

    /// @notice Takes back up to `most` of the energy prices announced in an area, the newest first, as far as their periods
    ///         take no orders yet
    function withdrawEnergyPrices(uint256 area, uint256 most) external {
        registry.requireRole(Roles.SUPPLIER, msg.sender);
        uint256 lastOpen = clock.lastOpenPeriod();
        uint256 taken;
        for (; taken < most; ++taken) {
            (bool found, uint32 from,) = _prices[area].latestCheckpoint();
            if (!found || from <= lastOpen) break;
            _prices[area]._checkpoints.pop();
            emit EnergyPricesWithdrawn(area, from);
        }
        if (taken == 0) revert NothingAnnounced();
    }

    // --- grid fees -----------------------------------------------------------------------------

    /// @notice Sets the grid fees of a zone (0 = flat) in an area from a period on
    /// @dev    In the order of periods over all zones: so the highest fee of any zone is kept period by period, exactly,
    ///         and no zone is ever looked through for it
    function setGridFees(uint256 area, uint256 zone, uint32 fromPeriod, ZoneFees calldata fees) external {
        registry.requireRole(Roles.inArea(Roles.DSO, area), msg.sender);
        if (zone != FLAT) registry.parentZone(zone); // refuses an unknown zone
        _requireAtMost(fees.importMicroEurPerWh, MAX_FEE_MICRO_EUR_PER_WH);
        _requireAtMost(fees.localMicroEurPerWh, MAX_FEE_MICRO_EUR_PER_WH);
        _requireAtMost(fees.exportMicroEurPerWh, MAX_EXPORT_FEE_MICRO_EUR_PER_WH);
        _requireInOrder(area, zone, fromPeriod);
        // Before there are energy prices nothing can be ordered, so anything may still be set.
        if (_prices[area].length() != 0) _requireAhead(fromPeriod);
        uint224 packed = _pack(fees);
        _fees[_zoneKey(area, zone)].push(fromPeriod, packed);
        _highestFees[area].push(fromPeriod, uint224(_newestFees[area].set(zone, _backed(packed))));
        _changes[area].push(FeeChange(fromPeriod, uint16(zone)));
        emit GridFeesSet(
            area, zone, fromPeriod, fees.importMicroEurPerWh, fees.localMicroEurPerWh, fees.exportMicroEurPerWh
        );
    }

    /// @notice Takes back up to `most` of the changes of fees announced in an area, the newest first, as far as their periods
    ///         take no orders yet
    function withdrawGridFees(uint256 area, uint256 most) external {
        registry.requireRole(Roles.inArea(Roles.DSO, area), msg.sender);
        uint256 lastOpen = clock.lastOpenPeriod();
        uint256 taken;
        FeeChange[] storage changes = _changes[area];
        for (; taken < most && changes.length != 0; ++taken) {
            FeeChange memory change = changes[changes.length - 1];
            if (change.fromPeriod <= lastOpen) break;
            _takeBack(area, changes, change);
        }
        if (taken == 0) revert NothingAnnounced();
    }

    function _takeBack(uint256 area, FeeChange[] storage changes, FeeChange memory change) private {
        changes.pop();
        Checkpoints.Trace224 storage fees = _fees[_zoneKey(area, change.zone)];
        fees._checkpoints.pop();
        uint256 highest = _newestFees[area].set(change.zone, _backed(fees.latest()));
        uint256 left = changes.length;
        // Of several changes from one period on, the highest fee is one entry.
        if (left != 0 && changes[left - 1].fromPeriod == change.fromPeriod) {
            _highestFees[area].push(change.fromPeriod, uint224(highest));
        } else {
            _highestFees[area]._checkpoints.pop();
        }
        emit GridFeesWithdrawn(area, change.zone, change.fromPeriod);
    }

    function _requireInOrder(uint256 area, uint256 zone, uint256 fromPeriod) private view {
        (bool found, uint32 last,) = _fees[_zoneKey(area, zone)].latestCheckpoint();
        if (found && fromPeriod <= last) revert NotLater(fromPeriod, last);
        FeeChange[] storage changes = _changes[area];
        uint256 count = changes.length;
        if (count == 0) return;
        last = changes[count - 1].fromPeriod;
        if (fromPeriod < last) revert NotLater(fromPeriod, last);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @inheritdoc ITariff
    function energyPrices(uint256 area, uint256 period) public view returns (uint256, uint256) {
        uint256 found = _prices[area].upperLookupRecent(_key(period));
        if (found == 0) revert NoTariff(area, period);
        return (uint16(found >> 16), uint16(found));
    }

    /// @inheritdoc ITariff
    function feesOf(uint256 area, uint256 zone, uint256 period) external view returns (ZoneFees memory fees) {
        uint32 key = _key(period);
        while (true) {
            uint256 found = _fees[_zoneKey(area, zone)].upperLookupRecent(key);
            fees = ZoneFees(uint16(found >> 32), uint16(found >> 16), uint16(found));
            if (found != 0 || zone == FLAT) return fees;
            zone = registry.parentZone(zone);
        }
    }

    /// @inheritdoc ITariff
    function holdRates(uint256 area, uint256 period) external view returns (uint256 retail, uint256 hold) {
        (retail,) = energyPrices(area, period);
        hold = retail + _highestFees[area].upperLookupRecent(_key(period));
    }

    // --- rules ---------------------------------------------------------------------------------

    function _requireAhead(uint256 fromPeriod) private view {
        uint256 lastOpen = clock.lastOpenPeriod();
        if (fromPeriod <= lastOpen) revert PeriodTakesOrders(fromPeriod, lastOpen);
        uint256 latest = lastOpen + MAX_AHEAD_SECONDS / clock.mtuSeconds();
        if (fromPeriod > latest) revert TooFarAhead(fromPeriod, latest);
    }

    function _requireAtMost(uint256 microEurPerWh, uint256 maximum) private pure {
        if (microEurPerWh > maximum) revert PriceOutOfRange(microEurPerWh, maximum);
    }

    function _pack(ZoneFees calldata fees) private pure returns (uint224) {
        return uint224(
            SET | (uint256(fees.importMicroEurPerWh) << 32) | (uint256(fees.localMicroEurPerWh) << 16)
                | fees.exportMicroEurPerWh
        );
    }

    /// @dev What of a zone's fees orders are backed for: the export fee is taken out of what is received
    function _backed(uint256 fees) private pure returns (uint256) {
        uint256 importFee = uint16(fees >> 32);
        uint256 localFee = uint16(fees >> 16);
        return importFee > localFee ? importFee : localFee;
    }

    /// @dev A zone's number has 12 bits
    function _zoneKey(uint256 area, uint256 zone) private pure returns (uint256) {
        return (area << 16) | zone;
    }

    function _key(uint256 period) private pure returns (uint32) {
        return period > type(uint32).max ? type(uint32).max : uint32(period);
    }
}
