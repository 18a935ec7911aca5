// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketClock} from "../interfaces/IMarketClock.sol";

/// @title Whether the ring of periods is long enough for what a period may wait for
/// @notice A period takes its slot with its first order, at the earliest a horizon and gate closure before it begins, and
///         is settled at the latest when every window after it has passed. If the ring came round before, one act that
///         waits for its window, such as a request nobody verifies, would stop every market. Where the market clock is
///         the operator's, a replay's, windows in block time say nothing about it.
library RingTime {
    /// @notice The ring of periods comes round before all windows of a period are over; seconds of market time
    error RingTooShort(uint256 ringSeconds, uint256 neededSeconds);

    /// @notice Refuses a ring that comes round before every window of a period is over
    /// @param windowSeconds What a period may wait for after gate closure or delivery, all windows together
    function requireFits(IMarketClock clock, uint256 ringSize, uint256 windowSeconds) internal view {
        if (clock.replay()) return;
        uint256 mtu = clock.mtuSeconds();
        uint256 needed = (clock.horizonPeriods() + 1) * mtu + clock.gateClosureSeconds() + windowSeconds;
        if (ringSize * mtu < needed) revert RingTooShort(ringSize * mtu, needed);
    }
}
