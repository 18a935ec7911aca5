// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IClearingHouse} from "../../interfaces/IClearingHouse.sol";
import {IMarket, IPoolMarket} from "../../interfaces/IMarket.sol";
import {IMarketClock} from "../../interfaces/IMarketClock.sol";
import {IGridOracle} from "../../interfaces/IOracles.sol";
import {IParticipantRegistry} from "../../interfaces/IParticipantRegistry.sol";
import {ITariff} from "../../interfaces/ITariff.sol";
import {Lanes} from "../../libraries/Lanes.sol";
import {MeritOrder} from "../../libraries/MeritOrder.sol";
import {OrderLane, OrderLaneLib} from "../../libraries/OrderLane.sol";
import {SignedLanes} from "../../libraries/SignedLanes.sol";
import {TickEnergy} from "../../libraries/TickEnergy.sol";
import {RingTime} from "../../registry/RingTime.sol";
import {CallAuctionBook} from "./CallAuctionBook.sol";
import {OrderBatches} from "./OrderBatches.sol";

/// @title Pool-based call auction, uniform price or pay-as-bid
/// @notice Cleared in O(ticks) after gate closure; checked by the DSO; cleared again under caps; booked in participant
///         order. A book that finds no verdict in time, or no round in which it fits the grid, is void: no trade, the
///         period runs on caps and supplier alone.
contract CallAuction is IPoolMarket, OrderBatches {
    using TickEnergy for TickEnergy.Book;

    /// @dev What booking has reached, in participant order
    struct Booking {
        uint32 period;
        uint32 nextGroup;
        uint56 bidWhAtMargin;
        uint56 askWhAtMargin;
        int64 spreadMicroEur;
    }

    /// @notice Where the auction is anchored and its rules
    struct Settings {
        IParticipantRegistry registry;
        IMarketClock clock;
        IClearingHouse clearingHouse;
        IGridOracle gridOracle;
        ITariff tariff;
        uint256 floorMicroEurPerWh;
        uint256 tickMicroEurPerWh;
        uint256 ticks;
        bool payAsBid;
        uint256 maxRounds;
        uint256 verdictWindowSeconds;
    }

    /// @notice Whose verdict decides
    IGridOracle public immutable gridOracle;
    /// @notice Whether buyers pay and sellers receive their own limit instead of the uniform price
    bool public immutable payAsBid;
    /// @notice Clearings a period may see before it runs on caps and supplier alone
    uint256 public immutable maxRounds;
    /// @notice Seconds of block time a cleared book waits for a verdict
    uint256 public immutable verdictWindowSeconds;

    mapping(uint256 key => Booking) private _bookings;
    mapping(uint256 key => uint256 packedOutcome) private _outcomes;

    /// @notice A book was cleared; the margins are what is rationed pro rata on each side
    event Cleared(
        uint256 indexed area,
        uint256 indexed period,
        uint256 round,
        bytes20 root,
        uint256 matchedWh,
        uint256 priceMicroEurPerWh,
        MeritOrder.Margin bid,
        MeritOrder.Margin ask
    );
    /// @notice Caps shrank the book: it is to be cleared again
    event Reopened(uint256 indexed area, uint256 indexed period, uint256 round);
    /// @notice No round is left, or no verdict came: no trade, the period runs on caps and supplier alone
    event Voided(uint256 indexed area, uint256 indexed period);
    /// @notice Every trade is booked
    event Booked(uint256 indexed area, uint256 indexed period, uint256 matchedWh, uint256 spreadMicroEur);

    /// @notice Gate closure of the period has not come yet
    error GateStillOpen(uint256 period);
    /// @notice The auction is in a phase in which this cannot be done
    error WrongPhase(uint256 area, uint256 period, Phase phase);
    /// @notice The DSO has not accepted the book as it was cleared in this round
    error NotAccepted(uint256 area, uint256 period, IGridOracle.Verdict verdict, uint8 verdictRound, uint8 round);
    /// @notice Only the grid oracle has a book cleared again
    error OnlyGridOracle(address caller);
    /// @notice An auction is cleared once at least and 255 times at most
    error BadRounds(uint256 maxRounds);
    /// @notice The DSO still has time for its verdict, until this unix second of block time
    error VerdictAwaited(uint256 area, uint256 period, uint256 deadline);

    constructor(Settings memory settings)
        EIP712("gridbourse CallAuction", "1")
        CallAuctionBook(
            settings.registry,
            settings.clock,
            settings.clearingHouse,
            settings.tariff,
            settings.floorMicroEurPerWh,
            settings.tickMicroEurPerWh,
            settings.ticks
        )
    {
        if (settings.maxRounds == 0 || settings.maxRounds > type(uint8).max) revert BadRounds(settings.maxRounds);
        gridOracle = settings.gridOracle;
        payAsBid = settings.payAsBid;
        maxRounds = settings.maxRounds;
        verdictWindowSeconds = settings.verdictWindowSeconds;
        RingTime.requireFits(settings.clock, settings.clearingHouse.ringSize(), settings.verdictWindowSeconds);
    }

    // --- clearing ------------------------------------------------------------------------------

    /// @notice Clears an area's book after gate closure; anyone may
    function clear(uint256 area, uint32 period) external {
        if (!clock.gateClosed(period)) revert GateStillOpen(period);
        Session memory session = _enter(area, period);
        if (session.phase != Phase.Open) revert WrongPhase(area, period, session.phase);
        TickEnergy.Book storage book_ = _books[_key(area, period)];
        MeritOrder.Outcome memory outcome = MeritOrder.clear(
            book_.load(period, OrderLaneLib.BID, ticks), book_.load(period, OrderLaneLib.OFFER, ticks)
        );
        session.phase = Phase.Cleared;
        session.clearedAt = uint32(block.timestamp);
        _store(area, session);
        _outcomes[_key(area, period)] = MeritOrder.pack(outcome);
        emit Cleared(
            area,
            period,
            session.round,
            session.root,
            outcome.volumeWh,
            outcome.volumeWh == 0 ? 0 : _price(outcome.priceTick),
            outcome.bid,
            outcome.ask
        );
    }

    // --- the grid check ------------------------------------------------------------------------

    modifier onlyGridOracle() {
        if (msg.sender != address(gridOracle)) revert OnlyGridOracle(msg.sender);
        _;
    }

    /// @inheritdoc IPoolMarket
    function bookOf(uint256 area, uint256 period) external view returns (bool cleared, uint8 round, bytes20 root) {
        Session storage session = _sessions[_key(area, period)];
        return (session.period == period && session.phase == Phase.Cleared, session.round, session.root);
    }

    /// @inheritdoc IPoolMarket
    function applyCaps(uint256 area, uint256 period, uint256 group, uint256 caps) external onlyGridOracle {
        _shrink(area, period, group, caps);
    }

    /// @inheritdoc IPoolMarket
    function reopen(uint256 area, uint256 period) external onlyGridOracle returns (bool fallback_) {
        Session memory session = _sessions[_key(area, period)];
        session.round += 1;
        fallback_ = session.round >= maxRounds;
        session.phase = fallback_ ? Phase.Void : Phase.Open;
        _store(area, session);
        if (fallback_) {
            emit Voided(area, period);
        } else {
            emit Reopened(area, period, session.round);
        }
    }

    /// @notice Voids a cleared book whose verdict did not come in time: within its window, or before delivery began, after
    ///         which none comes any more. What backed it goes back without any oracle; anyone may
    function expire(uint256 area, uint32 period) external {
        Session memory session = _sessionOf(area, period);
        if (session.phase != Phase.Cleared) revert WrongPhase(area, period, session.phase);
        (IGridOracle.Verdict verdict, uint8 round,) = gridOracle.verdictOf(area, period);
        bool accepted = verdict == IGridOracle.Verdict.Accepted && round == session.round;
        uint256 deadline = session.clearedAt + verdictWindowSeconds;
        if (accepted || (block.timestamp <= deadline && clock.currentPeriod() < period)) {
            revert VerdictAwaited(area, period, deadline);
        }
        session.phase = Phase.Void;
        _store(area, session);
        emit Voided(area, period);
    }

    // --- booking -------------------------------------------------------------------------------

    /// @notice Books the fills of up to `maxGroups` more groups, in participant order; anyone may, once accepted
    function book(uint256 area, uint32 period, uint256 maxGroups) external {
        Session memory session = _sessionOf(area, period);
        _requireVerdict(area, session);
        MeritOrder.Outcome memory outcome = outcomeOf(area, period);
        Booking memory booking = _bookings[_key(area, period)];
        if (booking.period != period) booking = Booking(period, 0, 0, 0, 0);
        uint256 groupCount = outcome.volumeWh == 0 ? 0 : registry.groupCount(area);
        if (booking.nextGroup < groupCount) {
            uint256[] memory groups = registry.groupsOf(area, booking.nextGroup, maxGroups);
            (uint256[] memory fills, uint256[] memory payments) = _fill(_orderKey(area, period, 0), outcome, booking, groups);
            if (payAsBid) clearingHouse.book(area, period, groups, fills, payments);
            else clearingHouse.bookAt(area, period, _price(outcome.priceTick), groups, fills);
            booking.nextGroup += uint32(groups.length);
        }
        if (booking.nextGroup >= groupCount) {
            uint256 spread = uint64(booking.spreadMicroEur); // buyers pay at least what sellers get
            if (spread != 0) clearingHouse.collectSpread(area, period, spread);
            session.phase = Phase.Booked;
            _store(area, session);
            emit Booked(area, period, outcome.volumeWh, spread);
        }
        _bookings[_key(area, period)] = booking;
    }

    function _requireVerdict(uint256 area, Session memory session) private view {
        if (session.phase == Phase.Open || session.phase == Phase.Booked) {
            revert WrongPhase(area, session.period, session.phase);
        }
        if (session.phase == Phase.Void) return;
        (IGridOracle.Verdict verdict, uint8 round,) = gridOracle.verdictOf(area, session.period);
        if (verdict != IGridOracle.Verdict.Accepted || round != session.round) {
            revert NotAccepted(area, session.period, verdict, round, session.round);
        }
    }

    /// @dev Energy lanes (sold, bought) and signed payments of groups; `booking` moves on. `base` is the key of no group's
    ///      orders
    function _fill(
        uint256 base,
        MeritOrder.Outcome memory outcome,
        Booking memory booking,
        uint256[] memory groups
    ) private view returns (uint256[] memory fills, uint256[] memory payments) {
        fills = new uint256[](groups.length);
        payments = new uint256[](groups.length);
        uint256 price = _price(outcome.priceTick);
        for (uint256 i; i < groups.length; ++i) {
            uint256 orders = _orders[base | groups[i]];
            if (Lanes.tag(orders) != booking.period) continue;
            (fills[i], payments[i]) = _fillGroup(orders, outcome, booking, price);
        }
    }

    /// @dev unchecked: energies of 28 bits times prices of 16 bits; margins are at most 32 bits of Wh
    function _fillGroup(uint256 orders, MeritOrder.Outcome memory outcome, Booking memory booking, uint256 price)
        private
        view
        returns (uint256 fills, uint256 payments)
    {
        unchecked {
            for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
                OrderLane order = OrderLane.wrap(Lanes.get56(orders, lane));
                uint256 fillWh = _fillOrder(order, outcome, booking);
                if (fillWh == 0) continue;
                bool buys = order.side() == OrderLaneLib.BID;
                fills |= (buys ? Lanes.energy(0, fillWh) : Lanes.energy(fillWh, 0)) << (lane * 56);
                int256 payment = int256(fillWh * (payAsBid ? _price(order.tick()) : price));
                payments |= uint256(uint64(int64(buys ? -payment : payment))) << (lane * 64);
            }
            booking.spreadMicroEur -= int64(SignedLanes.sum(payments));
        }
    }

    /// @dev Energy of one order that trades
    function _fillOrder(OrderLane order, MeritOrder.Outcome memory outcome, Booking memory booking)
        private
        pure
        returns (uint256 fillWh)
    {
        uint256 wh = order.wh();
        if (wh == 0) return 0;
        uint256 tick = order.tick();
        uint256 cumulativeWh;
        if (order.side() == OrderLaneLib.BID) {
            MeritOrder.Margin memory margin = outcome.bid;
            (fillWh, cumulativeWh) = MeritOrder.fill(margin, tick, tick > margin.tick, wh, booking.bidWhAtMargin);
            booking.bidWhAtMargin = uint56(cumulativeWh);
        } else {
            MeritOrder.Margin memory margin = outcome.ask;
            (fillWh, cumulativeWh) = MeritOrder.fill(margin, tick, tick < margin.tick, wh, booking.askWhAtMargin);
            booking.askWhAtMargin = uint56(cumulativeWh);
        }
    }

    // --- questions -----------------------------------------------------------------------------

    /// @inheritdoc IMarket
    function booked(uint256 area, uint256 period) external view returns (bool) {
        Session storage session = _sessions[_key(area, period)];
        return session.period == period && session.phase == Phase.Booked;
    }

    /// @notice Where an area's auction of a period stands
    function sessionOf(uint256 area, uint256 period) external view returns (Session memory) {
        return _sessionOf(area, period);
    }

    /// @notice What the clearing that stands found; all zero when none does
    function outcomeOf(uint256 area, uint256 period) public view returns (MeritOrder.Outcome memory outcome) {
        Session memory session = _sessionOf(area, period);
        if (session.phase == Phase.Open || session.phase == Phase.Void) return outcome;
        return MeritOrder.unpack(_outcomes[_key(area, period)]);
    }

    /// @notice What every group of an area would trade by the clearing that stands: energy lanes (sold, bought)
    ///         and signed 64-bit payments; for the grid check, which comes before booking
    function fillsOf(uint256 area, uint32 period)
        external
        view
        returns (uint256[] memory groups, uint256[] memory fills, uint256[] memory payments)
    {
        groups = registry.groupsOf(area, 0, registry.groupCount(area));
        MeritOrder.Outcome memory outcome = outcomeOf(area, period);
        if (outcome.volumeWh == 0) return (groups, new uint256[](groups.length), new uint256[](groups.length));
        Booking memory booking;
        booking.period = period;
        (fills, payments) = _fill(_orderKey(area, period, 0), outcome, booking, groups);
    }

    function _sessionOf(uint256 area, uint256 period) private view returns (Session memory session) {
        session = _sessions[_key(area, period)];
        if (session.period != period) session = _freshSession(period);
    }
}
