// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IPoolMarket, ITradeMarket} from "../interfaces/IMarket.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IGridOracle} from "../interfaces/IOracles.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {AreaKey} from "../libraries/AreaKey.sol";
import {Contracts} from "../libraries/Contracts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {Roles} from "../libraries/Roles.sol";
import {MarketClock} from "../registry/MarketClock.sol";

/// @title Verdicts of the DSO: a cleared book is accepted, or capped per metering point and cleared again
/// @notice A verdict binds the book's root, the round and the version of the algorithm. Caps only fall, and bind
///         what trades and what does not alike.
contract GridOracle is IGridOracle {
    /// @dev One slot: the newest verdict of an area and period
    struct State {
        uint32 period;
        Verdict verdict;
        uint8 round;
        bool capsInForce;
        uint16 algorithm;
        bytes20 root;
    }

    IParticipantRegistry public immutable registry;
    IMarketClock public immutable clock;
    IClearingHouse public immutable clearingHouse;
    uint256 private immutable _ringSize;
    // A clock that follows block time is not asked for it: its settings never change.
    bool private immutable _isReplay;
    uint256 private immutable _mtuSeconds;
    /// @notice The pool whose cleared book is judged as a whole; zero where there is none
    IPoolMarket public market;

    mapping(uint256 key => State) private _states;
    /// @dev ring slot | group => period: 32 | 4 × (export cap: 28, import cap: 28)
    mapping(uint256 key => uint256) private _caps;

    /// @notice The pool was named
    event MarketSet(address indexed market);
    /// @notice The scheduled injections are inside all limits; `report` is the hash of the published power flow
    event Accepted(
        uint256 indexed area, uint256 indexed period, uint256 round, bytes20 root, uint256 algorithm, bytes32 report
    );
    /// @notice Caps in Wh: words of a group (32 bits) and four lanes (export cap, import cap), MAX_WH = none
    event Capped(
        uint256 indexed area,
        uint256 indexed period,
        uint256 round,
        bytes20 root,
        uint256 algorithm,
        bytes32 report,
        uint256[] groups,
        bool last
    );

    /// @notice A group of trades was judged: `rejected` has one bit a trade; caps as in Capped
    event TradesJudged(
        uint256 indexed area,
        uint256 indexed period,
        address indexed market,
        uint256 group,
        uint256 rejected,
        uint256 algorithm,
        bytes32 report,
        uint256[] groups
    );
    /// @notice What flows outside any pool was capped; caps as in Capped
    event ScheduleCapped(
        uint256 indexed area, uint256 indexed period, uint256 algorithm, bytes32 report, uint256[] groups
    );

    /// @notice The grid oracle does not judge this market's trades
    error NotAMarket(address market);
    /// @notice The call auction of the area and period is cleared and waits for its verdict first
    error PoolUnjudged(uint256 area, uint256 period);
    /// @notice No verdict comes once delivery has begun
    error DeliveryBegun(uint256 period, uint256 currentPeriod);
    /// @notice The period is not open yet: it would take a ring slot that others still need
    error BeyondHorizon(uint256 period, uint256 lastOpenPeriod);
    /// @notice The call auction was named already
    error MarketIsSet(address market);
    /// @notice There is no cleared book of the area and period that waits for a verdict
    error NothingToJudge(uint256 area, uint256 period);
    /// @notice The verdict is about another round or another book than the one that was cleared
    error OtherBook(uint256 area, uint256 period, uint8 round, bytes20 root, uint8 givenRound, bytes20 givenRoot);
    /// @notice All caps of an area and period are by the algorithm that the first was by
    error OtherAlgorithm(uint256 area, uint256 period, uint256 algorithm, uint256 given);
    /// @notice A cap only falls within a period
    error CapRaised(uint256 participant, uint256 presentWh, uint256 givenWh);
    /// @notice A participant of the group is of another area
    error GroupOfOtherArea(uint256 group, uint256 area);
    /// @notice Caps were begun and not finished: the book is cleared again before it is accepted
    error CapsUnfinished(uint256 area, uint256 period);

    constructor(IParticipantRegistry registry_, IMarketClock clock_, IClearingHouse clearingHouse_) {
        registry = registry_;
        clock = clock_;
        clearingHouse = clearingHouse_;
        _ringSize = clearingHouse_.ringSize();
        _isReplay = MarketClock(address(clock_)).replay();
        _mtuSeconds = clock_.mtuSeconds();
    }

    /// @notice Names the market, once: market and oracle need each other's address
    function setMarket(IPoolMarket market_) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        if (address(market) != address(0)) revert MarketIsSet(address(market));
        Contracts.requireCode(address(market_));
        market = market_;
        emit MarketSet(address(market_));
    }

    /// @notice Accepts the cleared book of a round, before delivery begins
    function accept(uint256 area, uint32 period, uint8 round, bytes20 root, uint16 algorithm, bytes32 report)
        external
    {
        State memory state = _judge(area, period, round, root, algorithm);
        _requireBeforeDelivery(period);
        if (state.verdict == Verdict.Capping) revert CapsUnfinished(area, period);
        state.verdict = Verdict.Accepted;
        _states[_key(area, period)] = state;
        emit Accepted(area, period, round, root, algorithm, report);
    }

    /// @notice Posts caps on the cleared book of a round, in as many calls as it takes; the last one reopens the book
    function cap(
        uint256 area,
        uint32 period,
        uint8 round,
        bytes20 root,
        uint16 algorithm,
        bytes32 report,
        uint256[] calldata groups,
        bool last
    ) external {
        State memory state = _judge(area, period, round, root, algorithm);
        _requireBeforeDelivery(period);
        state.verdict = Verdict.Capping;
        state.capsInForce = true;
        for (uint256 i; i < groups.length; ++i) {
            _capGroup(area, period, groups[i], true);
        }
        if (last) state.verdict = market.reopen(area, period) ? Verdict.Fallback : Verdict.Capped;
        _states[_key(area, period)] = state;
        emit Capped(area, period, round, root, algorithm, report, groups, last);
    }

    /// @notice Judges a sealed group of trades one by one, and caps what would not fit the grid
    /// @param trades Every trade of the group in order (see TradeWord)
    /// @param rejected One bit a trade, the lowest for the first
    /// @param groups Caps as words of a group (32 bits) and four lanes (export cap, import cap); none may be needed
    function judge(
        ITradeMarket tradeMarket,
        uint256 area,
        uint32 period,
        uint256 group,
        uint256[] calldata trades,
        uint256 rejected,
        uint16 algorithm,
        bytes32 report,
        uint256[] calldata groups
    ) external {
        registry.requireRole(Roles.inArea(Roles.GRID_ORACLE, area), msg.sender);
        _requireMarket(address(tradeMarket));
        _requireBeforeDelivery(period);
        if (groups.length != 0) _capSchedule(area, period, groups);
        tradeMarket.applyVerdict(area, period, group, trades, rejected);
        emit TradesJudged(area, period, address(tradeMarket), group, rejected, algorithm, report, groups);
    }

    /// @notice Caps what flows without a verdict on any trade, before delivery begins
    function capSchedule(
        uint256 area,
        uint32 period,
        uint16 algorithm,
        bytes32 report,
        uint256[] calldata groups
    ) external {
        registry.requireRole(Roles.inArea(Roles.GRID_ORACLE, area), msg.sender);
        _capSchedule(area, period, groups);
        emit ScheduleCapped(area, period, algorithm, report, groups);
    }

    /// @dev Nobody is capped for what has flown already, and neither book nor trade accepted
    function _requireBeforeDelivery(uint256 period) private view {
        uint256 current = _isReplay ? clock.currentPeriod() : block.timestamp / _mtuSeconds;
        if (current >= period) revert DeliveryBegun(period, current);
    }

    function _capSchedule(uint256 area, uint256 period, uint256[] calldata groups) private {
        _requireBeforeDelivery(period);
        uint256 last = clock.lastOpenPeriod();
        if (period > last) revert BeyondHorizon(period, last); // it would take a ring slot others still need
        clearingHouse.activate(area, period);
        State memory state = _stateOf(area, period);
        bool shrinksPool = _poolIsOpen(area, period, state.verdict);
        state.capsInForce = true;
        _states[_key(area, period)] = state;
        for (uint256 i; i < groups.length; ++i) {
            _capGroup(area, period, groups[i], shrinksPool);
        }
    }

    /// @dev Whether a pool's orders still have to come under caps. Its cleared book is judged first, and what was
    ///      accepted of it stands
    function _poolIsOpen(uint256 area, uint256 period, Verdict verdict) private view returns (bool) {
        if (address(market) == address(0) || verdict == Verdict.Accepted || verdict == Verdict.Fallback) return false;
        (bool cleared,,) = market.bookOf(area, period);
        if (cleared) revert PoolUnjudged(area, period);
        return true;
    }

    function _requireMarket(address candidate) private view {
        address[] memory markets = clearingHouse.markets();
        for (uint256 i; i < markets.length; ++i) {
            if (markets[i] == candidate) return;
        }
        revert NotAMarket(candidate);
    }

    /// @dev The verdict a round has so far, after the checks that bind it to the book
    function _judge(uint256 area, uint32 period, uint8 round, bytes20 root, uint16 algorithm)
        private
        view
        returns (State memory state)
    {
        registry.requireRole(Roles.inArea(Roles.GRID_ORACLE, area), msg.sender);
        (bool cleared, uint8 atRound, bytes20 atRoot) = market.bookOf(area, period);
        if (!cleared) revert NothingToJudge(area, period);
        state = _stateOf(area, period);
        // The first page of caps changes the book, so later pages bind the root the verdict began with.
        if (state.verdict == Verdict.Capping) {
            atRoot = state.root;
            if (algorithm != state.algorithm) revert OtherAlgorithm(area, period, state.algorithm, algorithm);
        }
        if (state.verdict == Verdict.Accepted || round != atRound || root != atRoot) {
            revert OtherBook(area, period, atRound, atRoot, round, root);
        }
        state.round = round;
        state.root = root;
        state.algorithm = algorithm;
    }

    function _capGroup(uint256 area, uint256 period, uint256 word, bool shrinksPool) private {
        uint256 group = Lanes.tag(word);
        _requireInArea(group, area);
        uint256 key = _capKey(period, group);
        uint256 caps = _capsOf(period, group);
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            uint256 given = Lanes.get56(word, lane);
            uint256 present = Lanes.get56(caps, lane);
            _requireNotRaised(group, lane, Lanes.outOf(present), Lanes.outOf(given));
            _requireNotRaised(group, lane, Lanes.intoOf(present), Lanes.intoOf(given));
            caps = Lanes.set56(caps, lane, given);
        }
        _caps[key] = caps;
        if (shrinksPool) market.applyCaps(area, period, group, caps);
    }

    function _requireNotRaised(uint256 group, uint256 lane, uint256 present, uint256 given) private pure {
        if (given > present) revert CapRaised(Lanes.participantAt(group, lane), present, given);
    }

    /// @dev Seats of a group are filled in order and share an area, so the first lane tells
    function _requireInArea(uint256 group, uint256 area) private view {
        uint256 first = Lanes.get64(registry.profilesOf(group), 0);
        if (first == 0 || Profile.area(first) != area) revert GroupOfOtherArea(group, area);
    }

    /// @inheritdoc IGridOracle
    function verdictOf(uint256 area, uint256 period) external view returns (Verdict, uint8, bool) {
        State memory state = _stateOf(area, period);
        return (state.verdict, state.round, state.capsInForce);
    }

    /// @notice Energy lanes (export cap, import cap) of a group; Lanes.MAX_WH = none
    function capsOf(uint256 period, uint256 group) external view returns (uint256) {
        return _capsOf(period, group);
    }

    /// @inheritdoc IGridOracle
    function capsOfGroups(uint256 period, uint256[] calldata groups) external view returns (uint256[] memory caps) {
        caps = new uint256[](groups.length);
        for (uint256 i; i < groups.length; ++i) {
            caps[i] = _capsOf(period, groups[i]);
        }
    }

    function _capsOf(uint256 period, uint256 group) private view returns (uint256 caps) {
        caps = _caps[_capKey(period, group)];
        if (Lanes.tag(caps) != period) caps = Lanes.fresh(period) | type(uint224).max;
    }

    function _stateOf(uint256 area, uint256 period) private view returns (State memory state) {
        state = _states[_key(area, period)];
        if (state.period != period) state = State(uint32(period), Verdict.None, 0, false, 0, bytes20(0));
    }

    function _key(uint256 area, uint256 period) private view returns (uint256) {
        return AreaKey.inSlot(period % _ringSize, area);
    }

    function _capKey(uint256 period, uint256 group) private view returns (uint256) {
        return ((period % _ringSize) << 64) | group;
    }
}
