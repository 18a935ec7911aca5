// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IMarket} from "../interfaces/IMarket.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IGridOracle, IMeterOracle} from "../interfaces/IOracles.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {AreaKey} from "../libraries/AreaKey.sol";
import {Commitment} from "../libraries/Commitment.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {MeterReading} from "../libraries/MeterReading.sol";
import {Profile} from "../libraries/Profile.sol";
import {Roles} from "../libraries/Roles.sol";
import {SignedLanes} from "../libraries/SignedLanes.sol";
import {RingTime} from "../registry/RingTime.sol";
import {Imbalance} from "./Imbalance.sol";

/// @title Contract against meter: residual at retail and feed-in, grid fees, in participant order
/// @notice Anyone may settle a period once it is booked and metered, or once the reading deadline has passed; a
///         missing reading, and one beyond what the connection can carry, then counts as what is worst for who is
///         silent. A participant who cannot pay goes into debt; the
///         range goes on. What a period was settled on is committed as one hash; a correction brings its leaf and
///         proof, whenever it comes, and books the difference only.
contract Settlement is ISettlement {
    using Commitment for Commitment.Leaf;

    /// @dev One slot: how far an area's settlement of a period has come
    struct Progress {
        uint32 period;
        uint32 nextGroup;
        bool done;
        uint64 deadline;
    }

    /// @dev What stays the same over the groups of one call; what the supplier receives of the last group charged, and
    ///      the DSO of all, added up by lane
    struct Range {
        uint256 area;
        uint256 period;
        bool estimate;
        uint256 deadline;
        uint256 zone;
        Imbalance.Prices prices;
        uint256 supplierLanes;
        uint256 dsoLanes;
    }

    /// @dev What the groups of one call are settled on, word by word; no caps when none is in force
    struct Evidence {
        uint256[] groups;
        uint256[] profiles;
        uint256[] positions;
        uint256[] readings;
        uint256[] caps;
    }

    /// @dev What settlement of the groups comes to
    struct Result {
        uint256[] deltas;
        int256[] suppliersMicroEur;
        bytes32[] leaves;
    }

    /// @notice Where the settlement is anchored and its rules
    struct Settings {
        IParticipantRegistry registry;
        IMarketClock clock;
        IClearingHouse clearingHouse;
        IGridOracle gridOracle;
        IMeterOracle meterOracle;
        ITariff tariff;
        uint256 readingWindowSeconds;
        uint256 silentPermille;
    }

    uint256 private constant PERMILLE = 1000;
    /// @dev No zone has this number: the first participant's fees are looked up
    uint256 private constant NO_ZONE = type(uint256).max;
    /// @dev Of a module at the clearing house
    uint8 private constant SETTLEMENT = 2;
    uint256 private constant NO_CAPS = type(uint256).max;

    /// @notice Who is settled
    IParticipantRegistry public immutable registry;
    /// @notice Market time
    IMarketClock public immutable clock;
    /// @notice Where money is
    IClearingHouse public immutable clearingHouse;
    /// @notice Whose caps bind
    IGridOracle public immutable gridOracle;
    /// @notice Whose readings count
    IMeterOracle public immutable meterOracle;
    /// @notice Prices outside the market and fees
    ITariff public immutable tariff;
    /// @notice Seconds of block time readings may still come once they are awaited
    uint256 public immutable readingWindowSeconds;
    /// @notice How much of its capacity a connection is taken to have drawn, in thousandths, when there is no reading:
    ///         1000 is the worst it could have done, so that silence never pays
    uint256 public immutable silentPermille;
    uint256 private immutable _ringSize;

    mapping(uint256 key => Progress) private _progress;
    /// @notice What an area and period was settled on; see Commitment
    mapping(uint256 area => mapping(uint256 period => bytes32)) public commitmentOf;

    /// @notice Readings of the period are awaited until the deadline (block time), then estimated
    event ReadingsAwaited(uint256 indexed area, uint256 indexed period, uint256 deadline);
    /// @notice A reading that its connection cannot carry was taken to be missing
    event ReadingRefused(uint256 indexed period, uint256 indexed participant, int256 wh, uint256 capacityWh);
    /// @notice A missing reading was taken to be what is worst for who is silent: the share `silentPermille` of its
    ///         capacity drawn, and never more delivered than contracted
    event ReadingEstimated(uint256 indexed period, uint256 indexed participant, int256 estimateWh);
    /// @notice Every participant of the area is settled for the period
    event Settled(uint256 indexed area, uint256 indexed period, bytes32 commitment);
    /// @notice A group's readings (signed 64-bit lanes) were corrected after settlement
    event ReadingsCorrected(
        uint256 indexed area, uint256 indexed period, uint256 group, uint256 settled, uint256 corrected, bytes32 commitment
    );

    /// @notice What participants of a group traded (energy lanes: sold, bought) was corrected after settlement
    event PositionsCorrected(
        uint256 indexed area, uint256 indexed period, uint256 group, uint256 settled, uint256 corrected, bytes32 commitment
    );

    /// @notice The market has trades of the period that are not booked yet
    error NotBooked(address market, uint256 area, uint256 period);
    /// @notice The area and period are settled
    error AlreadySettled(uint256 area, uint256 period);
    /// @notice The area and period are not settled yet
    error NotSettled(uint256 area, uint256 period);
    /// @notice No groups are asked to be settled
    error NothingToSettle(uint256 area, uint256 period);
    /// @notice A reading is missing, and may still come until this unix second of block time
    error ReadingMissing(uint256 participant, uint256 period, uint256 deadline);
    /// @notice The reading is beyond what the connection carries
    error ReadingAbsurd(uint256 participant, int256 wh, uint256 capacityWh);
    /// @notice A silent meter is taken to draw no more than the whole connection, in permille of it
    error SilentAboveAll(uint256 permille, uint256 maximum);
    /// @notice A reading for somebody who is no member in this period
    error ReadingOfNobody(uint256 participant, int256 wh);
    /// @notice The delivery period is not over
    error NotDelivered(uint256 period);
    /// @notice Only a module with this permission corrects positions
    error MayNotSettle(address caller);
    /// @notice The participant is not of the group that the leaf is about
    error OfAnotherGroup(uint256 participant, uint256 group);
    /// @notice A position would fall below zero or leave its lane
    error PositionOutOfRange(uint256 participant, int256 wh);
    /// @notice The leaf is not what the period's settlement stands for; hashes of either
    error ProofDoesNotMatch(uint256 area, uint256 period, bytes32 committed, bytes32 proven);

    constructor(Settings memory settings) {
        registry = settings.registry;
        clock = settings.clock;
        clearingHouse = settings.clearingHouse;
        gridOracle = settings.gridOracle;
        meterOracle = settings.meterOracle;
        tariff = settings.tariff;
        readingWindowSeconds = settings.readingWindowSeconds;
        if (settings.silentPermille > PERMILLE) revert SilentAboveAll(settings.silentPermille, PERMILLE);
        silentPermille = settings.silentPermille;
        _ringSize = settings.clearingHouse.ringSize();
        RingTime.requireFits(clock, _ringSize, readingWindowSeconds);
    }

    // --- settling ------------------------------------------------------------------------------

    /// @notice Starts the reading window of a delivered period; anyone may
    /// @dev The period has to hold the ring slot: no other one of the slot can undo a settlement under way
    function awaitReadings(uint256 area, uint32 period) external {
        if (!clock.delivered(period)) revert NotDelivered(period);
        Progress memory progress = _open(area, period);
        if (progress.deadline != 0) return;
        clearingHouse.activate(area, period);
        progress.deadline = uint64(block.timestamp + readingWindowSeconds);
        _progress[_key(area, period)] = progress;
        emit ReadingsAwaited(area, period, progress.deadline);
    }

    /// @notice Settles up to `maxGroups` more groups of an area in a period
    function settle(uint256 area, uint32 period, uint256 maxGroups) external {
        if (!clock.delivered(period)) revert NotDelivered(period);
        if (maxGroups == 0) revert NothingToSettle(area, period);
        Progress memory progress = _open(area, period);
        if (progress.nextGroup == 0) {
            clearingHouse.activate(area, period);
            _requireBooked(area, period);
        }
        Range memory range = _rangeOf(area, period);
        range.deadline = progress.deadline;
        range.estimate = progress.deadline != 0 && block.timestamp > progress.deadline;
        uint256 settled = _settleRange(range, progress.nextGroup, maxGroups);
        progress.nextGroup += uint32(settled);
        progress.done = progress.nextGroup >= registry.groupCount(area);
        _progress[_key(area, period)] = progress;
        if (progress.done) {
            clearingHouse.finishArea(area, period);
            emit Settled(area, period, commitmentOf[area][period]);
        }
    }

    /// @dev A contract is the sum over all markets, so each has to be done with the area and period: nothing is booked
    ///      there any more from the first group on. What waits for a verdict anyone can end by then
    function _requireBooked(uint256 area, uint256 period) private view {
        address[] memory markets = clearingHouse.markets();
        for (uint256 i; i < markets.length; ++i) {
            if (!IMarket(markets[i]).booked(area, period)) revert NotBooked(markets[i], area, period);
        }
    }

    function _settleRange(Range memory range, uint256 from, uint256 maxGroups)
        private
        returns (uint256)
    {
        Evidence memory evidence = _evidenceOf(range.area, range.period, from, maxGroups);
        Result memory result = _resultOf(range, evidence);
        bytes32 before = commitmentOf[range.area][range.period];
        commitmentOf[range.area][range.period] = Commitment.extend(before, result.leaves);
        clearingHouse.settle(
            range.area,
            range.period,
            evidence.groups,
            result.deltas,
            result.suppliersMicroEur,
            SignedLanes.sum(range.dsoLanes)
        );
        return evidence.groups.length;
    }

    function _resultOf(Range memory range, Evidence memory evidence) private returns (Result memory result) {
        uint256 count = evidence.groups.length;
        result = Result(new uint256[](count), new int256[](count), new bytes32[](count));
        Commitment.Leaf memory leaf;
        leaf.period = range.period;
        leaf.caps = NO_CAPS;
        for (uint256 i; i < count; ++i) {
            leaf.group = evidence.groups[i];
            leaf.profiles = evidence.profiles[i];
            leaf.positions = evidence.positions[i];
            leaf.readings = evidence.readings[i];
            if (evidence.caps.length != 0) leaf.caps = evidence.caps[i];
            _complete(range, leaf);
            result.deltas[i] = _charge(range, leaf);
            result.suppliersMicroEur[i] = SignedLanes.sum(range.supplierLanes);
            result.leaves[i] = leaf.hash();
        }
    }

    function _evidenceOf(uint256 area, uint256 period, uint256 from, uint256 maxGroups)
        private
        view
        returns (Evidence memory evidence)
    {
        (evidence.groups, evidence.profiles) = registry.membersOf(area, period, from, maxGroups);
        evidence.positions = clearingHouse.positionsOfGroups(area, period, evidence.groups);
        evidence.readings = meterOracle.readingsOfGroups(area, period, evidence.groups);
        (,, bool capsInForce) = gridOracle.verdictOf(area, period);
        if (capsInForce) evidence.caps = gridOracle.capsOfGroups(period, evidence.groups);
    }

    /// @dev Takes out of a group's readings what a meter says of somebody who is no member in the period, and estimates
    ///      what is missing
    function _complete(Range memory range, Commitment.Leaf memory leaf) private {
        leaf.readings &= Profile.members(leaf.profiles);
        if (MeterReading.anyUnusable(leaf.readings, leaf.profiles)) _estimate(range, leaf);
    }

    /// @dev What the accounts of a group change by; the counterparts are in `range`
    function _charge(Range memory range, Commitment.Leaf memory leaf) private view returns (uint256 deltas) {
        uint256 members = Profile.members(leaf.profiles);
        (uint256 supplier, uint256 dso) = _chargesOf(range, leaf, Lanes.nets(leaf.positions), members);
        range.supplierLanes = supplier;
        range.dsoLanes = SignedLanes.add(range.dsoLanes, dso);
        return SignedLanes.sub(0, SignedLanes.add(supplier, dso));
    }

    /// @dev Of the members only, each at the fees of its zone: as a rule one for the four
    function _chargesOf(Range memory range, Commitment.Leaf memory leaf, uint256 contracts, uint256 members)
        private
        view
        returns (uint256 supplier, uint256 dso)
    {
        uint256 exportCaps = Lanes.widen(Lanes.outs(leaf.caps));
        for (uint256 lane; members != 0; ++lane) {
            if (Lanes.get64(members, lane) == 0) continue;
            uint256 zone = Profile.zone(Lanes.get64(leaf.profiles, lane));
            if (zone != range.zone) _useZone(range, zone);
            uint256 here = members & Profile.ofZone(leaf.profiles, zone);
            (uint256 toSupplier, uint256 toDso) = Imbalance.charge(leaf.readings, contracts, exportCaps, range.prices);
            supplier |= toSupplier & here;
            dso |= toDso & here;
            members ^= here;
        }
    }

    /// @dev Puts what is worst for who is silent in place of missing readings, and of those no connection can carry
    function _estimate(Range memory range, Commitment.Leaf memory leaf) private {
        uint256 contracts = Lanes.nets(leaf.positions);
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            int256 wh = Lanes.getInt64(leaf.readings, lane);
            uint256 capacityWh = Profile.capacityWh(Lanes.get64(leaf.profiles, lane));
            if (MeterReading.isUsable(wh, capacityWh)) continue;
            uint256 participant = Lanes.participantAt(leaf.group, lane);
            if (!range.estimate) revert ReadingMissing(participant, range.period, range.deadline);
            if (wh != MeterReading.MISSING) emit ReadingRefused(range.period, participant, wh, capacityWh);
            wh = Lanes.getInt64(contracts, lane);
            int256 drawn = -int256((capacityWh * silentPermille) / PERMILLE);
            if (drawn < wh) wh = drawn;
            leaf.readings = Lanes.setInt64(leaf.readings, lane, wh);
            emit ReadingEstimated(range.period, participant, wh);
        }
    }

    // --- correcting ----------------------------------------------------------------------------

    /// @notice Corrects the readings of a group in a settled period and books the difference
    /// @param leaf What the group was settled on, or last corrected to
    /// @param path Proof that it is what the period's commitment stands for
    /// @param readings Four signed 64-bit lanes: all readings as they should be, in Wh
    function correct(
        uint256 area,
        Commitment.Leaf calldata leaf,
        Commitment.Path calldata path,
        uint256 readings
    ) external {
        registry.requireRole(Roles.inArea(Roles.METER_ORACLE, area), msg.sender);
        requireProven(area, leaf, path);
        Commitment.Leaf memory settled = leaf;
        Commitment.Leaf memory corrected = leaf;
        _requirePlausible(settled, readings);
        corrected.readings = readings;
        bytes32 committed = _commit(area, corrected, path);
        emit ReadingsCorrected(area, leaf.period, leaf.group, leaf.readings, readings, committed);
        _bookDifference(area, settled, corrected);
    }

    /// @inheritdoc ISettlement
    function reposition(
        uint256 area,
        Commitment.Leaf calldata leaf,
        Commitment.Path calldata path,
        uint256 participant,
        int256 moreSoldWh,
        int256 moreBoughtWh
    ) external {
        if (clearingHouse.permissionsOf(msg.sender) & SETTLEMENT == 0) revert MayNotSettle(msg.sender);
        requireProven(area, leaf, path);
        if (Lanes.groupOf(participant) != leaf.group) revert OfAnotherGroup(participant, leaf.group);
        Commitment.Leaf memory settled = leaf;
        Commitment.Leaf memory moved = leaf;
        uint256 lane = Lanes.laneOf(participant);
        uint256 position = Lanes.get56(leaf.positions, lane);
        moved.positions = Lanes.set56(
            leaf.positions,
            lane,
            Lanes.energy(
                _moved(participant, Lanes.outOf(position), moreSoldWh),
                _moved(participant, Lanes.intoOf(position), moreBoughtWh)
            )
        );
        bytes32 committed = _commit(area, moved, path);
        emit PositionsCorrected(area, leaf.period, leaf.group, leaf.positions, moved.positions, committed);
        _bookDifference(area, settled, moved);
    }

    function _moved(uint256 participant, uint256 wh, int256 moreWh) private pure returns (uint256) {
        int256 sum = int256(wh) + moreWh;
        if (sum < 0 || sum > int256(Lanes.MAX_WH)) revert PositionOutOfRange(participant, sum);
        return uint256(sum);
    }

    /// @dev Puts a leaf in the place of the one that its path proved
    function _commit(uint256 area, Commitment.Leaf memory leaf, Commitment.Path calldata path)
        private
        returns (bytes32 committed)
    {
        committed = Commitment.commitmentOf(leaf.hash(), path);
        commitmentOf[area][leaf.period] = committed;
    }

    /// @dev What a group is charged on one leaf and was charged on another
    function _bookDifference(uint256 area, Commitment.Leaf memory was, Commitment.Leaf memory now_) private {
        Range memory range = _rangeOf(area, was.period);
        uint256 charged = _charge(range, was);
        (uint256 supplier, uint256 dso) = (range.supplierLanes, range.dsoLanes);
        uint256 due = _charge(range, now_);
        // The DSO's charges before and after are added up in `range`: twice the former is to be taken off.
        clearingHouse.correct(
            area,
            was.period,
            was.group,
            SignedLanes.sub(due, charged),
            SignedLanes.sum(range.supplierLanes) - SignedLanes.sum(supplier),
            SignedLanes.sum(range.dsoLanes) - 2 * SignedLanes.sum(dso)
        );
    }

    function _requirePlausible(Commitment.Leaf memory leaf, uint256 readings) private pure {
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            int256 wh = Lanes.getInt64(readings, lane);
            uint256 participant = Lanes.participantAt(leaf.group, lane);
            uint256 profile = Lanes.get64(leaf.profiles, lane);
            if (profile == 0 && wh != 0) revert ReadingOfNobody(participant, wh);
            if (!MeterReading.isUsable(wh, Profile.capacityWh(profile))) {
                revert ReadingAbsurd(participant, wh, Profile.capacityWh(profile));
            }
        }
    }

    // --- questions -----------------------------------------------------------------------------

    /// @inheritdoc ISettlement
    function requireProven(uint256 area, Commitment.Leaf calldata leaf, Commitment.Path calldata path) public view {
        bytes32 committed = commitmentOf[area][leaf.period];
        if (!_isDone(area, leaf.period)) revert NotSettled(area, leaf.period);
        Commitment.Leaf memory settled = leaf;
        bytes32 proven = Commitment.commitmentOf(settled.hash(), path);
        if (proven != committed) revert ProofDoesNotMatch(area, leaf.period, committed, proven);
    }

    /// @notice How far the settlement of an area and period is
    function progressOf(uint256 area, uint256 period) external view returns (Progress memory) {
        return _progressOf(area, period);
    }

    function _progressOf(uint256 area, uint256 period) private view returns (Progress memory progress) {
        progress = _progress[_key(area, period)];
        if (progress.period != period) progress = Progress(uint32(period), 0, false, 0);
    }

    function _open(uint256 area, uint256 period) private view returns (Progress memory progress) {
        if (area >= registry.areaCount()) revert IParticipantRegistry.UnknownArea(area);
        progress = _progressOf(area, period);
        if (progress.done || _isDone(area, period)) revert AlreadySettled(area, period);
    }

    /// @dev A period whose slot a later one took was settled before that
    function _isDone(uint256 area, uint256 period) private view returns (bool) {
        Progress storage progress = _progress[_key(area, period)];
        if (progress.period == period) return progress.done;
        return commitmentOf[area][period] != bytes32(0);
    }

    function _rangeOf(uint256 area, uint256 period) private view returns (Range memory range) {
        range.area = area;
        range.period = period;
        range.zone = NO_ZONE;
        (range.prices.retail, range.prices.feedIn) = tariff.energyPrices(area, period);
    }

    function _useZone(Range memory range, uint256 zone) private view {
        range.zone = zone;
        ITariff.ZoneFees memory fees = tariff.feesOf(range.area, zone, range.period);
        range.prices.importFee = fees.importMicroEurPerWh;
        range.prices.localFee = fees.localMicroEurPerWh;
        range.prices.exportFee = fees.exportMicroEurPerWh;
    }

    function _key(uint256 area, uint256 period) private view returns (uint256) {
        return AreaKey.inSlot(period % _ringSize, area);
    }
}
