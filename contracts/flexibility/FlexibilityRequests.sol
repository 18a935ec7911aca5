// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IFlexibilityMarket} from "../interfaces/IFlexibility.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {MeritOrder} from "../libraries/MeritOrder.sol";
import {OrderLaneLib} from "../libraries/OrderLane.sol";
import {TickEnergy} from "../libraries/TickEnergy.sol";
import {FlexibilityAdmission} from "./FlexibilityAdmission.sol";
import {FlexibilityLeg} from "./FlexibilityLeg.sol";
import {FlexibilityRules} from "./FlexibilityRules.sol";

/// @title The way into the flexibility market: what is asked and offered, and its clearing
/// @notice Once a request is closed its offers are gathered, in pages: what misses the minimum bid is left out, and by
///         lot who stands by. Then the cheapest win up to the quantity that is asked for. The reference is
///         `gridbourse.model.flexibility.market`; this is its equal.
contract FlexibilityRequests is FlexibilityAdmission {
    using TickEnergy for TickEnergy.Book;

    /// @dev A closed request while its offers are gathered
    /// @param place Of the agent, among those of the request, whose pool and salt the next fields are
    struct Gathering {
        uint256 area;
        uint32 period;
        uint256 number;
        uint256 key;
        uint256 shownAt;
        bytes32 seed;
        uint256 place;
        uint256 pooledWh;
        bool withheld;
        bytes16 salt;
        uint256 nextGroup;
        IFlexibilityMarket.Rules rules;
    }

    /// @notice Number of ticks in the market's price grid
    uint256 public immutable ticks;

    mapping(uint256 key => TickEnergy.Book) private _books;
    /// @dev request => period: 32 | the group of the area that is gathered next
    mapping(uint256 key => uint256) private _gathered;

    /// @notice A request was cleared: `volumeWh` are awarded, the last of them at the margin's tick
    event RequestCleared(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed request,
        uint256 volumeWh,
        MeritOrder.Margin margin
    );
    /// @notice The seed of a request's lot was not shown in time, or delivery began before it was cleared: everything goes
    ///         back
    event RequestVoid(uint256 indexed area, uint256 indexed period, uint256 indexed request);

    constructor(Settings memory settings) FlexibilityAdmission(settings) {
        ticks = settings.ticks;
    }

    // --- clearing ------------------------------------------------------------------------------

    /// @notice Gathers the offers of up to `maxGroups` more groups of a closed request and, after the last, clears it in
    ///         O(ticks); anyone may, as often as it takes. By declared schedule it takes the buyer's seed and the salts of
    ///         all agents, or the end of their time. Without the seed in time, or once delivery has begun, it is void instead
    function clear(uint256 area, uint32 period, uint256 number, uint256 maxGroups) external {
        IFlexibilityMarket.Request memory posted = market.requestOf(area, period, number);
        uint256 time = _requireClosed(area, number, posted);
        Gathering memory gathering = _gatheringOf(area, period, number);
        bool seedless = gathering.rules.declared && gathering.shownAt == 0;
        uint256 until = posted.closesAt + revealSeconds;
        if (time >= period * clock.mtuSeconds() || (seedless && time >= until)) {
            market.annul(area, period, number, seedless);
            emit RequestVoid(area, period, number);
            return;
        }
        if (seedless) revert SeedAwaited(number, until);
        uint256[] memory groups = registry.groupsOf(area, gathering.nextGroup, maxGroups);
        gathering.nextGroup += groups.length;
        _gather(gathering, groups);
        _gathered[gathering.key] = Lanes.fresh(period) | gathering.nextGroup;
        if (gathering.nextGroup >= registry.groupCount(area)) _clear(gathering, posted);
    }

    function _gatheringOf(uint256 area, uint32 period, uint256 number)
        private
        view
        returns (Gathering memory gathering)
    {
        gathering.area = area;
        gathering.period = period;
        gathering.number = number;
        gathering.key = _requestKey(area, period, number);
        gathering.rules = market.rulesOf(area, period, number);
        gathering.nextGroup = uint32(Lanes.ofPeriod(_gathered[gathering.key], period));
        if (!gathering.rules.declared) return gathering;
        (gathering.shownAt, gathering.seed) = (_shownAt(gathering.key, period), _seedOf(gathering.key));
    }

    function _gather(Gathering memory gathering, uint256[] memory groups) private {
        uint256[] memory legs =
            market.legWordsOf(gathering.area, gathering.period, gathering.number, groups);
        uint256 changed;
        for (uint256 i; i < groups.length; ++i) {
            uint256 gathered = _gatherGroup(gathering, groups[i], legs[i]);
            if (gathered == legs[i]) continue;
            (groups[changed], legs[changed]) = (groups[i], gathered);
            ++changed;
        }
        if (changed == 0) return;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(groups, changed) // only ever shorter than they were made
            mstore(legs, changed)
        }
        market.mark(gathering.area, gathering.period, gathering.number, groups, legs);
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
            uint256 state = _stateOf(gathering, Lanes.participantAt(group, lane), leg);
            if (state == FlexibilityLeg.OFFERED) {
                _books[gathering.key].add(
                    gathering.period, OrderLaneLib.BID, FlexibilityLeg.tick(leg), FlexibilityLeg.wh(leg)
                );
            } else {
                gathered = Lanes.set56(gathered, lane, FlexibilityLeg.withState(leg, state));
            }
        }
    }

    function _stateOf(Gathering memory gathering, uint256 participant, uint256 leg) private view returns (uint256) {
        IFlexibilityMarket.Rules memory rules = gathering.rules;
        if (!rules.declared && rules.minimumBidWh == 0) return FlexibilityLeg.OFFERED;
        uint256 place = FlexibilityLeg.agent(leg);
        if (place == 0 || place != gathering.place) _lookUp(gathering, participant, leg);
        if (gathering.pooledWh < rules.minimumBidWh) return FlexibilityLeg.TOO_SMALL;
        if (!rules.declared) return FlexibilityLeg.OFFERED;
        if (gathering.withheld) return FlexibilityLeg.WITHHELD;
        bool called = FlexibilityRules.called(
            gathering.seed,
            gathering.salt,
            gathering.area,
            gathering.period,
            gathering.number,
            participant,
            rules.penaltyPercent
        );
        return called ? FlexibilityLeg.OFFERED : FlexibilityLeg.STANDS_BY;
    }

    /// @dev Pool and salt of who brought an offer: once for all of one agent that come in a row
    function _lookUp(Gathering memory gathering, uint256 participant, uint256 leg) private view {
        uint256 agent = _agentOf(gathering.key, participant, leg);
        gathering.place = FlexibilityLeg.agent(leg);
        if (gathering.rules.minimumBidWh != 0) {
            gathering.pooledWh = _pooledWh(gathering.key, gathering.period, agent);
        }
        if (gathering.rules.declared) {
            (gathering.withheld, gathering.salt) =
                _saltOf(gathering.key, gathering.number, agent, gathering.shownAt);
        }
    }

    function _clear(Gathering memory gathering, IFlexibilityMarket.Request memory posted) private {
        uint256[] memory offers = _books[gathering.key].load(gathering.period, OrderLaneLib.BID, ticks);
        uint256[] memory wanted = new uint256[](offers.length);
        wanted[posted.tick / MeritOrder.TICKS_PER_WORD] =
            uint256(posted.wh) << ((posted.tick % MeritOrder.TICKS_PER_WORD) * 32);
        MeritOrder.Outcome memory outcome = MeritOrder.clear(wanted, offers);
        market.conclude(
            gathering.area, gathering.period, gathering.number, MeritOrder.pack(outcome)
        );
        emit RequestCleared(
            gathering.area, gathering.period, gathering.number, outcome.volumeWh, outcome.ask
        );
    }
}
