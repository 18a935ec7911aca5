// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Imbalance} from "../settlement/Imbalance.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {MeritOrder} from "../libraries/MeritOrder.sol";
import {OrderLane, OrderLaneLib} from "../libraries/OrderLane.sol";
import {TickEnergy} from "../libraries/TickEnergy.sol";

/// @title The pure rules of the market, many cases to a call
/// @notice For tests only; it is compiled beside a copy of `contracts/libraries`.
contract Rules {
    using TickEnergy for TickEnergy.Book;

    TickEnergy.Book private _book;

    /// @param books Order lanes of each book, in participant order
    function clear(uint256 ticks, uint256[][] calldata books)
        external
        pure
        returns (MeritOrder.Outcome[] memory outcomes, uint256[][] memory fills)
    {
        outcomes = new MeritOrder.Outcome[](books.length);
        fills = new uint256[][](books.length);
        for (uint256 i; i < books.length; ++i) {
            uint256 words = (ticks + 6) / 7;
            uint256[][2] memory sides = [new uint256[](words), new uint256[](words)];
            for (uint256 j; j < books[i].length; ++j) {
                OrderLane order = OrderLane.wrap(books[i][j]);
                uint256 tick = order.tick();
                sides[order.side()][tick / 7] += order.wh() << (32 * (tick % 7));
            }
            // Packed and unpacked, as the auction keeps it between clearing and booking.
            outcomes[i] = MeritOrder.unpack(
                MeritOrder.pack(MeritOrder.clear(sides[OrderLaneLib.BID], sides[OrderLaneLib.OFFER]))
            );
            fills[i] = _fills(outcomes[i], books[i]);
        }
    }

    function _fills(MeritOrder.Outcome memory outcome, uint256[] calldata orders)
        private
        pure
        returns (uint256[] memory fills)
    {
        fills = new uint256[](orders.length);
        if (outcome.volumeWh == 0) return fills;
        uint256 bidWh;
        uint256 askWh;
        for (uint256 j; j < orders.length; ++j) {
            OrderLane order = OrderLane.wrap(orders[j]);
            (uint256 tick, uint256 wh) = (order.tick(), order.wh());
            if (order.side() == OrderLaneLib.BID) {
                (fills[j], bidWh) = MeritOrder.fill(outcome.bid, tick, tick > outcome.bid.tick, wh, bidWh);
            } else {
                (fills[j], askWh) = MeritOrder.fill(outcome.ask, tick, tick < outcome.ask.tick, wh, askWh);
            }
        }
    }

    /// @dev Each case at the prices of its own, in a word with the three that follow it
    function charge(
        int256[] calldata readings,
        int256[] calldata contracts_,
        int256[] calldata caps,
        Imbalance.Prices[] calldata prices
    ) external pure returns (int256[] memory supplier, int256[] memory dso) {
        supplier = new int256[](readings.length);
        dso = new int256[](readings.length);
        for (uint256 i; i < readings.length; ++i) {
            (uint256 toSupplier, uint256 toDso) =
                Imbalance.charge(_four(readings, i), _four(contracts_, i), _four(caps, i), prices[i]);
            supplier[i] = Lanes.getInt64(toSupplier, i % 4);
            dso[i] = Lanes.getInt64(toDso, i % 4);
        }
    }

    function _four(int256[] calldata cases, uint256 first) private pure returns (uint256 word) {
        for (uint256 i = first; i < first + 4; ++i) {
            word = Lanes.setInt64(word, i % 4, cases[i % cases.length]);
        }
    }

    function add(uint256 period, uint256 side, uint256 tick, uint256 wh) external {
        _book.add(period, side, tick, wh);
    }

    function remove(uint256 period, uint256 side, uint256 tick, uint256 wh) external {
        _book.remove(period, side, tick, wh);
    }

    function volumes(uint256 period, uint256 side, uint256 ticks) external view returns (uint256[] memory wh) {
        uint256[] memory words = _book.load(period, side, ticks);
        wh = new uint256[](ticks);
        for (uint256 tick; tick < ticks; ++tick) {
            wh[tick] = uint32(words[tick / 7] >> (32 * (tick % 7)));
        }
    }
}
