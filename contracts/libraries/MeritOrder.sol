// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Clearing of a sealed double auction on a grid of price ticks
/// @notice Of the welfare-maximal outcomes the one of greatest volume; the uniform price is the middle,
///         rounded down to a tick, of [max(marginal ask, first rejected bid), min(marginal bid, first
///         rejected ask)]. The reference is `gridbourse.model.clearing`; this is its equal.
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

    /// @param bids Wh bid at each tick, at most 32 bits each
    /// @param asks Wh offered at each tick, the same length
    /// @dev   unchecked: sums of at most 65,536 values of 32 bits stay far below 256 bits
    function clear(uint256[] memory bids, uint256[] memory asks) internal pure returns (Outcome memory outcome) {
        uint256 volume = _volume(bids, asks);
        if (volume == 0) return outcome;
        outcome.volumeWh = volume;
        unchecked {
            uint256 ticks = asks.length;
            // Offers ascending: the margin is where their sum first covers the volume.
            uint256 tick;
            uint256 sum = asks[0];
            while (sum < volume) sum += asks[++tick];
            outcome.ask = Margin(tick, volume + asks[tick] - sum, asks[tick]);
            uint256 low = tick;
            uint256 rejectedAsk = tick;
            if (sum == volume) {
                do ++rejectedAsk; while (rejectedAsk < ticks && asks[rejectedAsk] == 0);
            }
            // Bids descending: one above the tick, so that the walk may end at tick 0.
            uint256 above = ticks;
            sum = bids[above - 1];
            while (sum < volume) sum += bids[--above - 1];
            tick = above - 1;
            outcome.bid = Margin(tick, volume + bids[tick] - sum, bids[tick]);
            uint256 high = tick;
            if (rejectedAsk < high) high = rejectedAsk;
            if (sum == volume) {
                do --above; while (above > 0 && bids[above - 1] == 0);
            }
            if (above > 0 && above - 1 > low) low = above - 1;
            outcome.priceTick = (low + high) >> 1;
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

    /// @dev Greatest volume = max over ticks of min(demand at or above, supply at or below)
    function _volume(uint256[] memory bids, uint256[] memory asks) private pure returns (uint256 volume) {
        unchecked {
            uint256 demand;
            for (uint256 tick; tick < bids.length; ++tick) demand += bids[tick];
            uint256 supply;
            for (uint256 tick; tick < asks.length; ++tick) {
                supply += asks[tick];
                if (supply >= demand) return demand > volume ? demand : volume;
                volume = supply; // supply only rises, and is below demand here
                demand -= bids[tick];
            }
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
        cumulative = cumulativeWh + wh;
        fillWh = (cumulative * margin.acceptedWh) / margin.offeredWh
            - (cumulativeWh * margin.acceptedWh) / margin.offeredWh;
    }
}
