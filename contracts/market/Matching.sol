// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BookOrder} from "../libraries/BookOrder.sol";
import {BookTicks} from "../libraries/BookTicks.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {LevelQueue} from "../libraries/LevelQueue.sol";
import {RestingOrder} from "../libraries/RestingOrder.sol";
import {TradeWord} from "../libraries/TradeWord.sol";
import {RestingOrders} from "./RestingOrders.sol";

/// @title An incoming order meets the book: best price first, then earliest, at the resting order's price
/// @notice The reference is `gridbourse.model.order_book`; this is its equal.
abstract contract Matching is RestingOrders {
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
        uint256 participant;
        uint256 side;
        uint256 tick;
        uint256 leftWh;
        uint256 book;
        uint256 count;
        uint256[] trades;
        Ending ending;
        bool isTrial;
    }

    /// @notice The most resting orders an incoming one trades with
    uint256 public immutable maxFills;

    /// @notice An incoming order of `wh` traded (see TradeWord), in this order
    event OrdersMatched(
        uint256 indexed area, uint256 indexed period, uint256 indexed taker, uint256 side, uint256 wh, uint256[] trades
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
    function _execute(uint256 area, uint256 period, uint256 order) internal returns (uint256 cancelledWh) {
        Incoming memory incoming = _incoming(area, period, order);
        uint256 kind = BookOrder.kind(order);
        if (kind == BookOrder.FILL_OR_KILL && !_fillsWhole(area, period, order)) {
            incoming.ending = Ending.FillOrKill;
        } else {
            uint256 before = incoming.book;
            _match(incoming);
            if (incoming.count != 0) _recordAll(incoming, BookOrder.wh(order));
            if (incoming.leftWh != 0 && incoming.ending == Ending.None) {
                if (kind == BookOrder.LIMIT) _restWhatIsLeft(incoming);
                else incoming.ending = Ending.Immediate;
            }
            if (incoming.book != before) _books[_key(area, period)] = incoming.book;
        }
        cancelledWh = incoming.leftWh;
        if (cancelledWh != 0) _reportKilled(incoming);
    }

    function _incoming(uint256 area, uint256 period, uint256 order) private view returns (Incoming memory incoming) {
        incoming.area = area;
        incoming.period = period;
        incoming.participant = BookOrder.participant(order);
        incoming.side = BookOrder.side(order);
        incoming.tick = BookOrder.tick(order);
        incoming.leftWh = BookOrder.wh(order);
        incoming.book = _books[_key(area, period)];
    }

    /// @dev A trial run that writes nothing
    function _fillsWhole(uint256 area, uint256 period, uint256 order) private returns (bool) {
        Incoming memory trial = _incoming(area, period, order);
        trial.isTrial = true;
        _match(trial);
        return trial.leftWh == 0;
    }

    function _match(Incoming memory incoming) private {
        uint256 makers = 1 - incoming.side;
        while (incoming.leftWh != 0 && incoming.ending == Ending.None) {
            uint256 candidates = BookTicks.ofSide(incoming.book, makers);
            if (candidates == 0) return;
            uint256 tick = BookTicks.best(candidates, makers);
            if (incoming.side == BookOrder.BID ? tick > incoming.tick : tick < incoming.tick) return;
            if (incoming.trades.length == 0) incoming.trades = new uint256[](maxFills);
            _matchTick(incoming, tick);
        }
    }

    function _matchTick(Incoming memory incoming, uint256 tick) private {
        uint256 key = _levelKey(incoming.area, incoming.period, tick);
        uint256 level = _levels.levels[key];
        uint256 before = level;
        do {
            uint256 index = LevelQueue.head(level);
            uint256 word = _levels.words[key | index];
            uint256 rest = _matchWord(incoming, word, tick);
            if (rest != word && !incoming.isTrial) _levels.words[key | index] = rest;
            if (uint224(rest) != 0) break; // the order is filled, or ended by one that stays
            level = LevelQueue.without(level, index);
        } while (incoming.leftWh != 0 && !LevelQueue.isEmpty(level));
        if (level == before) return;
        if (!incoming.isTrial) _levels.levels[key] = level;
        if (LevelQueue.isEmpty(level)) incoming.book = BookTicks.without(incoming.book, tick);
    }

    /// @dev Trades with the orders of a queue word one after the other; returns the word without what they lost
    function _matchWord(Incoming memory incoming, uint256 word, uint256 tick) private returns (uint256 rest) {
        rest = word;
        unchecked {
            for (uint256 shift; shift < 224 && incoming.leftWh != 0; shift += 56) {
                uint256 lane = (word >> shift) & Lanes.MASK56;
                if (lane == 0) continue;
                uint256 maker = RestingOrder.participant(lane);
                if (maker == incoming.participant) {
                    incoming.ending = Ending.OwnOrder;
                    return rest;
                }
                if (incoming.count == maxFills) {
                    incoming.ending = Ending.FillLimit;
                    return rest;
                }
                uint256 wh = RestingOrder.wh(lane);
                if (wh > incoming.leftWh) {
                    wh = incoming.leftWh;
                    rest -= wh << shift;
                } else {
                    rest -= lane << shift;
                    if (!incoming.isTrial) _closeOne(incoming.period, maker);
                }
                incoming.leftWh -= wh;
                incoming.trades[incoming.count++] = incoming.side == BookOrder.BID
                    ? TradeWord.pack(maker, incoming.participant, wh, _price(tick))
                    : TradeWord.pack(incoming.participant, maker, wh, _price(tick));
            }
        }
    }

    function _recordAll(Incoming memory incoming, uint256 wh) private {
        _shorten(incoming.trades, incoming.count);
        Ledger memory ledger = _ledgers[_key(incoming.area, incoming.period)];
        for (uint256 i; i < incoming.count; ++i) {
            _record(ledger, incoming.area, incoming.trades[i]);
        }
        _ledgers[_key(incoming.area, incoming.period)] = ledger;
        emit OrdersMatched(
            incoming.area, incoming.period, incoming.participant, incoming.side, wh, incoming.trades
        );
    }

    function _restWhatIsLeft(Incoming memory incoming) private {
        incoming.book = _rest(
            incoming.area,
            incoming.period,
            incoming.book,
            incoming.participant,
            incoming.side,
            incoming.tick,
            incoming.leftWh
        );
        incoming.leftWh = 0;
    }

    function _reportKilled(Incoming memory incoming) private {
        emit OrderKilled(
            incoming.area,
            incoming.period,
            incoming.participant,
            incoming.side,
            incoming.tick,
            incoming.leftWh,
            incoming.ending
        );
    }
}
