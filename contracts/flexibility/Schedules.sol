// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {ISchedules} from "../interfaces/IFlexibility.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {IPortfolios} from "../interfaces/IPortfolios.sol";
import {Contracts} from "../libraries/Contracts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Roles} from "../libraries/Roles.sol";
import {ActingFor} from "./ActingFor.sol";

/// @title What participants declare they will inject or withdraw in a period: the baseline that needs no oracle
/// @notice Once something is offered on it a schedule stands, until what was offered is taken back.
contract Schedules is ISchedules, ActingFor {
    /// @dev Lane: Wh + MAX_WH: 29 | declared: 1 | fixed: 1
    uint256 private constant DECLARED = 1 << 29;
    uint256 private constant FIXED = 1 << 30;
    int256 private constant MAX_WH = int256(Lanes.MAX_WH);

    IParticipantRegistry public immutable registry;
    IMarketClock public immutable clock;
    IClearingHouse public immutable clearingHouse;
    uint256 private immutable _ringSize;
    /// @notice The market whose offers fix schedules
    address public market;

    mapping(uint256 key => uint256 fourLanes) private _schedules;

    /// @notice The market was named
    event MarketSet(address indexed market);
    /// @notice A participant declares its net injection in a period, in place of what it declared before
    event ScheduleDeclared(uint256 indexed period, uint256 indexed participant, int256 wh);

    error MarketIsSet(address market);
    error OnlyMarket(address caller);
    error LengthsDiffer(uint256 a, uint256 b);
    error ScheduleOutOfRange(uint256 participant, int256 wh, uint256 limitWh);
    error ScheduleFixed(uint256 participant, uint256 period);
    error NoSchedule(uint256 participant, uint256 period);
    error DeliveryBegun(uint256 period, uint256 currentPeriod);
    error BeyondHorizon(uint256 period, uint256 lastOpenPeriod);

    constructor(
        IParticipantRegistry registry_,
        IMarketClock clock_,
        IClearingHouse clearingHouse_,
        IPortfolios portfolios_
    ) ActingFor(portfolios_) {
        registry = registry_;
        clock = clock_;
        clearingHouse = clearingHouse_;
        _ringSize = clearingHouse_.ringSize();
    }

    /// @notice Names the market, once: market and schedules need each other's address
    function connect(address market_) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        if (market != address(0)) revert MarketIsSet(market);
        Contracts.requireCode(market_);
        market = market_;
        emit MarketSet(market_);
    }

    /// @notice Declares schedules of participants for a period before it begins: each one's own, or by gateway or
    ///         aggregator
    /// @param wh Net injection of each, in Wh
    function declare(uint32 period, uint256[] calldata participants, int256[] calldata wh) external {
        if (participants.length != wh.length) revert LengthsDiffer(participants.length, wh.length);
        uint256 current = clock.currentPeriod();
        if (current >= period) revert DeliveryBegun(period, current);
        uint256 last = clock.lastOpenPeriod();
        if (period > last) revert BeyondHorizon(period, last);
        clearingHouse.activate(period);
        uint256 agent = _agent(registry);
        uint256[] memory profiles = _profilesIn(registry, period, participants);
        for (uint256 i; i < wh.length; ++i) {
            _requireMayAct(agent, participants[i], profiles[i], period);
            _declare(period, participants[i], wh[i]);
        }
    }

    function _declare(uint256 period, uint256 participant, int256 wh) private {
        if (wh > MAX_WH || wh < -MAX_WH) revert ScheduleOutOfRange(participant, wh, Lanes.MAX_WH);
        if (_laneOf(period, participant) & FIXED != 0) revert ScheduleFixed(participant, period);
        _setLane(period, participant, uint256(wh + MAX_WH) | DECLARED);
        emit ScheduleDeclared(period, participant, wh);
    }

    /// @inheritdoc ISchedules
    function fix(uint256 period, uint256 participant) external {
        uint256 lane = _fixable(period, participant);
        if (lane & DECLARED == 0) revert NoSchedule(participant, period);
        _setLane(period, participant, lane | FIXED);
    }

    /// @inheritdoc ISchedules
    function release(uint256 period, uint256 participant) external {
        _setLane(period, participant, _fixable(period, participant) & ~FIXED);
    }

    function _fixable(uint256 period, uint256 participant) private view returns (uint256) {
        if (msg.sender != market) revert OnlyMarket(msg.sender);
        return _laneOf(period, participant);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @inheritdoc ISchedules
    function scheduleOf(uint256 period, uint256 participant) external view returns (bool declared, int256 wh) {
        uint256 lane = _laneOf(period, participant);
        if (lane & DECLARED != 0) return (true, int256(lane & (DECLARED - 1)) - MAX_WH);
    }

    function _laneOf(uint256 period, uint256 participant) private view returns (uint256) {
        return Lanes.get56(Lanes.ofPeriod(_schedules[_key(period, participant)], period), Lanes.laneOf(participant));
    }

    function _setLane(uint256 period, uint256 participant, uint256 lane) private {
        uint256 key = _key(period, participant);
        _schedules[key] =
            Lanes.set56(Lanes.ofPeriod(_schedules[key], period), Lanes.laneOf(participant), lane);
    }

    function _key(uint256 period, uint256 participant) private view returns (uint256) {
        return ((period % _ringSize) << 64) | Lanes.groupOf(participant);
    }
}
