// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Clearing of a sealed double auction on a grid of price ticks
/// @notice Of the welfare-maximal outcomes the one of greatest volume; the uniform price is the middle,
///         rounded down to a tick, of [max(marginal ask, first rejected bid), min(marginal bid, first
///         rejected ask)]. The reference is `gridbourse.model.call_auction`; this is its equal.
/// @dev    Energy per tick comes in words of seven ticks, 32 bits each, the lowest tick lowest. Nothing here
///         is checked for overflow: sums of a few hundred values of 32 bits stay far below 256 bits.
library MeritOrder {
    /// @notice `accepted` of `offered` Wh at the marginal tick of a side: what is rationed pro rata there
    struct Margin {
        uint256 tick;
        uint256 acceptedWh;
        uint256 offeredWh;
    }

    struct Outcome {
        uint256 volumeWh;
        uint256 priceTick;
        Margin bid;
        Margin ask;
    }

    uint256 internal constant TICKS_PER_WORD = 7;
    uint256 private constant MASK = type(uint32).max;
    uint256 private constant NONE = type(uint256).max;

    /// @notice Clears bids and offers given as words of Wh per tick, the same number of words
    function clear(uint256[] memory bids, uint256[] memory asks) internal pure returns (Outcome memory) {
        unchecked {
            uint256 demand = _sum(bids); // at the tick or above
            uint256 supply; // below the tick
            for (uint256 i; i < asks.length; ++i) {
                uint256 bidWord = bids[i];
                uint256 askWord = asks[i];
                if (bidWord | askWord == 0) continue;
                uint256 tick = i * TICKS_PER_WORD;
                for (uint256 end = tick + TICKS_PER_WORD; tick < end; ++tick) {
                    uint256 ask = askWord & MASK;
                    if (supply + ask >= demand) return _outcome(bids, asks, tick, demand, supply);
                    supply += ask;
                    demand -= bidWord & MASK;
                    bidWord >>= 32;
                    askWord >>= 32;
                }
            }
            return _outcome(bids, asks, asks.length * TICKS_PER_WORD, demand, supply);
        }
    }

    /// @dev `tick` is the first one up to which more is offered than is bid for from there on: the volume is
    ///      the demand from it on, or the supply below it, whichever is more
    function _outcome(uint256[] memory bids, uint256[] memory asks, uint256 tick, uint256 demand, uint256 supply)
        private
        pure
        returns (Outcome memory outcome)
    {
        unchecked {
            uint256 rejectedBid;
            uint256 rejectedAsk;
            if (demand >= supply) {
                if (demand == 0) return outcome;
                outcome.volumeWh = demand;
                outcome.bid = _whole(bids, _atOrAbove(bids, tick));
                rejectedBid = _below(bids, tick);
            } else {
                outcome.volumeWh = supply;
                rejectedBid = _below(bids, tick);
                outcome.bid = Margin(rejectedBid, supply - demand, _at(bids, rejectedBid));
            }
            if (supply >= demand) {
                outcome.ask = _whole(asks, _below(asks, tick));
                rejectedAsk = _atOrAbove(asks, tick);
            } else {
                outcome.ask = Margin(tick, demand - supply, _at(asks, tick));
                bool part = outcome.ask.acceptedWh < outcome.ask.offeredWh;
                rejectedAsk = part ? tick : _atOrAbove(asks, tick + 1);
            }
            uint256 low = outcome.ask.tick;
            if (rejectedBid != NONE && rejectedBid > low) low = rejectedBid;
            uint256 high = rejectedAsk < outcome.bid.tick ? rejectedAsk : outcome.bid.tick;
            outcome.priceTick = (low + high) >> 1;
        }
    }

    /// @notice What an order at `tick` gets, in participant order: cumulative rounding makes the fills at
    ///         the margin sum to exactly the accepted energy
    /// @param better Whether the order's tick is strictly better than the margin's
    /// @param cumulativeWh Energy of the earlier orders at the marginal tick of this side
    /// @return fillWh Energy that trades
    /// @return cumulative The cumulative energy, this order included when it is at the margin
    function fill(Margin memory margin, uint256 tick, bool better, uint256 wh, uint256 cumulativeWh)
        internal
        pure
        returns (uint256 fillWh, uint256 cumulative)
    {
        if (better) return (wh, cumulativeWh);
        if (tick != margin.tick) return (0, cumulativeWh);
        unchecked {
            cumulative = cumulativeWh + wh;
            fillWh = (cumulative * margin.acceptedWh) / margin.offeredWh
                - (cumulativeWh * margin.acceptedWh) / margin.offeredWh;
        }
    }

    /// @dev One storage slot: volume: 48 | price tick: 16 | each margin: tick: 16, accepted: 32, offered: 32
    function pack(Outcome memory outcome) internal pure returns (uint256) {
        return (outcome.volumeWh << 176) | (outcome.priceTick << 160) | (_packMargin(outcome.bid) << 80)
            | _packMargin(outcome.ask);
    }

    function unpack(uint256 packed) internal pure returns (Outcome memory) {
        return Outcome(packed >> 176, (packed >> 160) & 0xffff, _unpackMargin(packed >> 80), _unpackMargin(packed));
    }

    function _packMargin(Margin memory margin) private pure returns (uint256) {
        return (margin.tick << 64) | (margin.acceptedWh << 32) | margin.offeredWh;
    }

    function _unpackMargin(uint256 packed) private pure returns (Margin memory) {
        return Margin((packed >> 64) & 0xffff, uint32(packed >> 32), uint32(packed));
    }

    function _sum(uint256[] memory words) private pure returns (uint256 sum) {
        unchecked {
            for (uint256 i; i < words.length; ++i) {
                for (uint256 word = words[i]; word != 0; word >>= 32) sum += word & MASK;
            }
        }
    }

    /// @dev A margin all of which is accepted
    function _whole(uint256[] memory words, uint256 tick) private pure returns (Margin memory) {
        uint256 wh = _at(words, tick);
        return Margin(tick, wh, wh);
    }

    function _at(uint256[] memory words, uint256 tick) private pure returns (uint256) {
        unchecked {
            return (words[tick / TICKS_PER_WORD] >> ((tick % TICKS_PER_WORD) * 32)) & MASK;
        }
    }

    /// @dev The lowest tick with energy from `tick` on, or NONE
    function _atOrAbove(uint256[] memory words, uint256 tick) private pure returns (uint256) {
        unchecked {
            uint256 end = words.length * TICKS_PER_WORD;
            while (tick < end) {
                if (words[tick / TICKS_PER_WORD] == 0) {
                    tick += TICKS_PER_WORD - (tick % TICKS_PER_WORD);
                } else if (_at(words, tick) != 0) {
                    return tick;
                } else {
                    ++tick;
                }
            }
            return NONE;
        }
    }

    /// @dev The highest tick with energy below `tick`, or NONE
    function _below(uint256[] memory words, uint256 tick) private pure returns (uint256) {
        unchecked {
            while (tick != 0) {
                --tick;
                if (words[tick / TICKS_PER_WORD] == 0) {
                    tick -= tick % TICKS_PER_WORD;
                } else if (_at(words, tick) != 0) {
                    return tick;
                }
            }
            return NONE;
        }
    }
}
