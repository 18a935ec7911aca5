// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Lanes} from "../../libraries/Lanes.sol";
import {TradeWord} from "../../libraries/TradeWord.sol";
import {BookOrder} from "./BookOrder.sol";
import {LevelQueue} from "./LevelQueue.sol";
import {OrderBookLevels} from "./OrderBookLevels.sol";
import {RestingOrderLane} from "./RestingOrderLane.sol";
import {TickBitmap} from "./TickBitmap.sol";

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
        uint256 order;
        uint256 leftWh;
        uint256 book;
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
    function _execute(uint256 area, uint256 period, uint256 order) internal returns (uint256 leftWh) {
        uint256 kind = BookOrder.kind(order);
        uint256 key = _key(area, period);
        uint256 before = _books[key];
        uint256 book = before;
        _requireTick(BookOrder.participant(order), BookOrder.tick(order), TickBitmap.used(book));
        Ending ending;
        leftWh = BookOrder.wh(order);
        uint256 best = _meets(book, order);
        if (best != NOBODY) {
            if (kind == BookOrder.FILL_OR_KILL && !_fillsWhole(area, period, order, book, best)) {
                ending = Ending.FillOrKill;
            } else {
                (leftWh, book, ending) = _take(area, period, order, book, best);
            }
        }
        if (leftWh != 0 && ending == Ending.None) {
            if (kind == BookOrder.LIMIT) {
                book = _rest(area, period, book, BookOrder.withWh(order, leftWh));
                leftWh = 0;
            } else {
                ending = kind == BookOrder.FILL_OR_KILL ? Ending.FillOrKill : Ending.Immediate;
            }
        }
        if (book != before) _books[key] = book;
        if (leftWh != 0) _reportKilled(area, period, order, leftWh, ending);
    }

    function _reportKilled(uint256 area, uint256 period, uint256 order, uint256 wh, Ending ending) private {
        emit OrderKilled(
            area, period, BookOrder.participant(order), BookOrder.side(order), BookOrder.tick(order), wh, ending
        );
    }

    /// @dev The best tick of the other side, where it is one to trade at
    function _meets(uint256 book, uint256 order) private pure returns (uint256 best) {
        uint256 makers = 1 - BookOrder.side(order);
        uint256 candidates = TickBitmap.ofSide(book, makers);
        if (candidates == 0) return NOBODY;
        best = TickBitmap.best(candidates, makers);
        uint256 limit = BookOrder.tick(order);
        if (makers == BookOrder.OFFER ? best > limit : best < limit) return NOBODY;
    }

    /// @dev Trades with the orders it meets; returns what is left, the book, and what ended it if not the price
    function _take(uint256 area, uint256 period, uint256 order, uint256 book, uint256 best)
        private
        returns (uint256, uint256, Ending)
    {
        Incoming memory incoming = _incoming(area, period, order, book);
        _match(incoming, best);
        if (incoming.count != 0) _recordAll(incoming);
        return (incoming.leftWh, incoming.book, incoming.ending);
    }

    /// @dev A trial run that writes nothing
    function _fillsWhole(uint256 area, uint256 period, uint256 order, uint256 book, uint256 best)
        private
        returns (bool)
    {
        Incoming memory trial = _incoming(area, period, order, book);
        trial.isTrial = true;
        _match(trial, best);
        return trial.leftWh == 0;
    }

    function _incoming(uint256 area, uint256 period, uint256 order, uint256 book)
        private
        view
        returns (Incoming memory)
    {
        return Incoming(
            area, period, order, BookOrder.wh(order), book, 0, new uint256[](maxFills), Ending.None, false
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
        if (LevelQueue.isEmpty(level)) incoming.book = TickBitmap.without(incoming.book, tick);
    }

    /// @dev Trades with the orders of a queue word one after the other; returns the word without what they lost
    function _matchWord(Incoming memory incoming, uint256 word, uint256 tick)
        private
        view
        returns (uint256 rest)
    {
        rest = word;
        uint256 taker = BookOrder.participant(incoming.order);
        uint256 price = _price(tick);
        unchecked {
            for (uint256 shift; shift < 224 && incoming.leftWh != 0; shift += 56) {
                uint256 lane = (word >> shift) & Lanes.MASK56;
                if (lane == 0) continue;
                uint256 maker = RestingOrderLane.participant(lane);
                if (maker == taker) {
                    incoming.ending = Ending.OwnOrder;
                    return rest;
                }
                if (incoming.count == maxFills) {
                    incoming.ending = Ending.FillLimit;
                    return rest;
                }
                uint256 wh = RestingOrderLane.wh(lane);
                if (wh > incoming.leftWh) {
                    wh = incoming.leftWh;
                    rest -= wh << shift;
                } else {
                    rest -= lane << shift;
                }
                incoming.leftWh -= wh;
                incoming.trades[incoming.count++] = RestingOrderLane.side(lane) == BookOrder.OFFER
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
        uint256 order = incoming.order;
        emit OrdersMatched(
            incoming.area,
            incoming.period,
            BookOrder.participant(order),
            BookOrder.wh(order),
            incoming.trades
        );
    }
}
