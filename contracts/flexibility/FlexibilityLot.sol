// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IFlexibilityMarket} from "../interfaces/IFlexibility.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {AreaKey} from "../libraries/AreaKey.sol";
import {Lanes} from "../libraries/Lanes.sol";

/// @title The lot by which it is drawn who stands by with its declared schedule: nobody's choice
/// @notice Whether an offer is called is drawn from the buyer's seed and the salt of who brought the offer. The buyer commits
///         to its seed with the request, each agent to its salt with its offers. Once the request is closed the seed is
///         shown first: its buyer knows no salt then, and so nothing of what it gives up. Then the salts are shown: each
///         bears on the offers of its own agent alone, and who keeps it to itself loses the bond, which is the most that it
///         could lose otherwise. Each has `revealSeconds` of market time; anybody may bring what is to be shown.
/// @dev    A salt has 128 bits, so that it fits beside the period in the slot of its commitment.
abstract contract FlexibilityLot {
    /// @dev Of a word of `_salts`: the salt was shown, and is what the word holds
    uint256 private constant SHOWN = 1 << 216;

    /// @notice Market time
    IMarketClock public immutable clock;
    /// @notice The market whose requests these are
    IFlexibilityMarket public immutable market;
    /// @notice Seconds of market time for the seed, and again for the salts
    uint256 public immutable revealSeconds;
    uint256 internal immutable _ringSize;

    /// @dev keccak-256 of the seed of a request's lot, then the seed itself
    mapping(uint256 key => bytes32) private _lots;
    /// @dev request => period: 32 | market time at which its seed was shown
    mapping(uint256 key => uint256) private _shown;
    /// @dev request | agent => period: 32 | shown: 8 | top 216 bits of the commitment, or the salt
    mapping(uint256 key => uint256) private _salts;

    /// @notice An agent commits to the salt of its offers, in place of one before
    event SaltCommitted(
        uint256 indexed area, uint256 indexed period, uint256 indexed request, uint256 agent, bytes32 lot
    );
    /// @notice The buyer's seed of a closed request is known: salts may be shown
    event SeedShown(uint256 indexed area, uint256 indexed period, uint256 indexed request, bytes32 seed);
    /// @notice An agent's salt is known: the lot of its offers is drawn
    event SaltShown(
        uint256 indexed area, uint256 indexed period, uint256 indexed request, uint256 agent, bytes16 salt
    );

    /// @notice Offers and requests by declared schedule come with a hash for the lot, and others without
    error LotMismatch(uint256 product, bytes32 lot);
    /// @notice The request is not open any more
    error ClearedBefore(uint256 area, uint256 period, uint256 request);
    /// @notice The request still takes offers; unix seconds of market time
    error RequestOpen(uint256 request, uint256 closesAt, uint256 timestamp);
    /// @notice This is not the seed that the buyer committed to; keccak-256 of each
    error OtherSeed(uint256 request, bytes32 lot, bytes32 given);
    /// @notice This is not the salt that the agent committed to; the first 27 bytes of keccak-256 of each
    error OtherSalt(uint256 request, uint256 agent, bytes27 lot, bytes27 given);
    /// @notice The time to show seed or salt is over; unix seconds of market time
    error ShownTooLate(uint256 request, uint256 until, uint256 timestamp);
    /// @notice The buyer or agent has shown it already
    error ShownBefore(uint256 request, uint256 agent);
    /// @notice The buyer has not shown its seed, and may until then, unix seconds of market time
    error SeedAwaited(uint256 request, uint256 until);
    /// @notice The agent has not shown its salt, and may until then, unix seconds of market time
    error SaltAwaited(uint256 request, uint256 agent, uint256 until);

    constructor(
        IMarketClock clock_,
        IFlexibilityMarket market_,
        IClearingHouse clearingHouse,
        uint256 revealSeconds_
    ) {
        clock = clock_;
        market = market_;
        revealSeconds = revealSeconds_;
        _ringSize = clearingHouse.ringSize();
    }

    // --- committed -----------------------------------------------------------------------------

    function _commitSeed(uint256 requestKey, bytes32 lot) internal {
        _lots[requestKey] = lot;
    }

    /// @dev Without a new one the former commitment stays; there has to be one
    function _commitSalt(
        uint256 area,
        IFlexibilityMarket.Request memory posted,
        uint256 number,
        uint256 agent,
        bytes32 lot
    ) internal {
        uint256 key = _saltKey(_requestKey(area, posted.period, number), agent);
        if (lot == 0) {
            if (uint224(Lanes.ofPeriod(_salts[key], posted.period)) == 0) revert LotMismatch(posted.product, lot);
            return;
        }
        _salts[key] = Lanes.fresh(posted.period) | (uint256(lot) >> 40);
        emit SaltCommitted(area, posted.period, number, agent, lot);
    }

    // --- shown ---------------------------------------------------------------------------------

    /// @notice Shows the seed the buyer of a request committed to, in the first `revealSeconds` after it closed; anyone who
    ///         has it may
    function showSeed(uint256 area, uint32 period, uint256 number, bytes32 seed) external {
        IFlexibilityMarket.Request memory posted = market.requestOf(area, period, number);
        uint256 time = _requireClosed(area, number, posted);
        uint256 until = posted.closesAt + revealSeconds;
        if (time >= until) revert ShownTooLate(number, until, time);
        uint256 key = _requestKey(area, period, number);
        if (_shownAt(key, period) != 0) revert ShownBefore(number, posted.buyer);
        bytes32 lot = keccak256(abi.encode(seed));
        if (lot != _lots[key]) revert OtherSeed(number, _lots[key], lot);
        _lots[key] = seed;
        _shown[key] = Lanes.fresh(period) | time;
        emit SeedShown(area, period, number, seed);
    }

    /// @notice Shows the salt an agent committed to, in the `revealSeconds` after the buyer's seed was shown; anyone who has
    ///         it may
    function showSalt(uint256 area, uint32 period, uint256 number, uint256 agent, bytes16 salt) external {
        uint256 requestKey = _requestKey(area, period, number);
        IFlexibilityMarket.Request memory posted = market.requestOf(area, period, number);
        uint256 time = _requireClosed(area, number, posted);
        uint256 shownAt = _shownAt(requestKey, period);
        if (shownAt == 0) revert SeedAwaited(number, posted.closesAt + revealSeconds);
        if (time >= shownAt + revealSeconds) revert ShownTooLate(number, shownAt + revealSeconds, time);
        uint256 key = _saltKey(requestKey, agent);
        uint256 word = Lanes.ofPeriod(_salts[key], period);
        if (word & SHOWN != 0) revert ShownBefore(number, agent);
        bytes27 given = bytes27(keccak256(abi.encode(salt)));
        if (uint216(given) != uint216(word)) revert OtherSalt(number, agent, bytes27(uint216(word)), given);
        _salts[key] = Lanes.fresh(period) | SHOWN | uint128(salt);
        emit SaltShown(area, period, number, agent, salt);
    }

    function _requireClosed(uint256 area, uint256 number, IFlexibilityMarket.Request memory posted)
        internal
        view
        returns (uint256 time)
    {
        if (posted.phase != IFlexibilityMarket.Phase.Open) revert ClearedBefore(area, posted.period, number);
        time = clock.timestamp();
        if (time < posted.closesAt) revert RequestOpen(number, posted.closesAt, time);
    }

    // --- drawn ---------------------------------------------------------------------------------

    /// @dev When the seed of a request was shown; 0 = not yet
    function _shownAt(uint256 requestKey, uint256 period) internal view returns (uint256) {
        return uint224(Lanes.ofPeriod(_shown[requestKey], period));
    }

    function _seedOf(uint256 requestKey) internal view returns (bytes32) {
        return _lots[requestKey];
    }

    /// @dev The salt of an agent whose offers are gathered, or that it was withheld, once its time is over
    function _saltOf(uint256 requestKey, uint256 number, uint256 agent, uint256 shownAt)
        internal
        view
        returns (bool withheld, bytes16 salt)
    {
        uint256 word = _salts[_saltKey(requestKey, agent)];
        if (word & SHOWN != 0) return (false, bytes16(uint128(word)));
        uint256 until = shownAt + revealSeconds;
        if (clock.timestamp() < until) revert SaltAwaited(number, agent, until);
        return (true, 0);
    }

    function _saltKey(uint256 requestKey, uint256 agent) private pure returns (uint256) {
        return (requestKey << 40) | agent;
    }

    function _requestKey(uint256 area, uint256 period, uint256 number) internal view returns (uint256) {
        return (AreaKey.inSlot(period % _ringSize, area) << 8) | number;
    }
}
