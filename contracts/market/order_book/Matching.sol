// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Lanes} from "../../libraries/Lanes.sol";
import {TradeWord} from "../../libraries/TradeWord.sol";
import {BookOrder, BookOrderLib} from "./BookOrder.sol";
import {LevelQueue} from "./LevelQueue.sol";
import {OrderBookLevels} from "./OrderBookLevels.sol";
import {RestingOrderLane} from "./RestingOrderLane.sol";
import {TickBitmap, TickBitmapLib} from "./TickBitmap.sol";

/// @title An incoming order meets the book: best price first, then earliest, at the resting order's price
/// @notice The reference is `gridbourse.model.order_book`; this is its equal.
abstract contract Matching is OrderBookLevels {
    /// @notice Why what was left of an incoming order did not come to rest
    enum Ending {
        None,
        Immediate,
        OwnOrder,
        FillLimit,
        FillOrKill
    }

    /// @dev An incoming order on its way through the book
    struct Incoming {
        uint256 area;
        uint256 period;
        BookOrder order;
        uint256 leftWh;
        TickBitmap book;
        uint256 count;
        uint256[] trades;
        Ending ending;
        bool isTrial;
    }

    /// @dev No tick: an incoming order meets nobody
    uint256 private constant NOBODY = type(uint256).max;

    /// @notice The most resting orders an incoming one trades with
    uint256 public immutable maxFills;

    /// @notice An incoming order of `wh` traded (see TradeWord), in this order
    event OrdersMatched(
        uint256 indexed area, uint256 indexed period, uint256 indexed taker, uint256 wh, uint256[] trades
    );
    /// @notice `wh` of an incoming order neither traded nor came to rest; after FillOrKill that is all of it
    event OrderKilled(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed participant,
        uint256 side,
        uint256 tick,
        uint256 wh,
        Ending ending
    );

    /// @dev Matches an order, rests or cancels what is left of it by its kind; returns what is cancelled
    function _execute(uint256 area, uint256 period, BookOrder order) internal returns (uint256 leftWh) {
        uint256 kind = order.kind();
        uint256 key = _key(area, period);
        TickBitmap before = _books[key];
        TickBitmap book = before;
        _requireTick(order.participant(), order.tick(), book.used());
        Ending ending;
        leftWh = order.wh();
        uint256 best = _meets(book, order);
        if (best != NOBODY) {
            if (kind == BookOrderLib.FILL_OR_KILL && !_fillsWhole(area, period, order, book, best)) {
                ending = Ending.FillOrKill;
            } else {
                (leftWh, book, ending) = _take(area, period, order, book, best);
            }
        }
        if (leftWh != 0 && ending == Ending.None) {
            if (kind == BookOrderLib.LIMIT) {
                book = _rest(area, period, book, order.withWh(leftWh));
                leftWh = 0;
            } else {
                ending = kind == BookOrderLib.FILL_OR_KILL ? Ending.FillOrKill : Ending.Immediate;
            }
        }
        if (TickBitmap.unwrap(book) != TickBitmap.unwrap(before)) _books[key] = book;
        if (leftWh != 0) _reportKilled(area, period, order, leftWh, ending);
    }

    function _reportKilled(uint256 area, uint256 period, BookOrder order, uint256 wh, Ending ending) private {
        emit OrderKilled(
            area, period, order.participant(), order.side(), order.tick(), wh, ending
        );
    }

    /// @dev The best tick of the other side, where it is one to trade at
    function _meets(TickBitmap book, BookOrder order) private pure returns (uint256 best) {
        uint256 makers = 1 - order.side();
        uint256 candidates = book.ofSide(makers);
        if (candidates == 0) return NOBODY;
        best = TickBitmapLib.best(candidates, makers);
        uint256 limit = order.tick();
        if (makers == BookOrderLib.OFFER ? best > limit : best < limit) return NOBODY;
    }

    /// @dev Trades with the orders it meets; returns what is left, the book, and what ended it if not the price
    function _take(uint256 area, uint256 period, BookOrder order, TickBitmap book, uint256 best)
        private
        returns (uint256, TickBitmap, Ending)
    {
        Incoming memory incoming = _incoming(area, period, order, book);
        _match(incoming, best);
        if (incoming.count != 0) _recordAll(incoming);
        return (incoming.leftWh, incoming.book, incoming.ending);
    }

    /// @dev A trial run that writes nothing
    function _fillsWhole(uint256 area, uint256 period, BookOrder order, TickBitmap book, uint256 best)
        private
        returns (bool)
    {
        Incoming memory trial = _incoming(area, period, order, book);
        trial.isTrial = true;
        _match(trial, best);
        return trial.leftWh == 0;
    }

    function _incoming(uint256 area, uint256 period, BookOrder order, TickBitmap book)
        private
        view
        returns (Incoming memory)
    {
        return Incoming(
            area, period, order, order.wh(), book, 0, new uint256[](maxFills), Ending.None, false
        );
    }

    /// @dev Tick by tick, from the best on
    function _match(Incoming memory incoming, uint256 best) private {
        while (best != NOBODY) {
            _matchTick(incoming, best);
            if (incoming.leftWh == 0 || incoming.ending != Ending.None) return;
            best = _meets(incoming.book, incoming.order);
        }
    }

    function _matchTick(Incoming memory incoming, uint256 tick) private {
        uint256 key = _levelKey(_key(incoming.area, incoming.period), tick);
        uint256 level = _levels.levels[key];
        uint256 before = level;
        do {
            uint256 index = LevelQueue.head(level);
            uint256 word = _levels.words[key | index];
            uint256 rest = _matchWord(incoming, word, tick);
            if (rest != word && !incoming.isTrial) _levels.words[key | index] = rest;
            if (uint224(rest) != 0) break; // the order is filled, or ended by one that stays
            level = LevelQueue.withoutHead(level, word);
        } while (incoming.leftWh != 0 && !LevelQueue.isEmpty(level));
        if (level == before) return;
        if (!incoming.isTrial) _levels.levels[key] = level;
        if (LevelQueue.isEmpty(level)) incoming.book = incoming.book.without(tick);
    }

    /// @dev Trades with the orders of a queue word one after the other; returns the word without what they lost
    function _matchWord(Incoming memory incoming, uint256 word, uint256 tick)
        private
        view
        returns (uint256 rest)
    {
        rest = word;
        uint256 taker = incoming.order.participant();
        uint256 price = _price(tick);
        unchecked {
            for (uint256 shift; shift < 224 && incoming.leftWh != 0; shift += 56) {
                RestingOrderLane lane = RestingOrderLane.wrap((word >> shift) & Lanes.MASK56);
                if (lane.isNone()) continue;
                uint256 maker = lane.participant();
                if (maker == taker) {
                    incoming.ending = Ending.OwnOrder;
                    return rest;
                }
                if (incoming.count == maxFills) {
                    incoming.ending = Ending.FillLimit;
                    return rest;
                }
                uint256 wh = lane.wh();
                if (wh > incoming.leftWh) {
                    wh = incoming.leftWh;
                    rest -= wh << shift;
                } else {
                    rest -= RestingOrderLane.unwrap(lane) << shift;
                }
                incoming.leftWh -= wh;
                incoming.trades[incoming.count++] = lane.side() == BookOrderLib.OFFER
                    ? TradeWord.pack(maker, taker, wh, price)
                    : TradeWord.pack(taker, maker, wh, price);
            }
        }
    }

    function _recordAll(Incoming memory incoming) private {
        uint256 key = _key(incoming.area, incoming.period);
        _shorten(incoming.trades, incoming.count);
        Ledger memory ledger = _ledgers[key];
        for (uint256 i; i < incoming.count; ++i) {
            _record(ledger, incoming.area, incoming.trades[i]);
        }
        _ledgers[key] = ledger;
        BookOrder order = incoming.order;
        emit OrdersMatched(
            incoming.area,
            incoming.period,
            order.participant(),
            order.wh(),
            incoming.trades
        );
    }
}
