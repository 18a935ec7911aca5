// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IMarket} from "../interfaces/IMarket.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {Commitment} from "../libraries/Commitment.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {Roles} from "../libraries/Roles.sol";

/// @title What the DSO pays to whom it curtailed: each Wh held back, at the feed-in tariff less the export fee
/// @notice What would have flowed is the schedule the DSO made its caps of, stated before delivery begins: who is paid
///         has no word in it, and nobody knows yet what will be metered. Where the DSO capped and stated none, the
///         connection's capacity stands in, so that its silence does not pay. Held back is what of that is above the
///         cap, where the reading reached the cap: who delivers less was not stopped by it. Readings and caps are
///         proven by the settlement's commitment. The money comes from the account of the area's DSO, as far as it is there: a
///         claim that finds too little fails whole, and can be made again. A corrected reading reopens it: more is
///         paid, and what was too much goes back to the DSO.
contract CurtailmentCompensation is IMarket {
    /// @notice What one of a group is due and was paid, in Wh, and µEUR for each
    struct Claim {
        uint256 dueWh;
        uint256 paidWh;
        uint256 rate;
    }

    /// @dev Lane: stated Wh: 28 | stated: 1 | paid Wh: 28
    uint256 private constant STATED = 1 << 28;
    uint256 private constant PAID_SHIFT = 29;
    uint256 private constant PERMILLE = 1000;

    /// @notice Where roles are held
    IParticipantRegistry public immutable registry;
    /// @notice Market time
    IMarketClock public immutable clock;
    /// @notice Where money is
    IClearingHouse public immutable clearingHouse;
    /// @notice By whose commitment caps and readings are proven
    ISettlement public immutable settlement;
    /// @notice Prices by which what was held back is valued
    ITariff public immutable tariff;
    /// @notice How much of the cap a reading has to reach: a real plant stays a little below it
    uint256 public immutable reachPermille;

    /// @dev area | period: 32 => …
    mapping(uint256 key => mapping(uint256 group => uint256 fourLanes)) private _lanes;

    /// @notice The DSO stated what it expects to flow: words of a group (32 bits) and four lanes of Wh, all ones = none
    event SchedulesStated(uint256 indexed area, uint256 indexed period, uint256[] words);
    /// @notice The DSO paid a participant for what its cap held back, beyond what it had paid before
    event Compensated(
        uint256 indexed period, uint256 indexed participant, uint256 heldBackWh, uint256 amountMicroEur
    );
    /// @notice A participant gave back what it was paid for energy that by a corrected reading was not held back
    event CompensationReturned(
        uint256 indexed period, uint256 indexed participant, uint256 returnedWh, uint256 amountMicroEur
    );

    /// @notice The share of a connection that schedules reach to is above zero, and no more than the whole
    error ReachOutOfRange(uint256 reachPermille, uint256 maximum);
    /// @notice A schedule is stated before its period begins
    error DeliveryBegun(uint256 period, uint256 currentPeriod);
    /// @notice The period is not open yet
    error BeyondHorizon(uint256 period, uint256 lastOpenPeriod);
    /// @notice A schedule beyond what a lane holds
    error ScheduleOutOfRange(uint256 participant, uint256 wh, uint256 maximumWh);
    /// @notice No cap held the group back in this period, or all that it is owed is paid
    error NothingHeldBack(uint256 period, uint256 group);
    /// @notice What was paid for more than is due now is not there to be taken back yet
    error OwedNotFree(uint256 period, uint256 group, uint256 owedWh);

    constructor(
        IParticipantRegistry registry_,
        IMarketClock clock_,
        IClearingHouse clearingHouse_,
        ISettlement settlement_,
        ITariff tariff_,
        uint256 reachPermille_
    ) {
        if (reachPermille_ == 0 || reachPermille_ > PERMILLE) revert ReachOutOfRange(reachPermille_, PERMILLE);
        registry = registry_;
        clock = clock_;
        clearingHouse = clearingHouse_;
        settlement = settlement_;
        tariff = tariff_;
        reachPermille = reachPermille_;
    }

    /// @notice States what the DSO of an area expects participants to feed in, in place of what it stated before; of those of
    ///         another area it says nothing
    /// @param words Words of a group (32 bits) and four 56-bit lanes of Wh; all ones leaves a participant as it is
    function state(uint256 area, uint32 period, uint256[] calldata words) external {
        registry.requireRole(Roles.inArea(Roles.GRID_ORACLE, area), msg.sender);
        uint256 current = clock.currentPeriod();
        if (current >= period) revert DeliveryBegun(period, current);
        uint256 last = clock.lastOpenPeriod();
        if (period > last) revert BeyondHorizon(period, last);
        for (uint256 i; i < words.length; ++i) {
            _state(_key(area, period), words[i]);
        }
        emit SchedulesStated(area, period, words);
    }

    function _state(uint256 key, uint256 word) private {
        uint256 group = Lanes.tag(word);
        uint256 lanes = _lanes[key][group];
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            uint256 wh = Lanes.get56(word, lane);
            if (wh == Lanes.MASK56) continue;
            if (wh > Lanes.MAX_WH) {
                revert ScheduleOutOfRange(Lanes.participantAt(group, lane), wh, Lanes.MAX_WH);
            }
            lanes = Lanes.set64(lanes, lane, wh | STATED);
        }
        _lanes[key][group] = lanes;
    }

    /// @notice Pays those of a group whom the DSO curtailed in a settled period what they are due beyond what they were
    ///         paid, and takes back from those who by a corrected reading are due less; anyone may ask, as often as
    ///         readings are corrected. What an account does not have free now stays owed, and a later call takes it.
    ///         What comes back is taken first, and is not kept back by a DSO that cannot pay the others yet
    /// @param leaf What the group was settled on, or last corrected to
    /// @param path Proof that it is what the period's commitment stands for
    function compensate(uint256 area, Commitment.Leaf calldata leaf, Commitment.Path calldata path) external {
        settlement.requireProven(area, leaf, path);
        Claim[4] memory claims;
        uint256 lanes = _lanes[_key(area, leaf.period)][leaf.group];
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            claims[lane] = _claimOf(leaf, lane, Lanes.get64(lanes, lane));
        }
        (uint256 takenWh, uint256 owedWh) = _takeBack(area, leaf, claims);
        (uint256 moreWh, uint256 amount) = _more(claims);
        if (takenWh == 0 && moreWh == 0) {
            if (owedWh == 0) revert NothingHeldBack(leaf.period, leaf.group);
            revert OwedNotFree(leaf.period, leaf.group, owedWh);
        }
        if (moreWh == 0) return;
        if (takenWh != 0 && amount > clearingHouse.spendableOf(HouseAccounts.dsoOf(area))) return;
        _payMore(area, leaf, claims);
    }

    function _claimOf(Commitment.Leaf calldata leaf, uint256 lane, uint256 known)
        private
        view
        returns (Claim memory)
    {
        uint256 paidWh = known >> PAID_SHIFT;
        uint256 dueWh = _heldBack(leaf, lane, known);
        return Claim(dueWh, paidWh, dueWh == paidWh ? 0 : _rate(leaf, lane));
    }

    /// @dev In Wh; nothing where no cap binds, or the reading stayed short of it
    function _heldBack(Commitment.Leaf calldata leaf, uint256 lane, uint256 known) private view returns (uint256) {
        uint256 cap = Lanes.outOf(Lanes.get56(leaf.caps, lane));
        int256 metered = Lanes.getInt64(leaf.readings, lane);
        uint256 profile = Lanes.get64(leaf.profiles, lane);
        if (cap == Lanes.MAX_WH || metered < 0 || profile == 0) return 0;
        uint256 reading = uint256(metered);
        if (reading * PERMILLE < cap * reachPermille) return 0;
        uint256 wanted = Profile.capacityWh(profile);
        if (known & STATED != 0 && known & Lanes.MAX_WH < wanted) wanted = known & Lanes.MAX_WH;
        uint256 kept = reading > cap ? reading : cap;
        return wanted > kept ? wanted - kept : 0;
    }

    /// @dev µEUR for a Wh; what a period's prices are is not changed once it is delivered
    function _rate(Commitment.Leaf calldata leaf, uint256 lane) private view returns (uint256) {
        uint256 profile = Lanes.get64(leaf.profiles, lane);
        uint256 area = Profile.area(profile);
        (, uint256 feedIn) = tariff.energyPrices(area, leaf.period);
        uint256 fee = tariff.feesOf(area, Profile.zone(profile), leaf.period).exportMicroEurPerWh;
        return feedIn > fee ? feedIn - fee : 0;
    }

    /// @dev Whole Wh, as many as the account has money free for
    function _takeBack(uint256 area, Commitment.Leaf calldata leaf, Claim[4] memory claims)
        private
        returns (uint256 takenWh, uint256 owedWh)
    {
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            Claim memory claim = claims[lane];
            if (claim.dueWh >= claim.paidWh) continue;
            uint256 participant = Lanes.participantAt(leaf.group, lane);
            uint256 wh = claim.paidWh - claim.dueWh;
            owedWh += wh;
            if (claim.rate != 0) {
                uint256 affordable = clearingHouse.spendableOf(participant) / claim.rate;
                if (affordable < wh) wh = affordable;
            }
            if (wh == 0) continue;
            takenWh += wh;
            _note(area, leaf, lane, claim.paidWh - wh);
            uint256 amount = wh * claim.rate;
            if (amount != 0) clearingHouse.transfer(participant, HouseAccounts.dsoOf(area), amount);
            emit CompensationReturned(leaf.period, participant, wh, amount);
        }
    }

    function _more(Claim[4] memory claims) private pure returns (uint256 wh, uint256 amount) {
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            Claim memory claim = claims[lane];
            if (claim.dueWh <= claim.paidWh) continue;
            wh += claim.dueWh - claim.paidWh;
            amount += (claim.dueWh - claim.paidWh) * claim.rate;
        }
    }

    function _payMore(uint256 area, Commitment.Leaf calldata leaf, Claim[4] memory claims) private {
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            Claim memory claim = claims[lane];
            if (claim.dueWh <= claim.paidWh) continue;
            uint256 participant = Lanes.participantAt(leaf.group, lane);
            uint256 wh = claim.dueWh - claim.paidWh;
            _note(area, leaf, lane, claim.dueWh);
            uint256 amount = wh * claim.rate;
            if (amount != 0) clearingHouse.transfer(HouseAccounts.dsoOf(area), participant, amount);
            emit Compensated(leaf.period, participant, wh, amount);
        }
    }

    function _note(uint256 area, Commitment.Leaf calldata leaf, uint256 lane, uint256 paidWh) private {
        uint256 key = _key(area, leaf.period);
        uint256 lanes = _lanes[key][leaf.group];
        uint256 stated = Lanes.get64(lanes, lane) & (STATED | Lanes.MAX_WH);
        _lanes[key][leaf.group] = Lanes.set64(lanes, lane, stated | (paidWh << PAID_SHIFT));
    }

    function _key(uint256 area, uint256 period) private pure returns (uint256) {
        return (area << 32) | period;
    }

    /// @notice What is on record of a participant of an area in a period: whether and what was stated, and for how much it
    ///         was paid
    function recordOf(uint256 area, uint256 period, uint256 participant)
        external
        view
        returns (bool stated, uint256 wh, uint256 paidWh)
    {
        uint256 lane = Lanes.get64(_lanes[_key(area, period)][Lanes.groupOf(participant)], Lanes.laneOf(participant));
        return (lane & STATED != 0, lane & Lanes.MAX_WH, lane >> PAID_SHIFT);
    }

    /// @inheritdoc IMarket
    /// @dev It trades nothing: settlement never waits for it
    function booked(uint256, uint256) external pure returns (bool) {
        return true;
    }
}
