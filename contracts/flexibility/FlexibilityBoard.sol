// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IFlexibilityMarket} from "../interfaces/IFlexibility.sol";
import {FlexibilityLeg} from "../libraries/FlexibilityLeg.sol";
import {FlexibilityRules} from "../libraries/FlexibilityRules.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {MeritOrder} from "../libraries/MeritOrder.sol";
import {OrderLane} from "../libraries/OrderLane.sol";
import {TickBook} from "../libraries/TickBook.sol";
import {FlexibilityDesk} from "./FlexibilityDesk.sol";

/// @title The way into the flexibility market: what is asked and offered, and its clearing
/// @notice Once a request is closed its offers are gathered, in pages: what misses the minimum bid is left out, and by
///         lot who stands by. Then the cheapest win up to the quantity that is asked for. The reference is
///         `gridbourse.model.flexibility`; this is its equal.
contract FlexibilityBoard is FlexibilityDesk {
    using TickBook for TickBook.Book;

    /// @dev A closed request while its offers are gathered
    struct Gathering {
        uint256 area;
        uint32 period;
        uint256 number;
        uint256 key;
        bytes32 seed;
        uint256 nextGroup;
        IFlexibilityMarket.Rules rules;
    }

    /// @notice Number of ticks in the market's price grid
    uint256 public immutable ticks;

    mapping(uint256 key => TickBook.Book) private _books;
    /// @dev request => period: 32 | the group of the area that is gathered next
    mapping(uint256 key => uint256) private _gathered;

    /// @notice The lot of a request was drawn by this seed
    event LotDrawn(uint256 indexed area, uint256 indexed period, uint256 indexed request, bytes32 seed);
    /// @notice A request was cleared: `volumeWh` are awarded, the last of them at the margin's tick
    event RequestCleared(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed request,
        uint256 volumeWh,
        MeritOrder.Margin margin
    );
    /// @notice Delivery began before the request was cleared: it gets nothing, and everything goes back
    event RequestVoid(uint256 indexed area, uint256 indexed period, uint256 indexed request);
    error ClearedBefore(uint256 area, uint256 period, uint256 request);
    error RequestOpen(uint256 request, uint256 closesAt, uint256 timestamp);
    error OtherSeed(uint256 request, bytes32 lot, bytes32 given);

    constructor(Settings memory settings) FlexibilityDesk(settings) {
        ticks = settings.ticks;
    }

    // --- clearing ------------------------------------------------------------------------------

    /// @notice Gathers the offers of up to `maxGroups` more groups of a closed request and, after the last, clears it in
    ///         O(ticks); anyone may, as often as it takes. Once delivery has begun it is void instead
    /// @param seed What the lot is drawn by; of no matter where none is drawn
    function clear(uint256 area, uint32 period, uint256 number, bytes32 seed, uint256 maxGroups) external {
        IFlexibilityMarket.Request memory asked = market.requestOf(area, period, number);
        if (asked.phase != IFlexibilityMarket.Phase.Open) revert ClearedBefore(area, period, number);
        uint256 time = clock.timestamp();
        if (time < asked.closesAt) revert RequestOpen(number, asked.closesAt, time);
        if (time >= period * clock.mtuSeconds()) {
            market.conclude(area, period, number, true, 0);
            emit RequestVoid(area, period, number);
            return;
        }
        Gathering memory gathering = _gatheringOf(area, period, number, seed);
        uint256[] memory groups = registry.groupsOf(area, gathering.nextGroup, maxGroups);
        _gather(gathering, groups);
        gathering.nextGroup += groups.length;
        _gathered[gathering.key] = Lanes.fresh(period) | gathering.nextGroup;
        if (gathering.nextGroup >= registry.groupCount(area)) _clear(gathering, asked);
    }

    function _gatheringOf(uint256 area, uint32 period, uint256 number, bytes32 seed)
        private
        returns (Gathering memory gathering)
    {
        gathering.area = area;
        gathering.period = period;
        gathering.number = number;
        gathering.key = _requestKey(area, period, number);
        gathering.rules = market.rulesOf(area, period, number);
        gathering.seed = seed;
        gathering.nextGroup = uint32(Lanes.ofPeriod(_gathered[gathering.key], period));
        if (!gathering.rules.declared) return gathering;
        bytes32 lot = keccak256(abi.encode(seed));
        if (lot != _lots[gathering.key]) revert OtherSeed(number, _lots[gathering.key], lot);
        if (gathering.nextGroup == 0) emit LotDrawn(area, period, number, seed);
    }

    function _gather(Gathering memory gathering, uint256[] memory groups) private {
        uint256[] memory legs =
            market.legWordsOf(gathering.area, gathering.period, gathering.number, groups);
        bool changed;
        for (uint256 i; i < groups.length; ++i) {
            uint256 gathered = _gatherGroup(gathering, groups[i], legs[i]);
            if (gathered == legs[i]) continue;
            legs[i] = gathered;
            changed = true;
        }
        if (changed) market.mark(gathering.area, gathering.period, gathering.number, groups, legs);
    }

    function _gatherGroup(Gathering memory gathering, uint256 group, uint256 legs)
        private
        returns (uint256 gathered)
    {
        gathered = legs;
        if (uint224(legs) == 0) return gathered;
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            uint256 leg = Lanes.get56(legs, lane);
            if (leg == 0) continue;
            uint256 state = _stateOf(gathering, Lanes.participantAt(group, lane));
            if (state == FlexibilityLeg.OFFERED) {
                _books[gathering.key].add(
                    gathering.period, OrderLane.BID, FlexibilityLeg.tick(leg), FlexibilityLeg.wh(leg)
                );
            } else {
                gathered = Lanes.set56(gathered, lane, FlexibilityLeg.withState(leg, state));
            }
        }
    }

    function _stateOf(Gathering memory gathering, uint256 participant) private view returns (uint256) {
        uint256 minimum = gathering.rules.minimumBidWh;
        if (minimum != 0 && _pooledWh(gathering.key, gathering.period, participant) < minimum) {
            return FlexibilityLeg.TOO_SMALL;
        }
        if (!gathering.rules.declared) return FlexibilityLeg.OFFERED;
        bool called = FlexibilityRules.called(
            gathering.seed,
            gathering.area,
            gathering.period,
            gathering.number,
            participant,
            gathering.rules.penaltyPercent
        );
        return called ? FlexibilityLeg.OFFERED : FlexibilityLeg.STANDS_BY;
    }

    function _clear(Gathering memory gathering, IFlexibilityMarket.Request memory asked) private {
        uint256[] memory offers = _books[gathering.key].load(gathering.period, OrderLane.BID, ticks);
        uint256[] memory wanted = new uint256[](offers.length);
        wanted[asked.tick / MeritOrder.TICKS_PER_WORD] =
            uint256(asked.wh) << ((asked.tick % MeritOrder.TICKS_PER_WORD) * 32);
        MeritOrder.Outcome memory outcome = MeritOrder.clear(wanted, offers);
        market.conclude(
            gathering.area, gathering.period, gathering.number, false, MeritOrder.pack(outcome)
        );
        emit RequestCleared(
            gathering.area, gathering.period, gathering.number, outcome.volumeWh, outcome.ask
        );
    }
}
