// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../../interfaces/IClearingHouse.sol";
import {IMarketClock} from "../../interfaces/IMarketClock.sol";
import {IParticipantRegistry} from "../../interfaces/IParticipantRegistry.sol";
import {ITariff} from "../../interfaces/ITariff.sol";
import {AreaKey} from "../../libraries/AreaKey.sol";
import {Lanes} from "../../libraries/Lanes.sol";
import {OrderLane, OrderLaneLib} from "../../libraries/OrderLane.sol";
import {Profile} from "../../libraries/Profile.sol";
import {ProfileLookup} from "../../libraries/ProfileLookup.sol";
import {TickEnergy} from "../../libraries/TickEnergy.sol";
import {GatewayOrders} from "../GatewayOrders.sol";
import {PriceBand} from "../PriceBand.sol";

/// @title The book of a call auction while it takes orders
/// @notice One limit order per participant and delivery period, placed, replaced and cancelled until gate closure: here by
///         the participant itself, in `OrderBatches` by a gateway for it. Of the sequence numbers of a period the last
///         ones are the participant's own; once they are used up it can still lower its order and cancel it.
abstract contract CallAuctionBook is GatewayOrders, PriceBand {
    using TickEnergy for TickEnergy.Book;

    enum Phase {
        Open,
        Cleared,
        Booked,
        Void
    }

    /// @dev One slot: where an area's auction of a period stands, how many ticks of the band it uses (none before its first
    ///      order), and a running hash of everything in its book
    struct Session {
        uint32 period;
        Phase phase;
        uint8 round;
        uint32 clearedAt;
        uint16 ticks;
        bytes20 root;
    }

    uint256 internal constant MAX_SEQUENCE = type(uint8).max;

    /// @notice Who may order
    IParticipantRegistry public immutable registry;
    /// @notice Market time
    IMarketClock public immutable clock;
    /// @notice Where orders are backed
    IClearingHouse public immutable clearingHouse;

    uint256 internal immutable _ringSize;

    mapping(uint256 key => Session) internal _sessions;
    mapping(uint256 key => uint256 fourOrders) internal _orders;
    mapping(uint256 key => TickEnergy.Book) internal _books;

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
    /// @notice Caps of the DSO shrank the orders of a group to these lanes
    event OrdersShrunk(uint256 indexed area, uint256 indexed period, uint256 group, uint256 orders);

    /// @notice An order is for some energy; it is taken back by `cancelOrder`
    error ZeroQuantity(uint256 participant);
    /// @notice The order is not one as OrderLane has it, or its energy is beyond 28 bits
    error MalformedOrder(uint256 participant, uint256 lane);
    /// @notice The sequence numbers of the period are used up: the order can only be lowered or cancelled
    error SequenceExhausted(uint256 participant);
    /// @notice The participant has no order in the period
    error NoOrder(uint256 participant, uint256 period);

    constructor(
        IParticipantRegistry registry_,
        IMarketClock clock_,
        IClearingHouse clearingHouse_,
        ITariff tariff_,
        uint256 floor_,
        uint256 tick_,
        uint256 ticks_
    ) PriceBand(tariff_, floor_, tick_, ticks_, TickEnergy.MAX_TICKS) {
        registry = registry_;
        clock = clock_;
        clearingHouse = clearingHouse_;
        _ringSize = clearingHouse_.ringSize();
    }

    // --- own orders ----------------------------------------------------------------------------

    /// @notice Places the caller's order for a period, in place of any it has there
    /// @param side 0 bid (buy), 1 offer (sell)
    /// @param tick Limit price as a tick of the band
    function place(uint32 period, uint256 side, uint256 tick, uint256 wh) external {
        (uint256 participant, uint256 profile) = registry.memberOf(msg.sender);
        if (wh == 0) revert ZeroQuantity(participant);
        if (side > OrderLaneLib.OFFER || wh > Lanes.MAX_WH) revert MalformedOrder(participant, wh);
        _requireTick(participant, tick, ticks);
        _placeOwn(Profile.area(profile), period, participant, OrderLaneLib.pack(wh, tick, side, 0));
    }

    /// @notice Cancels the caller's order for a period
    function cancel(uint32 period) external {
        (uint256 participant, uint256 profile) = registry.memberOf(msg.sender);
        uint256 area = Profile.area(profile);
        if (_orderOf(area, participant, period).wh() == 0) revert NoOrder(participant, period);
        _placeOwn(area, period, participant, OrderLane.wrap(0));
    }

    /// @dev `order` is an order lane without its sequence, which is the next one, or the last again for less of the same
    function _placeOwn(uint256 area, uint256 period, uint256 participant, OrderLane order) private {
        clock.requireOpen(period);
        OrderLane former = _orderOf(area, participant, period);
        uint256 sequence = former.sequence();
        if (sequence < MAX_SEQUENCE) ++sequence;
        else if (!order.lowers(former)) revert SequenceExhausted(participant);
        order = order.withSequence(sequence);
        uint256[] memory words = new uint256[](1);
        words[0] = Lanes.set56(
            Lanes.fresh(Lanes.groupOf(participant)), Lanes.laneOf(participant), OrderLane.unwrap(order)
        );
        _placeAll(address(0), area, period, words);
        emit OrderPlaced(area, period, participant, order.side(), order.tick(), order.wh(), sequence);
    }

    // --- the book ------------------------------------------------------------------------------

    /// @dev Puts the lanes of the words into the book, each in place of the participant's former order, and backs them;
    ///      returns what the registry holds of each word's group. `agent` is the account that acts for them, zero where
    ///      each acts for itself or signed
    function _placeAll(address agent, uint256 area, uint256 period, uint256[] memory words)
        internal
        returns (uint256[] memory profiles)
    {
        Session memory session = _enter(area, period);
        if (session.root == bytes20(0)) session.ticks = uint16(_ticksIn(area, period));
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](words.length);
        TickEnergy.Book storage book_ = _books[_key(area, period)];
        uint256 base = _orderKey(area, period, 0);
        for (uint256 i; i < words.length; ++i) {
            uint256 orders = _placeGroup(book_, session, base, words[i], exchanges[i]);
            _extendRoot(session, exchanges[i].group, orders);
        }
        profiles = clearingHouse.reserve(area, period, agent, exchanges); // refuses who is of another area
        _store(area, session);
    }

    function _placeGroup(
        TickEnergy.Book storage book_,
        Session memory session,
        uint256 base,
        uint256 word,
        IClearingHouse.Exchange memory exchange
    ) private returns (uint256 orders) {
        uint256 period = session.period;
        exchange.group = Lanes.tag(word);
        uint256 key = base | exchange.group;
        orders = Lanes.ofPeriod(_orders[key], period);
        unchecked {
            for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
                OrderLane order = OrderLane.wrap(Lanes.get56(word, lane));
                if (order.isNone()) continue;
                OrderLane former = OrderLane.wrap(Lanes.get56(orders, lane));
                _requireWellFormed(Lanes.participantAt(exchange.group, lane), order, former, session.ticks);
                if (!former.isNone()) {
                    book_.remove(period, former.side(), former.tick(), former.wh());
                    exchange.released |= former.energy() << (lane * 56);
                }
                book_.add(period, order.side(), order.tick(), order.wh());
                exchange.claimed |= order.energy() << (lane * 56);
                orders = Lanes.set56(orders, lane, OrderLane.unwrap(order));
            }
        }
        _orders[key] = orders;
    }

    function _requireWellFormed(uint256 participant, OrderLane order, OrderLane former, uint256 usable) private pure {
        if (!order.fits()) revert MalformedOrder(participant, OrderLane.unwrap(order));
        _requireTick(participant, order.tick(), usable);
        uint256 sequence = order.sequence();
        uint256 current = former.sequence();
        if (sequence <= current && !(sequence == MAX_SEQUENCE && order.lowers(former))) {
            revert StaleSequence(participant, sequence, current);
        }
    }

    /// @dev Brings the orders of a group under caps and gives back what backed the rest
    function _shrink(uint256 area, uint256 period, uint256 group, uint256 caps) internal {
        uint256 key = _orderKey(area, period, group);
        uint256 orders = Lanes.ofPeriod(_orders[key], period);
        uint256 before = orders;
        TickEnergy.Book storage book_ = _books[_key(area, period)];
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](1);
        exchanges[0].group = group;
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            OrderLane order = OrderLane.wrap(Lanes.get56(orders, lane));
            uint256 cap = Lanes.get56(caps, lane);
            cap = order.side() == OrderLaneLib.OFFER ? Lanes.outOf(cap) : Lanes.intoOf(cap);
            if (order.wh() <= cap) continue;
            OrderLane shrunk = order.withWh(cap);
            book_.remove(period, order.side(), order.tick(), order.wh() - cap);
            exchanges[0].released |= order.energy() << (lane * 56);
            exchanges[0].claimed |= shrunk.energy() << (lane * 56);
            orders = Lanes.set56(orders, lane, OrderLane.unwrap(shrunk));
        }
        if (orders == before) return;
        _orders[key] = orders;
        Session memory session = _sessions[_key(area, period)];
        _extendRoot(session, group, orders);
        _store(area, session);
        clearingHouse.reserve(area, period, address(0), exchanges);
        emit OrdersShrunk(area, period, group, orders);
    }

    /// @dev The first action in a period takes its ring slot, which refuses an area that is not in it
    function _enter(uint256 area, uint256 period) internal returns (Session memory session) {
        session = _sessions[_key(area, period)];
        if (session.period == period) return session;
        clearingHouse.activate(area, period);
        session = _freshSession(period);
    }

    /// @dev In one place for what it takes of the contract's size
    function _store(uint256 area, Session memory session) internal {
        _sessions[_key(area, session.period)] = session;
    }

    function _freshSession(uint256 period) internal pure returns (Session memory) {
        return Session(uint32(period), Phase.Open, 0, 0, 0, bytes20(0));
    }

    function _extendRoot(Session memory session, uint256 group, uint256 orders) private pure {
        session.root = bytes20(keccak256(abi.encode(session.root, group, orders)));
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice A participant's order in a period; all zero when it has none
    function orderOf(uint256 participant, uint256 period)
        external
        view
        returns (uint256 side, uint256 tick, uint256 wh, uint256 sequence)
    {
        uint256 area = Profile.area(ProfileLookup.profileOf(registry, participant));
        OrderLane order = _orderOf(area, participant, period);
        return (order.side(), order.tick(), order.wh(), order.sequence());
    }

    function _orderOf(uint256 area, uint256 participant, uint256 period) private view returns (OrderLane) {
        uint256 orders = Lanes.ofPeriod(_orders[_orderKey(area, period, Lanes.groupOf(participant))], period);
        return OrderLane.wrap(Lanes.get56(orders, Lanes.laneOf(participant)));
    }

    function _key(uint256 area, uint256 period) internal view returns (uint256) {
        return AreaKey.inSlot(period % _ringSize, area);
    }

    /// @dev With the area, though a group is of one: a word that names a group of another area is its own, not theirs
    function _orderKey(uint256 area, uint256 period, uint256 group) internal view returns (uint256) {
        return AreaKey.numbered(period % _ringSize, area, group);
    }
}
