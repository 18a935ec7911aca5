// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IClearingHouse} from "../../interfaces/IClearingHouse.sol";
import {ITariff} from "../../interfaces/ITariff.sol";
import {Lanes} from "../../libraries/Lanes.sol";
import {Profile} from "../../libraries/Profile.sol";
import {ProfileLookup} from "../../libraries/ProfileLookup.sol";
import {MarketClock} from "../../registry/MarketClock.sol";
import {CheckedTrades} from "../CheckedTrades.sol";
import {GatewayOrders} from "../GatewayOrders.sol";
import {InParts} from "../InParts.sol";
import {PriceBand} from "../PriceBand.sol";
import {BookAccount} from "./BookAccount.sol";
import {BookCollateral} from "./BookCollateral.sol";
import {BookOrder, BookOrderLib} from "./BookOrder.sol";
import {BookRows} from "./BookRows.sol";
import {BookSplitter} from "./BookSplitter.sol";
import {Matching} from "./Matching.sol";
import {RestingOrderLane, RestingOrderLaneLib} from "./RestingOrderLane.sol";
import {TickBitmapLib} from "./TickBitmap.sol";

/// @title Continuous double auction of an area and delivery period, until gate closure
/// @notice Orders of a participant itself, of a gateway with its mandate, or signed by it for a gateway. What is in an
///         order is backed from the moment it comes in: what rests, waits for the DSO or is traded stays reserved, what
///         is cancelled is free at once.
/// @dev    Invariant: reserved in the clearing house = orders at rest + trades waiting or accepted + what a participant
///         chose to keep reserved for its next orders (see `keep`).
contract OrderBook is Matching, BookCollateral, GatewayOrders, BookRows, InParts {
    /// @notice Where the book is anchored and its rules
    /// @param groupSize Trades the DSO judges at once
    /// @param minWh The least energy of an order
    /// @param maxFills The most resting orders an incoming one trades with
    /// @param maxOpen The most orders a participant may bring to rest in a period without taking one back
    struct Settings {
        CheckedTrades.Anchors anchors;
        ITariff tariff;
        uint256 floorMicroEurPerWh;
        uint256 tickMicroEurPerWh;
        uint256 ticks;
        uint256 groupSize;
        uint256 minWh;
        uint256 maxFills;
        uint256 maxOpen;
    }

    /// @dev Kind: 0 limit, 1 immediate or cancel, 2 fill or kill, 3 cancel, 4 replace; tick and position name the
    ///         resting order of a cancel or replace; Wh are net of the connection
    bytes32 private constant ORDER_TYPEHASH = keccak256(
        "BookOrder(uint8 area,uint32 period,uint32 participant,uint8 kind,uint8 side,uint8 tick,uint16 position,uint8 newTick,uint32 wh,uint32 sequence,address gateway,uint40 expiry)"
    );
    string private constant NAME = "gridbourse OrderBook";
    string private constant VERSION = "1";
    /// @dev The highest of the rules for fills and for orders brought to rest
    uint256 private constant MAX_RULE = 255;

    /// @notice The least energy of an order, in Wh
    uint256 public immutable minWh;

    // A clock that follows block time is not asked for it: its settings never change.
    bool private immutable _isReplay;
    uint256 private immutable _mtuSeconds;
    uint256 private immutable _gateClosureSeconds;
    uint256 private immutable _horizonPeriods;

    /// @notice What a participant keeps reserved for its orders to come was set
    event CollateralKept(
        uint256 indexed area, uint256 indexed period, uint256 indexed participant, uint256 sellWh, uint256 buyWh
    );
    /// @notice A gateway's cancellation or replacement (see BookOrder) found no such order of its participant at rest
    event OrderGone(uint256 indexed area, uint256 indexed period, BookOrder order);
    /// @notice After gate closure orders that had stayed at rest were taken out, and what backed them given back
    /// @param orders As `queueOf` has them
    event BookReleased(uint256 indexed area, uint256 indexed period, BookOrder[] orders);

    /// @notice Least energy, most fills and most open orders are above zero, and within what the words hold
    error BadRules(uint256 minWh, uint256 maxFills, uint256 maxOpen);
    /// @notice Gate closure of the period has not come yet
    error GateStillOpen(uint256 period);
    /// @notice Groups of the period are settled already: the book gives back nothing any more
    error SettlementBegun(uint256 area, uint256 period);

    constructor(Settings memory settings)
        EIP712(NAME, VERSION)
        InParts(address(new BookSplitter()))
        CheckedTrades(settings.anchors, settings.groupSize)
        PriceBand(
            settings.tariff,
            settings.floorMicroEurPerWh,
            settings.tickMicroEurPerWh,
            settings.ticks,
            TickBitmapLib.MAX_TICKS
        )
    {
        if (
            settings.minWh == 0 || settings.minWh > Lanes.MAX_WH || settings.maxFills == 0
                || settings.maxFills > MAX_RULE || settings.maxOpen == 0 || settings.maxOpen > MAX_RULE
        ) revert BadRules(settings.minWh, settings.maxFills, settings.maxOpen);
        minWh = settings.minWh;
        maxFills = settings.maxFills;
        maxOpen = settings.maxOpen;
        MarketClock clock_ = MarketClock(address(settings.anchors.clock));
        _isReplay = clock_.replay();
        _mtuSeconds = clock_.mtuSeconds();
        _gateClosureSeconds = clock_.gateClosureSeconds();
        _horizonPeriods = clock_.horizonPeriods();
    }

    // --- own orders ----------------------------------------------------------------------------

    /// @notice Places the caller's order for a period
    /// @param side 0 bid (buy), 1 offer (sell)
    /// @param tick Limit price as a tick of the band
    /// @param kind 0 limit, 1 immediate or cancel, 2 fill or kill
    function place(uint32 period, uint256 side, uint256 tick, uint256 wh, uint256 kind) external {
        (uint256 participant, uint256 profile) = _member();
        _requireOpen(period);
        if (side > BookOrderLib.OFFER || kind > BookOrderLib.FILL_OR_KILL) _refuseMalformed(participant, kind);
        _requireTerms(participant, tick, wh);
        uint256 area = Profile.area(profile);
        _begin(area, period);
        if (_claim(area, period, participant, RestingOrderLaneLib.energy(side, wh))) {
            _requireActive(participant, profile);
        }
        uint256 cancelledWh = _execute(area, period, BookOrderLib.pack(participant, kind, side, tick, wh));
        if (cancelledWh != 0) _free(area, period, participant, RestingOrderLaneLib.energy(side, cancelledWh));
    }

    /// @notice Cancels the caller's order at rest
    /// @param tick Where it rests
    /// @param position Its position there, as the event of its resting says
    function cancel(uint32 period, uint256 tick, uint256 position) external {
        (uint256 participant,) = _member();
        _requireOpen(period);
        uint256 key = _accountKey(period, participant);
        BookAccount account = _accounts[key];
        BookOrder named = _naming(period, participant, tick, position);
        uint256 area = account.area();
        uint256 energy = _remove(area, period, named).energy();
        account = account.withOneLess();
        if (account.keeps()) {
            _accounts[key] = account.plusKept(energy);
        } else {
            _accounts[key] = account;
            _reserve(area, period, participant, energy, 0);
        }
    }

    /// @notice Gives the caller's order at rest another price or energy. Less energy at the same tick keeps its place;
    ///         anything else is an order placed anew
    function replace(uint32 period, uint256 tick, uint256 position, uint256 newTick, uint256 wh) external {
        (uint256 participant,) = _member();
        _requireOpen(period);
        uint256 area = _accounts[_accountKey(period, participant)].area();
        _replace(area, period, _naming(period, participant, tick, position), newTick, wh);
    }

    /// @notice Keeps energy, and the money behind it, reserved for the caller's own orders to come in a period: they
    ///         draw on it, and what own orders and replacements do not need comes back to it, so that the clearing
    ///         house is not asked. Zero of both gives everything back, and from then on what is cancelled is free at once
    /// @param sellWh To sell beyond the orders at rest
    /// @param buyWh To buy beyond the orders at rest
    function keep(uint32 period, uint256 sellWh, uint256 buyWh) external {
        (uint256 participant, uint256 profile) = _member();
        if (sellWh > Lanes.MAX_WH || buyWh > Lanes.MAX_WH) _refuseMalformed(participant, sellWh | buyWh);
        uint256 energy = Lanes.energy(sellWh, buyWh);
        uint256 area = Profile.area(profile);
        if (energy != 0) {
            _requireOpen(period);
            _begin(area, period);
        } else {
            _requireUnsettled(area, period);
        }
        uint256 key = _accountKey(period, participant);
        BookAccount account = _accounts[key].ofPeriod(period, area);
        _reserve(area, period, participant, account.kept(), energy);
        _accounts[key] = account.withKept(energy);
        emit CollateralKept(area, period, participant, sellWh, buyWh);
    }

    // --- orders through a gateway --------------------------------------------------------------

    /// @notice Executes orders, one after the other, of participants who gave the calling gateway their mandate. What may
    ///         not go in is left out, and so are cancellations and replacements whose order is gone; what is malformed, or
    ///         of another area, refuses the whole
    /// @dev    All new orders of a part are backed before the first is executed, and what is cancelled is free after the last
    /// @param orders See BookOrder; the sequence is not asked for
    function placeBatch(uint256 area, uint32 period, BookOrder[] calldata orders) external {
        _bringInParts(orders.length);
        uint256 gateway = _gateway();
        BookOrder[] memory words = orders;
        uint256[] memory profiles = _back(area, period, words);
        for (uint256 i; i < words.length; ++i) {
            _requireMandate(words[i].participant(), profiles[i], gateway);
        }
        _executeAll(area, period, words);
    }

    /// @notice Executes orders, one after the other, that participants signed for the calling gateway (EIP-712)
    /// @dev    As `placeBatch`
    function placeSigned(uint256 area, uint32 period, SignedOrder[] calldata orders) external {
        _bringInParts(orders.length);
        _gateway();
        BookOrder[] memory words = new BookOrder[](orders.length);
        bytes32 domain = _domainSeparatorV4();
        for (uint256 i; i < orders.length; ++i) {
            _requireSigned(area, period, orders[i], domain);
            words[i] = orders[i].order;
        }
        _back(area, period, words);
        for (uint256 i; i < words.length; ++i) {
            _advanceSequence(area, period, words[i].participant(), words[i].sequence());
        }
        _executeAll(area, period, words);
    }

    function _requireSigned(uint256 area, uint256 period, SignedOrder calldata signed, bytes32 domain) private view {
        BookOrder order = signed.order;
        uint256 participant = order.participant();
        _requireFresh(participant, signed.expiry);
        uint256[13] memory terms;
        terms[0] = uint256(ORDER_TYPEHASH);
        terms[1] = area;
        terms[2] = period;
        terms[3] = participant;
        terms[4] = order.kind();
        terms[5] = order.side();
        terms[6] = order.tick();
        terms[7] = order.position();
        terms[8] = order.newTick();
        terms[9] = order.wh();
        terms[10] = order.sequence();
        terms[11] = uint160(_bringer());
        terms[12] = signed.expiry;
        _requireSigner(registry, participant, domain, keccak256(abi.encode(terms)), signed.r, signed.vs);
    }

    function _advanceSequence(uint256 area, uint256 period, uint256 participant, uint256 sequence) private {
        uint256 key = _accountKey(period, participant);
        BookAccount account = _accounts[key].ofPeriod(period, area);
        uint256 former = account.sequence();
        if (sequence <= former) revert StaleSequence(participant, sequence, former);
        _accounts[key] = account.withSequence(sequence);
    }

    /// @dev Backs every new order of a batch in one call; returns everybody's profile, all of them of the area, or it is refused
    function _back(uint256 area, uint256 period, BookOrder[] memory orders)
        private
        returns (uint256[] memory profiles)
    {
        _requireOpen(period);
        _begin(area, period);
        IClearingHouse.Exchange[] memory claims = new IClearingHouse.Exchange[](orders.length);
        for (uint256 i; i < orders.length; ++i) {
            BookOrder order = orders[i];
            uint256 participant = order.participant();
            _requireWellFormed(participant, order);
            uint256 claimed = order.kind() <= BookOrderLib.FILL_OR_KILL
                ? RestingOrderLaneLib.energy(order.side(), order.wh())
                : 0;
            claims[i] = _exchange(participant, 0, claimed);
        }
        profiles = _exchangeAll(area, period, claims);
        for (uint256 i; i < orders.length; ++i) {
            uint256 participant = orders[i].participant();
            profiles[i] = Lanes.get64(profiles[i], Lanes.laneOf(participant));
            // Blank for who is no member in the period: nothing that its gateway could have seen before.
            if (profiles[i] == Profile.NONE) _requireActive(participant, Profile.NONE);
        }
    }

    function _requireWellFormed(uint256 participant, BookOrder order) private view {
        uint256 kind = order.kind();
        if (!order.fits() || kind > BookOrderLib.REPLACE || participant > RestingOrderLaneLib.MAX_PARTICIPANT) {
            _refuseMalformed(participant, BookOrder.unwrap(order));
        }
        if (kind > BookOrderLib.FILL_OR_KILL) return; // names an order at rest
        _requireTerms(participant, order.tick(), order.wh());
    }

    function _executeAll(uint256 area, uint256 period, BookOrder[] memory orders) private {
        uint256 count;
        for (uint256 i; i < orders.length; ++i) {
            BookOrder cancelled = _executeOne(area, period, orders[i]);
            if (!cancelled.isNone()) orders[count++] = cancelled; // never ahead of the next to execute
        }
        if (count != 0) _giveBack(area, period, orders, count);
    }

    /// @dev Returns what of it is cancelled, as an order
    function _executeOne(uint256 area, uint256 period, BookOrder order) private returns (BookOrder none) {
        uint256 kind = order.kind();
        if (kind > BookOrderLib.FILL_OR_KILL && !_rests(area, period, order)) {
            emit OrderGone(area, period, order);
            return none;
        }
        if (kind == BookOrderLib.CANCEL) {
            RestingOrderLane lane = _remove(area, period, order);
            _uncountOne(period, order.participant());
            return lane.asBookOrder(0, 0);
        }
        if (kind == BookOrderLib.REPLACE) {
            _replace(area, period, order, order.newTick(), order.wh());
            return none;
        }
        uint256 cancelledWh = _execute(area, period, order);
        return cancelledWh == 0 ? none : order.withWh(cancelledWh);
    }

    /// @dev Whether the order that `named` names is at rest, and of its participant
    function _rests(uint256 area, uint256 period, BookOrder named) private view returns (bool) {
        (, RestingOrderLane lane) = _at(_levelKey(_key(area, period), named.tick()), period, named.position());
        return lane.participant() == named.participant();
    }

    // --- after gate closure --------------------------------------------------------------------

    /// @notice Gives back what backs the orders still at rest, up to `maxWords` words of four, after gate closure and
    ///         before settlement, which gives it back as well; anyone may
    function release(uint256 area, uint32 period, uint256 maxWords) external {
        if (!_gateClosed(period)) revert GateStillOpen(period);
        _requireUnsettled(area, period);
        (BookOrder[] memory orders, uint256 count) = _takeOut(area, period, maxWords);
        if (count == 0) return;
        _giveBack(area, period, orders, count);
        emit BookReleased(area, period, orders);
    }

    /// @inheritdoc EIP712
    /// @dev As the base has it, with literals: reading its short strings back costs more code than this contract has room
    function eip712Domain()
        public
        view
        override
        returns (bytes1, string memory, string memory, uint256, address, bytes32, uint256[] memory)
    {
        return (hex"0f", NAME, VERSION, block.chainid, address(this), bytes32(0), new uint256[](0));
    }

    // --- what all ways share -------------------------------------------------------------------

    /// @dev `named` names the order at rest
    function _replace(uint256 area, uint256 period, BookOrder named, uint256 newTick, uint256 wh) private {
        uint256 participant = named.participant();
        _requireTerms(participant, newTick, wh);
        (, RestingOrderLane lane) = _ownOrder(_levelKey(_key(area, period), named.tick()), period, named);
        uint256 side = lane.side();
        if (newTick == named.tick() && wh < lane.wh()) {
            _reduce(area, period, named, wh);
            _free(area, period, participant, RestingOrderLaneLib.energy(side, lane.wh() - wh));
            return;
        }
        _remove(area, period, named);
        _uncountOne(period, participant);
        _free(area, period, participant, lane.energy()); // then asked like whoever places an order
        if (_claim(area, period, participant, RestingOrderLaneLib.energy(side, wh))) {
            _requireActive(participant, ProfileLookup.profileOf(registry, participant));
        }
        uint256 cancelledWh =
            _execute(area, period, BookOrderLib.pack(participant, BookOrderLib.LIMIT, side, newTick, wh));
        if (cancelledWh != 0) _free(area, period, participant, RestingOrderLaneLib.energy(side, cancelledWh));
    }

    /// @dev Number and profile of the participant that calls, asked each time: another account may have taken the place
    ///      of one that was the participant's. Here and below in one place for the contract's size
    function _member() private view returns (uint256 participant, uint256 profile) {
        return registry.memberOf(msg.sender);
    }

    function _gateway() private view returns (uint256) {
        return registry.gatewayNumberOf(_bringer());
    }

    /// @dev See CheckedTrades: who has a mandate acts for others
    function _agent() internal view override returns (address) {
        return msg.sig == this.placeBatch.selector ? _bringer() : address(0);
    }

    function _naming(uint256 period, uint256 participant, uint256 tick, uint256 position)
        private
        pure
        returns (BookOrder)
    {
        if (tick > type(uint8).max || position > BookOrderLib.MAX_POSITION) {
            _refuseUnknown(participant, period, tick, position);
        }
        return BookOrderLib.naming(participant, tick, position);
    }

    /// @dev The first action in a book of a period takes the period's ring slot
    function _begin(uint256 area, uint256 period) private {
        if (_isOpen(area, period)) return;
        _ledgers[_key(area, period)] = _enter(area, period);
        _books[_key(area, period)] = TickBitmapLib.fresh(period / _ringSize, _ticksIn(area, period));
    }

    function _requireOpen(uint256 period) private view {
        if (!_isReplay) {
            uint256 nextOpen = (block.timestamp + _gateClosureSeconds) / _mtuSeconds + 1;
            if (period >= nextOpen && period < nextOpen + _horizonPeriods) return;
        }
        clock.requireOpen(period);
    }

    function _requireUnsettled(uint256 area, uint256 period) private view {
        if (clearingHouse.settling(area, period)) revert SettlementBegun(area, period);
    }

    /// @dev In one place for what it takes of the contract's size
    function _refuseMalformed(uint256 participant, uint256 order) private pure {
        revert MalformedOrder(participant, order);
    }

    function _requireTerms(uint256 participant, uint256 tick, uint256 wh) private view {
        _requireTick(participant, tick, ticks);
        if (wh < minWh || wh > Lanes.MAX_WH) revert EnergyOutOfRange(participant, wh, minWh, Lanes.MAX_WH);
    }
}
