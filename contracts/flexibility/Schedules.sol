// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAgents} from "../interfaces/IAgents.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {ISchedules} from "../interfaces/IFlexibility.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {Contracts} from "../libraries/Contracts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {ProfileLookup} from "../libraries/ProfileLookup.sol";
import {Roles} from "../libraries/Roles.sol";

/// @title What participants declare they will inject or withdraw in a period: the baseline that needs no oracle
/// @notice Once something is offered on it a schedule stands, until what was offered is taken back. What a participant
///         declares or withdraws itself no agent changes in that period.
contract Schedules is ISchedules {
    /// @dev Lane: Wh + MAX_WH: 29 | declared: 1 | fixed: 1 | by the participant itself: 1
    uint256 private constant DECLARED = 1 << 29;
    uint256 private constant FIXED = 1 << 30;
    uint256 private constant OWN = 1 << 31;
    int256 private constant MAX_WH = int256(Lanes.MAX_WH);

    IParticipantRegistry public immutable registry;
    IMarketClock public immutable clock;
    IClearingHouse public immutable clearingHouse;
    /// @notice Who may act for whom
    IAgents public immutable agents;
    uint256 private immutable _ringSize;
    /// @notice The market whose offers fix schedules
    address public market;

    mapping(uint256 key => uint256 fourLanes) private _schedules;

    /// @notice The market was named
    event MarketSet(address indexed market);
    /// @notice A participant declares its net injection in a period, in place of what it declared before
    event ScheduleDeclared(uint256 indexed period, uint256 indexed participant, int256 wh);
    /// @notice A participant says itself what is declared for it in a period: no agent changes it any more
    event ScheduleTaken(uint256 indexed period, uint256 indexed participant);
    /// @notice A participant declares nothing in a period, nor does an agent for it any more
    event ScheduleWithdrawn(uint256 indexed period, uint256 indexed participant);

    /// @notice The market was named already, once and for all
    error MarketIsSet(address market);
    /// @notice Only the flexibility market fixes and releases schedules
    error OnlyMarket(address caller);
    /// @notice Two lists that belong together differ in length
    error LengthsDiffer(uint256 a, uint256 b);
    /// @notice A schedule beyond what a lane holds
    error ScheduleOutOfRange(uint256 participant, int256 wh, uint256 limitWh);
    /// @notice Something is offered on this schedule: it stands until that is taken back
    error ScheduleFixed(uint256 participant, uint256 period);
    /// @notice The participant declared itself: its agent cannot replace that
    error OwnSchedule(uint256 participant, uint256 agent);
    /// @notice The participant declared no schedule for this period
    error NoSchedule(uint256 participant, uint256 period);
    /// @notice A schedule is declared before its period begins
    error DeliveryBegun(uint256 period, uint256 currentPeriod);
    /// @notice The period is not open yet
    error BeyondHorizon(uint256 period, uint256 lastOpenPeriod);

    constructor(
        IParticipantRegistry registry_,
        IMarketClock clock_,
        IClearingHouse clearingHouse_,
        IAgents agents_
    ) {
        registry = registry_;
        clock = clock_;
        clearingHouse = clearingHouse_;
        agents = agents_;
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
        _requireDeclarable(period);
        uint256[] memory profiles = ProfileLookup.profilesIn(registry, period, participants);
        _takeSlots(period, participants, profiles);
        (uint256 self, uint256 agent) = agents.agentsFor(msg.sender, period, participants, profiles);
        for (uint256 i; i < wh.length; ++i) {
            _declare(period, participants[i], wh[i], participants[i] == self ? self : agent);
        }
    }

    function _declare(uint256 period, uint256 participant, int256 wh, uint256 agent) private {
        if (wh > MAX_WH || wh < -MAX_WH) revert ScheduleOutOfRange(participant, wh, Lanes.MAX_WH);
        uint256 lane = _laneOf(period, participant);
        bool itself = agent == participant;
        if (lane & FIXED != 0) revert ScheduleFixed(participant, period);
        if (lane & OWN != 0 && !itself) revert OwnSchedule(participant, agent);
        _setLane(period, participant, uint256(wh + MAX_WH) | DECLARED | (itself ? OWN : 0));
        emit ScheduleDeclared(period, participant, wh);
        if (itself && lane & OWN == 0) emit ScheduleTaken(period, participant);
    }

    /// @notice Takes the caller's schedule for a period back, whoever declared it, and keeps agents from declaring another:
    ///         while nothing is offered on it, which the caller takes back first
    function withdraw(uint32 period) external {
        _requireDeclarable(period);
        (uint256 participant, uint256 profile) = registry.memberOf(msg.sender);
        clearingHouse.activate(Profile.area(profile), period);
        if (_laneOf(period, participant) & FIXED != 0) revert ScheduleFixed(participant, period);
        _setLane(period, participant, OWN);
        emit ScheduleWithdrawn(period, participant);
    }

    /// @dev Of the participants' areas, each once where they come in a row. Who is no member in the period is of an area all
    ///      the same
    function _takeSlots(uint256 period, uint256[] calldata participants, uint256[] memory profiles) private {
        uint256 taken = type(uint256).max;
        for (uint256 i; i < profiles.length; ++i) {
            uint256 profile = profiles[i];
            if (profile == Profile.NONE) profile = ProfileLookup.profileOf(registry, participants[i]);
            if (Profile.area(profile) == taken) continue;
            taken = Profile.area(profile);
            clearingHouse.activate(taken, period);
        }
    }

    /// @dev Only a period that is not delivered and near enough: another would take a ring slot others still need
    function _requireDeclarable(uint256 period) private view {
        uint256 current = clock.currentPeriod();
        if (current >= period) revert DeliveryBegun(period, current);
        uint256 last = clock.lastOpenPeriod();
        if (period > last) revert BeyondHorizon(period, last);
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
