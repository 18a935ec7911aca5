// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Lanes} from "../../libraries/Lanes.sol";
import {CheckedTrades} from "../CheckedTrades.sol";
import {PriceBand} from "../PriceBand.sol";
import {BookAccount} from "./BookAccount.sol";
import {BookOrder, BookOrderLib} from "./BookOrder.sol";
import {LevelQueue} from "./LevelQueue.sol";
import {RestingOrderLane, RestingOrderLaneLib} from "./RestingOrderLane.sol";
import {TickBitmap, TickBitmapLib} from "./TickBitmap.sol";

/// @title The orders that rest in the books of an area and period
/// @notice Every word lies in a ring of periods and carries its period: it is rewritten, never created anew. An order is
///         named by its tick and its position there; a position is used again once its order is gone.
abstract contract OrderBookLevels is CheckedTrades, PriceBand {
    using LevelQueue for LevelQueue.Levels;

    /// @notice The most orders a participant may bring to rest in a period without taking one back: so many, at most, it
    ///         has open. What others fill still counts, so that a fill need not touch the maker's account
    uint256 public immutable maxOpen;

    /// @dev Which ticks hold orders (see TickBitmap)
    mapping(uint256 key => TickBitmap) internal _books;
    LevelQueue.Levels internal _levels;
    /// @dev See BookAccount
    mapping(uint256 key => BookAccount) internal _accounts;

    /// @dev The most queue words one release takes out
    uint256 private constant MAX_PAGE = 500;

    uint256 private constant ANYBODY = 0;

    /// @notice An order, or what is left of it, rests at the end of its tick
    event OrderRested(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed participant,
        uint256 side,
        uint256 tick,
        uint256 position,
        uint256 wh
    );
    /// @notice A resting order was cancelled, with what was left of it
    event OrderCancelled(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed participant,
        uint256 side,
        uint256 tick,
        uint256 position,
        uint256 wh
    );
    /// @notice A resting order keeps its place with less energy: `wh` is left
    event OrderReduced(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed participant,
        uint256 side,
        uint256 tick,
        uint256 position,
        uint256 wh
    );

    /// @notice The participant brought as many orders to rest in the period as it may without taking one back
    error TooManyOrders(uint256 participant, uint256 maxOpen);
    /// @notice No order rests at this place; `position` counts the lanes of the tick
    error UnknownOrder(uint256 participant, uint256 period, uint256 tick, uint256 position);
    /// @notice The order at this place is another participant's
    error NotTheOwner(uint256 participant, uint256 owner, uint256 tick, uint256 position);

    // --- orders come to rest and go ------------------------------------------------------------

    /// @dev Puts an order at the end of its tick; returns the book with that tick
    function _rest(uint256 area, uint256 period, TickBitmap book, BookOrder order) internal returns (TickBitmap) {
        uint256 participant = order.participant();
        uint256 side = order.side();
        uint256 tick = order.tick();
        uint256 wh = order.wh();
        _countOne(area, period, participant);
        (uint256 position, bool isFirst) = _levels.append(
            _levelKey(_key(area, period), tick), period, _tag(period), RestingOrderLaneLib.pack(side, participant, wh)
        );
        emit OrderRested(area, period, participant, side, tick, position, wh);
        return isFirst ? book.with(side, tick) : book;
    }

    /// @dev Takes the order that `named` names out of the book; returns its lane. The count is for the caller to lower
    function _remove(uint256 area, uint256 period, BookOrder named) internal returns (RestingOrderLane lane) {
        uint256 tick = named.tick();
        uint256 position = named.position();
        uint256 key = _key(area, period);
        uint256 levelKey = _levelKey(key, tick);
        uint256 word;
        (word, lane) = _ownOrder(levelKey, period, named);
        unchecked {
            word -= RestingOrderLane.unwrap(lane) << ((position % Lanes.PER_GROUP) * 56);
        }
        if (_levels.shrink(levelKey, position / Lanes.PER_GROUP, word)) {
            _books[key] = _books[key].without(tick);
        }
        emit OrderCancelled(
            area, period, named.participant(), lane.side(), tick, position, lane.wh()
        );
    }

    /// @dev Leaves `wh` of the order that `named` names where it stands; there must be more
    function _reduce(uint256 area, uint256 period, BookOrder named, uint256 wh) internal {
        uint256 tick = named.tick();
        uint256 position = named.position();
        uint256 key = _levelKey(_key(area, period), tick);
        (uint256 word, RestingOrderLane lane) = _ownOrder(key, period, named);
        unchecked {
            word -= (lane.wh() - wh) << ((position % Lanes.PER_GROUP) * 56);
        }
        _levels.words[key | (position / Lanes.PER_GROUP)] = word;
        emit OrderReduced(
            area, period, named.participant(), lane.side(), tick, position, wh
        );
    }

    /// @dev In one place for what it takes of the contract's size
    function _refuseUnknown(uint256 participant, uint256 period, uint256 tick, uint256 position) internal pure {
        revert UnknownOrder(participant, period, tick, position);
    }

    /// @dev The queue word of a position at the level of a key, and its lane there; zero where no order rests
    function _at(uint256 key, uint256 period, uint256 position) internal view returns (uint256 word, RestingOrderLane lane) {
        word = _levels.words[key | (position / Lanes.PER_GROUP)];
        if (LevelQueue.tagOf(word) == _tag(period)) {
            lane = RestingOrderLane.wrap(Lanes.get56(word, position % Lanes.PER_GROUP));
        }
    }

    /// @dev The word and the lane of the order that `named` names, which has to be its participant's, at the level of a key
    function _ownOrder(uint256 key, uint256 period, BookOrder named)
        internal
        view
        returns (uint256 word, RestingOrderLane lane)
    {
        uint256 position = named.position();
        uint256 participant = named.participant();
        (word, lane) = _at(key, period, position);
        if (lane.isNone()) _refuseUnknown(participant, period, named.tick(), position);
        uint256 owner = lane.participant();
        if (owner != participant) revert NotTheOwner(participant, owner, named.tick(), position);
    }

    /// @dev Takes up to `maxWords` queue words out of a book that trades no more; the words themselves stay as they are,
    ///      no level counts them any more
    function _takeOut(uint256 area, uint256 period, uint256 maxWords)
        internal
        returns (BookOrder[] memory orders, uint256 count)
    {
        if (!_isOpen(area, period)) return (orders, 0);
        uint256 bookKey = _key(area, period);
        TickBitmap book = _books[bookKey];
        orders = new BookOrder[](Lanes.PER_GROUP * (maxWords < MAX_PAGE ? maxWords : MAX_PAGE));
        for (uint256 tick; tick < ticks && count + Lanes.PER_GROUP <= orders.length; ++tick) {
            if (!book.has(tick)) continue;
            uint256 key = _levelKey(bookKey, tick);
            uint256 level = _levels.levels[key];
            while (!LevelQueue.isEmpty(level) && count + Lanes.PER_GROUP <= orders.length) {
                (level, count) = _takeHead(key, level, ANYBODY, orders, count);
            }
            _levels.levels[key] = level;
            if (LevelQueue.isEmpty(level)) book = book.without(tick);
        }
        _books[bookKey] = book;
    }

    /// @dev Adds the orders of a level's first word, or only those of one participant, to a list
    function _takeHead(uint256 key, uint256 level, uint256 participant, BookOrder[] memory orders, uint256 count)
        private
        view
        returns (uint256, uint256)
    {
        unchecked {
            uint256 index = LevelQueue.head(level);
            uint256 word = _levels.words[key | index];
            for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
                RestingOrderLane order = RestingOrderLane.wrap(Lanes.get56(word, lane));
                uint256 owner = order.participant();
                if (order.isNone() || (participant != ANYBODY && participant != owner)) continue;
                orders[count++] = order.asBookOrder((key >> 8) & 0xff, index * Lanes.PER_GROUP + lane);
            }
            return (LevelQueue.withoutHead(level, word), count);
        }
    }

    // --- how many orders a participant brought to rest ------------------------------------------

    function _countOne(uint256 area, uint256 period, uint256 participant) private {
        uint256 key = _accountKey(period, participant);
        BookAccount account = _accounts[key].ofPeriod(period, area);
        if (account.brought() == maxOpen) revert TooManyOrders(participant, maxOpen);
        _accounts[key] = account.withOneMore();
    }

    /// @dev Of an account whose owner takes an order at rest back
    function _uncountOne(uint256 period, uint256 participant) internal {
        uint256 key = _accountKey(period, participant);
        _accounts[key] = _accounts[key].withOneLess();
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice Best bid and best offer as ticks of the band, with their energy; 0 Wh = there is none
    function top(uint256 area, uint256 period)
        external
        view
        returns (uint256 bidTick, uint256 bidWh, uint256 offerTick, uint256 offerWh)
    {
        (bidTick, bidWh) = _best(area, period, BookOrderLib.BID);
        (offerTick, offerWh) = _best(area, period, BookOrderLib.OFFER);
    }

    /// @notice Energy and orders of up to `maxTicks` ticks of a side, the best first
    function depth(uint256 area, uint256 period, uint256 side, uint256 maxTicks)
        external
        view
        returns (uint256[] memory atTicks, uint256[] memory wh, uint256[] memory orders)
    {
        uint256 left = _ticksOf(area, period, side);
        uint256 count;
        for (uint256 bits = left; bits != 0 && count < maxTicks; bits &= bits - 1) ++count;
        atTicks = new uint256[](count);
        wh = new uint256[](count);
        orders = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            atTicks[i] = TickBitmapLib.best(left, side);
            left &= ~(1 << atTicks[i]);
            BookOrder[] memory queue = queueOf(area, period, atTicks[i]);
            orders[i] = queue.length;
            wh[i] = _sumWh(queue);
        }
    }

    /// @notice Orders at rest at a tick in the order in which they will trade (participant: 32 | kind: 3 | side: 1 |
    ///         tick: 8 | position: 10 | Wh: 28, as `BookOrder` has them)
    function queueOf(uint256 area, uint256 period, uint256 tick) public view returns (BookOrder[] memory orders) {
        uint256 key = _levelKey(_key(area, period), tick);
        uint256 level = _levels.levels[key];
        if (Lanes.tag(level) != period) return orders;
        orders = new BookOrder[](Lanes.PER_GROUP * LevelQueue.wordsOf(level));
        uint256 count;
        while (!LevelQueue.isEmpty(level)) {
            (level, count) = _takeHead(key, level, ANYBODY, orders, count);
        }
        _shorten(orders, count);
    }

    /// @notice A participant's orders at rest in a period, tick by tick, as in `queueOf`
    function ordersOf(uint256 participant, uint256 period) external view returns (BookOrder[] memory orders) {
        BookAccount account = _accounts[_accountKey(period, participant)];
        if (!account.isOf(period)) return orders;
        orders = new BookOrder[](maxOpen);
        uint256 count;
        for (uint256 tick; tick < ticks; ++tick) {
            uint256 key = _levelKey(_key(account.area(), period), tick);
            uint256 level = _levels.levels[key];
            while (Lanes.tag(level) == period && !LevelQueue.isEmpty(level)) {
                (level, count) = _takeHead(key, level, participant, orders, count);
            }
        }
        _shorten(orders, count);
    }

    function _best(uint256 area, uint256 period, uint256 side) private view returns (uint256 tick, uint256 wh) {
        uint256 bits = _ticksOf(area, period, side);
        if (bits == 0) return (0, 0);
        tick = TickBitmapLib.best(bits, side);
        wh = _sumWh(queueOf(area, period, tick));
    }

    function _ticksOf(uint256 area, uint256 period, uint256 side) private view returns (uint256) {
        if (!_isOpen(area, period)) return 0;
        return _books[_key(area, period)].ofSide(side);
    }

    function _isOpen(uint256 area, uint256 period) internal view returns (bool) {
        return _books[_key(area, period)].isOf(period / _ringSize);
    }

    /// @dev Of the words of a period's lap of the ring
    function _tag(uint256 period) private view returns (uint256) {
        return TickBitmapLib.tagOf(period / _ringSize);
    }

    function _sumWh(BookOrder[] memory orders) private pure returns (uint256 sum) {
        for (uint256 i; i < orders.length; ++i) {
            sum += orders[i].wh();
        }
    }

    /// @dev A list is only ever made shorter than it was
    function _shorten(BookOrder[] memory list, uint256 count) internal pure {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(list, count)
        }
    }

    /// @dev A list is only ever made shorter than it was
    function _shorten(uint256[] memory list, uint256 count) internal pure {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(list, count)
        }
    }

    function _levelKey(uint256 key, uint256 tick) internal pure returns (uint256) {
        return (key << 16) | (tick << 8);
    }

    function _accountKey(uint256 period, uint256 participant) internal view returns (uint256) {
        return ((period % _ringSize) << 64) | participant;
    }
}
