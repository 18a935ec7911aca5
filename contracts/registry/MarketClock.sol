// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {Roles} from "../libraries/Roles.sol";

/// @title Market time: block time in production, an operator-driven forward-only clock for replays
/// @notice Only delivery periods and gate closure follow this clock; deadlines for money follow block time.
contract MarketClock is IMarketClock {
    IParticipantRegistry public immutable registry;
    /// @inheritdoc IMarketClock
    bool public immutable replay;
    /// @inheritdoc IMarketClock
    uint256 public immutable mtuSeconds;
    /// @inheritdoc IMarketClock
    uint256 public immutable gateClosureSeconds;
    /// @inheritdoc IMarketClock
    uint256 public immutable horizonPeriods;

    uint256 private _replayTime;

    /// @notice The operator moved market time
    event ClockAdvanced(uint256 timestamp);

    /// @notice This clock shows block time: nobody sets it
    error NotAReplayClock();
    /// @notice A replay clock is never set back; unix seconds
    error ClockRunsForward(uint256 timestamp, uint256 current);
    /// @notice Delivery periods are numbered from 1, with 32 bits
    error PeriodOutOfRange(uint256 period);
    /// @notice Gate closure of the period has passed; unix seconds of market time
    error GateClosed(uint256 period, uint256 closedAt, uint256 timestamp);
    /// @notice The period is not open yet
    error BeyondHorizon(uint256 period, uint256 lastOpenPeriod);
    /// @notice A period has seconds, and there is a horizon of periods
    error BadClock(uint256 mtuSeconds, uint256 horizonPeriods);

    constructor(
        IParticipantRegistry registry_,
        bool replay_,
        uint256 mtuSeconds_,
        uint256 gateClosureSeconds_,
        uint256 horizonPeriods_
    ) {
        if (mtuSeconds_ == 0 || horizonPeriods_ == 0) revert BadClock(mtuSeconds_, horizonPeriods_);
        registry = registry_;
        replay = replay_;
        mtuSeconds = mtuSeconds_;
        gateClosureSeconds = gateClosureSeconds_;
        horizonPeriods = horizonPeriods_;
    }

    /// @notice Moves a replay clock forward
    /// @dev Warning: who drives the clock decides when gates close: a live market has block time
    /// @param time Unix seconds, not before the current market time
    function advanceTo(uint256 time) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        if (!replay) revert NotAReplayClock();
        if (time < _replayTime) revert ClockRunsForward(time, _replayTime);
        _replayTime = time;
        emit ClockAdvanced(time);
    }

    /// @inheritdoc IMarketClock
    function timestamp() public view returns (uint256) {
        return replay ? _replayTime : block.timestamp;
    }

    /// @inheritdoc IMarketClock
    function currentPeriod() public view returns (uint256) {
        return timestamp() / mtuSeconds;
    }

    /// @inheritdoc IMarketClock
    function nextOpenPeriod() public view returns (uint256) {
        return (timestamp() + gateClosureSeconds) / mtuSeconds + 1;
    }

    /// @inheritdoc IMarketClock
    function lastOpenPeriod() public view returns (uint256) {
        return nextOpenPeriod() + horizonPeriods - 1;
    }

    /// @inheritdoc IMarketClock
    function gateClosure(uint256 period) public view returns (uint256) {
        if (period == 0 || period > type(uint32).max) revert PeriodOutOfRange(period);
        return period * mtuSeconds - gateClosureSeconds;
    }

    /// @inheritdoc IMarketClock
    function gateClosed(uint256 period) public view returns (bool) {
        return timestamp() >= gateClosure(period);
    }

    /// @inheritdoc IMarketClock
    function requireOpen(uint256 period) external view {
        uint256 closesAt = gateClosure(period);
        uint256 time = timestamp();
        if (time >= closesAt) revert GateClosed(period, closesAt, time);
        uint256 last = lastOpenPeriod();
        if (period > last) revert BeyondHorizon(period, last);
    }

    /// @inheritdoc IMarketClock
    function delivered(uint256 period) external view returns (bool) {
        return timestamp() >= (period + 1) * mtuSeconds;
    }
}
