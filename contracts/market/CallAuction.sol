// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IMarket} from "../interfaces/IMarket.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IGridOracle} from "../interfaces/IOracles.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {MeritOrder} from "../libraries/MeritOrder.sol";
import {OrderLane} from "../libraries/OrderLane.sol";
import {Profile} from "../libraries/Profile.sol";
import {TickBook} from "../libraries/TickBook.sol";

/// @title Pool-based call auction: one limit order per participant and delivery period
/// @notice Open until gate closure; cleared in O(ticks); checked by the DSO; cleared again under caps; booked in
///         participant order. Uniform price or pay-as-bid, fixed at deployment.
contract CallAuction is IMarket, EIP712 {
    using TickBook for TickBook.Book;

    enum Phase {
        Open,
        Cleared,
        Booked,
        Void
    }

    /// @dev One slot: where an area's auction of a period stands, and a running hash of everything in its book
    struct Session {
        uint32 period;
        Phase phase;
        uint8 round;
        bytes20 root;
    }

    /// @dev What booking has reached, in participant order
    struct Booking {
        uint32 period;
        uint32 nextGroup;
        uint56 bidWhAtMargin;
        uint56 askWhAtMargin;
        int64 spreadMicroEur;
    }

    /// @notice One order as a participant signs it; `lane` holds energy, tick, side and sequence
    struct SignedOrder {
        uint32 participant;
        uint56 lane;
        uint40 expiry;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice Wh are net of the connection; `expiry` is unix seconds of block time
    bytes32 public constant ORDER_TYPEHASH = keccak256(
        "Order(uint8 area,uint32 period,uint32 participant,uint8 side,uint16 tick,uint32 wh,uint8 sequence,address gateway,uint40 expiry)"
    );

    IParticipantRegistry public immutable registry;
    IMarketClock public immutable clock;
    IClearingHouse public immutable clearingHouse;
    IGridOracle public immutable gridOracle;
    ITariff public immutable tariff;
    /// @notice Price of tick 0
    uint256 public immutable floorMicroEurPerWh;
    /// @notice Price step between ticks
    uint256 public immutable tickMicroEurPerWh;
    /// @notice Number of ticks in the price band
    uint256 public immutable ticks;
    /// @notice Whether buyers pay and sellers receive their own limit instead of the uniform price
    bool public immutable payAsBid;
    /// @notice Clearings a period may see before it runs on caps and supplier alone
    uint256 public immutable maxRounds;

    uint256 private immutable _ringSize;

    mapping(uint256 key => Session) private _sessions;
    mapping(uint256 key => Booking) private _bookings;
    mapping(uint256 key => uint256 packedOutcome) private _outcomes;
    mapping(uint256 key => uint256 fourOrders) private _orders;
    mapping(uint256 key => TickBook.Book) private _books;

    /// @notice A participant placed, replaced or (0 Wh) cancelled its own order
    event OrderPlaced(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed participant,
        uint256 side,
        uint256 tick,
        uint256 wh,
        uint256 sequence
    );
    /// @notice A gateway placed orders: words of a group (32 bits) and four order lanes (56 bits each)
    event OrdersPlaced(
        uint256 indexed area, uint256 indexed period, address indexed gateway, bool isSigned, uint256[] groups
    );
    /// @notice Caps of the DSO shrank the orders of a group to these lanes
    event OrdersShrunk(uint256 indexed area, uint256 indexed period, uint256 group, uint256 orders);
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
    event Reopened(uint256 indexed area, uint256 indexed period, uint256 round);
    /// @notice No round is left: no trade, the period runs on caps and supplier alone
    event Voided(uint256 indexed area, uint256 indexed period);
    event Booked(uint256 indexed area, uint256 indexed period, uint256 matchedWh, uint256 spreadMicroEur);

    error TickOutOfBand(uint256 participant, uint256 tick, uint256 ticks);
    error ZeroQuantity(uint256 participant);
    error MalformedOrder(uint256 participant, uint256 lane);
    error StaleSequence(uint256 participant, uint256 sequence, uint256 current);
    error SequenceExhausted(uint256 participant);
    error NoOrder(uint256 participant, uint256 period);
    error NoMandate(uint256 participant, uint256 mandated, uint256 gateway);
    error OtherArea(uint256 participant, uint256 itsArea, uint256 area);
    error SignatureExpired(uint256 participant, uint256 expiry, uint256 timestamp);
    error SignerIsNotParticipant(uint256 participant, address signer, address account);
    error GateStillOpen(uint256 period);
    error WrongPhase(uint256 area, uint256 period, Phase phase);
    error NotAccepted(uint256 area, uint256 period, IGridOracle.Verdict verdict, uint8 verdictRound, uint8 round);
    error OnlyGridOracle(address caller);
    error UnknownArea(uint256 area);
    error BandAboveRetail(uint256 topMicroEurPerWh, uint256 retailMicroEurPerWh);
    error BadBand(uint256 floorMicroEurPerWh, uint256 tickMicroEurPerWh, uint256 ticks);
    error BadRounds(uint256 maxRounds);

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
    }

    constructor(Settings memory settings) EIP712("gridbourse CallAuction", "1") {
        if (settings.tickMicroEurPerWh == 0 || settings.ticks == 0 || settings.ticks > TickBook.MAX_TICKS) {
            revert BadBand(settings.floorMicroEurPerWh, settings.tickMicroEurPerWh, settings.ticks);
        }
        if (settings.maxRounds == 0 || settings.maxRounds > type(uint8).max) revert BadRounds(settings.maxRounds);
        registry = settings.registry;
        clock = settings.clock;
        clearingHouse = settings.clearingHouse;
        gridOracle = settings.gridOracle;
        tariff = settings.tariff;
        floorMicroEurPerWh = settings.floorMicroEurPerWh;
        tickMicroEurPerWh = settings.tickMicroEurPerWh;
        ticks = settings.ticks;
        payAsBid = settings.payAsBid;
        maxRounds = settings.maxRounds;
        _ringSize = settings.clearingHouse.ringSize();
    }

    // --- orders --------------------------------------------------------------------------------

    /// @notice Places the caller's order for a period, in place of any it has there
    /// @param side 0 bid (buy), 1 offer (sell)
    /// @param tick Limit price as a tick of the band
    function place(uint32 period, uint256 side, uint256 tick, uint256 wh) external {
        uint256 participant = registry.numberOf(msg.sender);
        if (wh == 0) revert ZeroQuantity(participant);
        if (side > OrderLane.OFFER || wh > Lanes.MAX_WH) revert MalformedOrder(participant, wh);
        if (tick >= ticks) revert TickOutOfBand(participant, tick, ticks);
        _placeOwn(period, participant, OrderLane.pack(wh, tick, side, 0));
    }

    /// @notice Cancels the caller's order for a period
    function cancel(uint32 period) external {
        uint256 participant = registry.numberOf(msg.sender);
        if (OrderLane.wh(_orderOf(participant, period)) == 0) revert NoOrder(participant, period);
        _placeOwn(period, participant, 0);
    }

    /// @param order An order lane without its sequence, which is the next one
    function _placeOwn(uint256 period, uint256 participant, uint256 order) private {
        clock.requireOpen(period);
        uint256 sequence = OrderLane.sequence(_orderOf(participant, period)) + 1;
        if (sequence > type(uint8).max) revert SequenceExhausted(participant);
        order |= sequence;
        uint256 lane = Lanes.laneOf(participant);
        uint256 group = Lanes.groupOf(participant);
        uint256 area = Profile.area(Lanes.get64(registry.profilesOf(group), lane));
        Session memory session = _enter(area, period);
        _placeGroup(session, area, Lanes.set56(Lanes.fresh(group), lane, order));
        _sessions[_key(area, period)] = session;
        emit OrderPlaced(
            area, period, participant, OrderLane.side(order), OrderLane.tick(order), OrderLane.wh(order), sequence
        );
    }

    /// @notice Places orders of participants who gave the calling gateway their mandate
    /// @param groups Words of a group (top 32 bits) and its four order lanes; an empty lane changes nothing
    function placeBatch(uint256 area, uint32 period, uint256[] calldata groups) external {
        uint256 gateway = registry.gatewayNumberOf(msg.sender);
        clock.requireOpen(period);
        Session memory session = _enter(area, period);
        for (uint256 i; i < groups.length; ++i) {
            uint256 profiles = _placeGroup(session, area, groups[i]);
            _requireMandates(gateway, groups[i], profiles);
        }
        _sessions[_key(area, period)] = session;
        emit OrdersPlaced(area, period, msg.sender, false, groups);
    }

    /// @notice Places orders that participants signed for the calling gateway (EIP-712)
    function placeSigned(uint256 area, uint32 period, SignedOrder[] calldata orders) external {
        registry.gatewayNumberOf(msg.sender);
        clock.requireOpen(period);
        Session memory session = _enter(area, period);
        uint256[] memory groups = new uint256[](orders.length);
        for (uint256 i; i < orders.length; ++i) {
            SignedOrder calldata order = orders[i];
            _requireSignature(area, period, order);
            groups[i] = Lanes.set56(
                Lanes.fresh(Lanes.groupOf(order.participant)), Lanes.laneOf(order.participant), order.lane
            );
            _placeGroup(session, area, groups[i]);
        }
        _sessions[_key(area, period)] = session;
        emit OrdersPlaced(area, period, msg.sender, true, groups);
    }

    function _requireMandates(uint256 gateway, uint256 word, uint256 profiles) private pure {
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            if (Lanes.get56(word, lane) == 0) continue;
            uint256 mandated = Profile.gateway(Lanes.get64(profiles, lane));
            if (mandated != gateway) {
                revert NoMandate(Lanes.participantAt(Lanes.tag(word), lane), mandated, gateway);
            }
        }
    }

    function _requireSignature(uint256 area, uint256 period, SignedOrder calldata order) private view {
        if (order.expiry < block.timestamp) {
            revert SignatureExpired(order.participant, order.expiry, block.timestamp);
        }
        bytes32 digest = _hashTypedDataV4(
            keccak256(
                abi.encode(
                    ORDER_TYPEHASH,
                    area,
                    period,
                    order.participant,
                    OrderLane.side(order.lane),
                    OrderLane.tick(order.lane),
                    OrderLane.wh(order.lane),
                    OrderLane.sequence(order.lane),
                    msg.sender,
                    order.expiry
                )
            )
        );
        (address signer,,) = ECDSA.tryRecover(digest, order.r, order.vs);
        address account = registry.accountOf(order.participant);
        if (signer == address(0) || signer != account) {
            revert SignerIsNotParticipant(order.participant, signer, account);
        }
    }

    /// @dev Puts the lanes of a word into the book, each in place of the participant's former order
    /// @return profiles What the registry holds of the group
    function _placeGroup(Session memory session, uint256 area, uint256 word) private returns (uint256 profiles) {
        uint256 group = Lanes.tag(word);
        TickBook.Book storage book_ = _books[_key(area, session.period)];
        uint256 key = _orderKey(session.period, group);
        uint256 orders = Lanes.ofPeriod(_orders[key], session.period);
        uint256 released;
        uint256 claimed;
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            uint256 order = Lanes.get56(word, lane);
            if (order == 0) continue;
            uint256 former = Lanes.get56(orders, lane);
            _requireWellFormed(Lanes.participantAt(group, lane), order, former);
            book_.remove(session.period, OrderLane.side(former), OrderLane.tick(former), OrderLane.wh(former));
            book_.add(session.period, OrderLane.side(order), OrderLane.tick(order), OrderLane.wh(order));
            released = Lanes.set56(released, lane, OrderLane.energy(former));
            claimed = Lanes.set56(claimed, lane, OrderLane.energy(order));
            orders = Lanes.set56(orders, lane, order);
        }
        _orders[key] = orders;
        _extendRoot(session, group, orders);
        profiles = clearingHouse.reserve(session.period, group, released, claimed);
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            if (Lanes.get56(word, lane) == 0) continue;
            uint256 itsArea = Profile.area(Lanes.get64(profiles, lane));
            if (itsArea != area) revert OtherArea(Lanes.participantAt(group, lane), itsArea, area);
        }
    }

    function _requireWellFormed(uint256 participant, uint256 order, uint256 former) private view {
        if (order >> OrderLane.BITS != 0) revert MalformedOrder(participant, order);
        if (OrderLane.tick(order) >= ticks) revert TickOutOfBand(participant, OrderLane.tick(order), ticks);
        if (OrderLane.sequence(order) <= OrderLane.sequence(former)) {
            revert StaleSequence(participant, OrderLane.sequence(order), OrderLane.sequence(former));
        }
    }

    // --- clearing ------------------------------------------------------------------------------

    /// @notice Clears an area's book after gate closure; anyone may
    function clear(uint256 area, uint32 period) external {
        if (!clock.gateClosed(period)) revert GateStillOpen(period);
        Session memory session = _enter(area, period);
        if (session.phase != Phase.Open) revert WrongPhase(area, period, session.phase);
        TickBook.Book storage book_ = _books[_key(area, period)];
        MeritOrder.Outcome memory outcome = MeritOrder.clear(
            book_.volumes(period, OrderLane.BID, ticks), book_.volumes(period, OrderLane.OFFER, ticks)
        );
        session.phase = Phase.Cleared;
        _sessions[_key(area, period)] = session;
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

    /// @inheritdoc IMarket
    function bookOf(uint256 area, uint256 period) external view returns (bool cleared, uint8 round, bytes20 root) {
        Session storage session = _sessions[_key(area, period)];
        return (session.period == period && session.phase == Phase.Cleared, session.round, session.root);
    }

    /// @inheritdoc IMarket
    function applyCaps(uint256 area, uint256 period, uint256 group, uint256 caps) external onlyGridOracle {
        uint256 key = _orderKey(period, group);
        uint256 orders = Lanes.ofPeriod(_orders[key], period);
        uint256 before = orders;
        TickBook.Book storage book_ = _books[_key(area, period)];
        uint256 released;
        uint256 claimed;
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            uint256 order = Lanes.get56(orders, lane);
            uint256 cap = OrderLane.side(order) == OrderLane.OFFER
                ? Lanes.outOf(Lanes.get56(caps, lane))
                : Lanes.intoOf(Lanes.get56(caps, lane));
            if (OrderLane.wh(order) <= cap) continue;
            uint256 shrunk = OrderLane.withWh(order, cap);
            book_.remove(period, OrderLane.side(order), OrderLane.tick(order), OrderLane.wh(order) - cap);
            released = Lanes.set56(released, lane, OrderLane.energy(order));
            claimed = Lanes.set56(claimed, lane, OrderLane.energy(shrunk));
            orders = Lanes.set56(orders, lane, shrunk);
        }
        if (orders == before) return;
        _orders[key] = orders;
        Session memory session = _sessions[_key(area, period)];
        _extendRoot(session, group, orders);
        _sessions[_key(area, period)] = session;
        clearingHouse.reserve(period, group, released, claimed);
        emit OrdersShrunk(area, period, group, orders);
    }

    /// @inheritdoc IMarket
    function reopen(uint256 area, uint256 period) external onlyGridOracle returns (bool fallback_) {
        Session memory session = _sessions[_key(area, period)];
        session.round += 1;
        fallback_ = session.round >= maxRounds;
        session.phase = fallback_ ? Phase.Void : Phase.Open;
        _sessions[_key(area, period)] = session;
        if (fallback_) {
            emit Voided(area, period);
        } else {
            emit Reopened(area, period, session.round);
        }
    }

    modifier onlyGridOracle() {
        if (msg.sender != address(gridOracle)) revert OnlyGridOracle(msg.sender);
        _;
    }

    // --- booking -------------------------------------------------------------------------------

    /// @notice Books the fills of up to `maxGroups` more groups, in participant order; anyone may, once accepted
    function book(uint256 area, uint32 period, uint256 maxGroups) external {
        Session memory session = _sessionOf(area, period);
        _requireVerdict(area, session);
        MeritOrder.Outcome memory outcome = MeritOrder.unpack(_outcomes[_key(area, period)]);
        Booking memory booking = _bookings[_key(area, period)];
        if (booking.period != period) booking = Booking(period, 0, 0, 0, 0);
        uint256 matchedWh = session.phase == Phase.Void ? 0 : outcome.volumeWh;
        uint256 groupCount = matchedWh == 0 ? 0 : registry.groupCount(area);
        if (booking.nextGroup < groupCount) {
            uint256[] memory groups = registry.groupsOf(area, booking.nextGroup, maxGroups);
            _bookGroups(period, outcome, booking, groups);
            booking.nextGroup += uint32(groups.length);
        }
        if (booking.nextGroup >= groupCount) {
            uint256 spread = uint64(booking.spreadMicroEur); // buyers pay at least what sellers get
            if (spread != 0) clearingHouse.collectSpread(period, spread);
            session.phase = Phase.Booked;
            _sessions[_key(area, period)] = session;
            emit Booked(area, period, matchedWh, spread);
        }
        _bookings[_key(area, period)] = booking;
    }

    function _requireVerdict(uint256 area, Session memory session) private view {
        if (session.phase == Phase.Open || session.phase == Phase.Booked) {
            revert WrongPhase(area, session.period, session.phase);
        }
        (IGridOracle.Verdict verdict, uint8 round,) = gridOracle.verdictOf(area, session.period);
        bool accepted = session.phase == Phase.Void
            ? verdict == IGridOracle.Verdict.Fallback
            : verdict == IGridOracle.Verdict.Accepted && round == session.round;
        if (!accepted) revert NotAccepted(area, session.period, verdict, round, session.round);
    }

    function _bookGroups(
        uint256 period,
        MeritOrder.Outcome memory outcome,
        Booking memory booking,
        uint256[] memory groups
    ) private {
        uint256[] memory fills = new uint256[](groups.length);
        uint256[] memory payments = new uint256[](groups.length);
        for (uint256 i; i < groups.length; ++i) {
            (fills[i], payments[i]) = _fillGroup(period, outcome, booking, groups[i]);
        }
        clearingHouse.book(period, groups, fills, payments);
    }

    function _fillGroup(
        uint256 period,
        MeritOrder.Outcome memory outcome,
        Booking memory booking,
        uint256 group
    ) private view returns (uint256 fills, uint256 payments) {
        // Reads storage, changes only `booking` in memory: booking and the preview share it.
        uint256 orders = Lanes.ofPeriod(_orders[_orderKey(period, group)], period);
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            uint256 order = Lanes.get56(orders, lane);
            if (OrderLane.wh(order) == 0) continue;
            uint256 tick = OrderLane.tick(order);
            uint256 price = _price(payAsBid ? tick : outcome.priceTick);
            uint256 fillWh;
            uint256 cumulativeWh;
            if (OrderLane.side(order) == OrderLane.BID) {
                (fillWh, cumulativeWh) = MeritOrder.fill(
                    outcome.bid, tick, tick > outcome.bid.tick, OrderLane.wh(order), booking.bidWhAtMargin
                );
                booking.bidWhAtMargin = uint56(cumulativeWh);
                booking.spreadMicroEur += int64(uint64(fillWh * price));
                fills = Lanes.set56(fills, lane, Lanes.energy(0, fillWh));
                payments = Lanes.setInt64(payments, lane, -int256(fillWh * price));
            } else {
                (fillWh, cumulativeWh) = MeritOrder.fill(
                    outcome.ask, tick, tick < outcome.ask.tick, OrderLane.wh(order), booking.askWhAtMargin
                );
                booking.askWhAtMargin = uint56(cumulativeWh);
                booking.spreadMicroEur -= int64(uint64(fillWh * price));
                fills = Lanes.set56(fills, lane, Lanes.energy(fillWh, 0));
                payments = Lanes.setInt64(payments, lane, int256(fillWh * price));
            }
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
    function outcomeOf(uint256 area, uint256 period) external view returns (MeritOrder.Outcome memory outcome) {
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
        fills = new uint256[](groups.length);
        payments = new uint256[](groups.length);
        Session memory session = _sessionOf(area, period);
        if (session.phase == Phase.Open || session.phase == Phase.Void) return (groups, fills, payments);
        MeritOrder.Outcome memory outcome = MeritOrder.unpack(_outcomes[_key(area, period)]);
        if (outcome.volumeWh == 0) return (groups, fills, payments);
        Booking memory booking;
        for (uint256 i; i < groups.length; ++i) {
            (fills[i], payments[i]) = _fillGroup(period, outcome, booking, groups[i]);
        }
    }

    /// @notice A participant's order in a period; all zero when it has none
    function orderOf(uint256 participant, uint256 period)
        external
        view
        returns (uint256 side, uint256 tick, uint256 wh, uint256 sequence)
    {
        uint256 order = _orderOf(participant, period);
        return (OrderLane.side(order), OrderLane.tick(order), OrderLane.wh(order), OrderLane.sequence(order));
    }

    /// @notice EIP-712 domain separator orders are signed under
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _orderOf(uint256 participant, uint256 period) private view returns (uint256) {
        uint256 orders = Lanes.ofPeriod(_orders[_orderKey(period, Lanes.groupOf(participant))], period);
        return Lanes.get56(orders, Lanes.laneOf(participant));
    }

    function _sessionOf(uint256 area, uint256 period) private view returns (Session memory session) {
        session = _sessions[_key(area, period)];
        if (session.period != period) session = Session(uint32(period), Phase.Open, 0, bytes20(0));
    }

    /// @dev The first action in a period takes its ring slot, and refuses an area or a tariff that cannot be
    function _enter(uint256 area, uint256 period) private returns (Session memory session) {
        session = _sessions[_key(area, period)];
        if (session.period == period) return session;
        if (area >= clearingHouse.activate(period)) revert UnknownArea(area);
        (uint256 retail,) = tariff.energyPrices(period);
        uint256 top = _price(ticks - 1);
        if (top > retail) revert BandAboveRetail(top, retail);
        session = Session(uint32(period), Phase.Open, 0, bytes20(0));
    }

    function _extendRoot(Session memory session, uint256 group, uint256 orders) private pure {
        session.root = bytes20(keccak256(abi.encode(session.root, group, orders)));
    }

    function _price(uint256 tick) private view returns (uint256) {
        return floorMicroEurPerWh + tick * tickMicroEurPerWh;
    }

    function _key(uint256 area, uint256 period) private view returns (uint256) {
        return ((period % _ringSize) << 64) | area;
    }

    function _orderKey(uint256 period, uint256 group) private view returns (uint256) {
        return ((period % _ringSize) << 64) | group;
    }
}
