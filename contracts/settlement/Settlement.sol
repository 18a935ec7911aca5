// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IMarket} from "../interfaces/IMarket.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IGridOracle, IMeterOracle} from "../interfaces/IOracles.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {Imbalance} from "../libraries/Imbalance.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";

/// @title Contract against meter: residual at retail and feed-in, grid fees, in participant order
/// @notice Anyone may settle a period once it is booked and metered, or once the reading deadline has passed; a
///         missing reading then counts as what was contracted. A participant who cannot pay goes into debt; the
///         range goes on.
contract Settlement {
    /// @dev One slot: how far an area's settlement of a period has come
    struct Progress {
        uint32 period;
        uint32 nextGroup;
        bool done;
        uint64 deadline;
    }

    /// @dev What stays the same over the groups of one call
    struct Range {
        uint256 area;
        uint256 period;
        bool capsInForce;
        bool estimate;
        uint256 deadline;
        uint256 zone;
        Imbalance.Prices prices;
        int256 supplierMicroEur;
        int256 dsoMicroEur;
    }

    IParticipantRegistry public immutable registry;
    IMarketClock public immutable clock;
    IClearingHouse public immutable clearingHouse;
    IGridOracle public immutable gridOracle;
    IMeterOracle public immutable meterOracle;
    ITariff public immutable tariff;
    IMarket public immutable market;
    /// @notice Seconds of block time after the first try to settle in which readings may still come
    uint256 public immutable readingWindowSeconds;
    uint256 private immutable _ringSize;

    mapping(uint256 key => Progress) private _progress;

    /// @notice Readings of the period are awaited until the deadline (block time), then estimated
    event ReadingsAwaited(uint256 indexed area, uint256 indexed period, uint256 deadline);
    /// @notice A missing reading was taken to be the contracted energy
    event ReadingEstimated(uint256 indexed period, uint256 indexed participant, int256 estimateWh);
    /// @notice Every participant of the area is settled for the period
    event Settled(uint256 indexed area, uint256 indexed period);

    error NotBooked(uint256 area, uint256 period);
    error AlreadySettled(uint256 area, uint256 period);
    error ReadingMissing(uint256 participant, uint256 period, uint256 deadline);
    error NotDelivered(uint256 period);
    error UnknownArea(uint256 area);

    struct Settings {
        IParticipantRegistry registry;
        IMarketClock clock;
        IClearingHouse clearingHouse;
        IGridOracle gridOracle;
        IMeterOracle meterOracle;
        ITariff tariff;
        IMarket market;
        uint256 readingWindowSeconds;
    }

    constructor(Settings memory settings) {
        registry = settings.registry;
        clock = settings.clock;
        clearingHouse = settings.clearingHouse;
        gridOracle = settings.gridOracle;
        meterOracle = settings.meterOracle;
        tariff = settings.tariff;
        market = settings.market;
        readingWindowSeconds = settings.readingWindowSeconds;
        _ringSize = settings.clearingHouse.ringSize();
    }

    /// @notice Starts the reading window of a delivered period; anyone may
    function awaitReadings(uint256 area, uint32 period) external {
        if (!clock.delivered(period)) revert NotDelivered(period);
        Progress memory progress = _open(area, period);
        if (progress.deadline != 0) return;
        progress.deadline = uint64(block.timestamp + readingWindowSeconds);
        _progress[_key(area, period)] = progress;
        emit ReadingsAwaited(area, period, progress.deadline);
    }

    /// @notice Settles up to `maxGroups` more groups of an area in a period
    function settle(uint256 area, uint32 period, uint256 maxGroups) external {
        if (!clock.delivered(period)) revert NotDelivered(period);
        Progress memory progress = _open(area, period);
        if (!market.booked(area, period)) revert NotBooked(area, period);
        Range memory range = _rangeOf(area, period);
        range.deadline = progress.deadline;
        range.estimate = progress.deadline != 0 && block.timestamp > progress.deadline;
        uint256[] memory groups = registry.groupsOf(area, progress.nextGroup, maxGroups);
        uint256[] memory deltas = new uint256[](groups.length);
        for (uint256 i; i < groups.length; ++i) {
            deltas[i] = _settleGroup(range, groups[i]);
        }
        clearingHouse.settle(period, groups, deltas, range.supplierMicroEur, range.dsoMicroEur);
        progress.nextGroup += uint32(groups.length);
        progress.done = progress.nextGroup >= registry.groupCount(area);
        _progress[_key(area, period)] = progress;
        if (progress.done) {
            clearingHouse.finishArea(period);
            emit Settled(area, period);
        }
    }

    function _rangeOf(uint256 area, uint256 period) private view returns (Range memory range) {
        range.area = area;
        range.period = period;
        (,, range.capsInForce) = gridOracle.verdictOf(area, period);
        (range.prices.retail, range.prices.feedIn) = tariff.energyPrices(period);
        range.zone = type(uint256).max; // no zone has this number: the first participant's fees are looked up
    }

    function _settleGroup(Range memory range, uint256 group) private returns (uint256 deltas) {
        uint256 profiles = registry.profilesOf(group);
        uint256 positions = clearingHouse.positionsOf(range.period, group);
        uint256 readings = meterOracle.groupReadings(range.period, group);
        uint256 caps = range.capsInForce ? gridOracle.capsOf(range.period, group) : type(uint256).max;
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            uint256 profile = Lanes.get64(profiles, lane);
            if (profile == 0) continue;
            _useZone(range, Profile.zone(profile));
            int256 delta = _settleLane(
                range,
                Lanes.participantAt(group, lane),
                Lanes.get56(positions, lane),
                Lanes.getInt64(readings, lane),
                Lanes.outOf(Lanes.get56(caps, lane))
            );
            deltas = Lanes.setInt64(deltas, lane, delta);
        }
    }

    function _settleLane(
        Range memory range,
        uint256 participant,
        uint256 position,
        int256 readingWh,
        uint256 exportCapWh
    ) private returns (int256 deltaMicroEur) {
        int256 contractWh = int256(Lanes.outOf(position)) - int256(Lanes.intoOf(position));
        readingWh = _orEstimate(range, participant, readingWh, contractWh);
        (int256 supplier, int256 dso) = Imbalance.charge(readingWh, contractWh, exportCapWh, range.prices);
        range.supplierMicroEur += supplier;
        range.dsoMicroEur += dso;
        return -supplier - dso;
    }

    /// @dev The reading; where it is missing, the contracted energy: nothing for who is no member in the period
    function _orEstimate(Range memory range, uint256 participant, int256 readingWh, int256 contractWh)
        private
        returns (int256)
    {
        if (readingWh != type(int32).min) return readingWh;
        if (!_isMember(participant, range.period)) return 0;
        if (!range.estimate) revert ReadingMissing(participant, range.period, range.deadline);
        emit ReadingEstimated(range.period, participant, contractWh);
        return contractWh;
    }

    function _useZone(Range memory range, uint256 zone) private view {
        if (zone == range.zone) return;
        range.zone = zone;
        ITariff.ZoneFees memory fees = tariff.feesOf(zone, range.period);
        range.prices.importFee = fees.importMicroEurPerWh;
        range.prices.localFee = fees.localMicroEurPerWh;
        range.prices.exportFee = fees.exportMicroEurPerWh;
    }

    function _isMember(uint256 participant, uint256 period) private view returns (bool) {
        (uint32 from, uint32 until) = registry.membershipOf(participant);
        return from <= period && period < until;
    }

    /// @notice How far the settlement of an area and period is
    function progressOf(uint256 area, uint256 period) external view returns (Progress memory progress) {
        progress = _progress[_key(area, period)];
        if (progress.period != period) progress = Progress(uint32(period), 0, false, 0);
    }

    function _open(uint256 area, uint256 period) private view returns (Progress memory progress) {
        if (area >= registry.areaCount()) revert UnknownArea(area);
        progress = _progress[_key(area, period)];
        if (progress.period != period) progress = Progress(uint32(period), 0, false, 0);
        if (progress.done) revert AlreadySettled(area, period);
    }

    function _key(uint256 area, uint256 period) private view returns (uint256) {
        return ((period % _ringSize) << 64) | area;
    }
}
