// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {AreaKey} from "../libraries/AreaKey.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {SignedLanes} from "../libraries/SignedLanes.sol";
import {DeskCalls} from "./DeskCalls.sol";

/// @title What each connection has promised in a period, market by market, and the money that backs it
/// @notice A hold backs what a buyer may come to owe in a period: for each Wh reserved the retail price and the highest
///         fee. It belongs to the buyer and goes back at settlement. What a market reserved stands under its own index: no
///         market gives back, trades or sells what another reserved. A connection is promised once over all of them. What
///         stands in an area is of its own participants only: a market that names others is refused.
/// @dev    The arithmetic on lanes is unchecked: 28-bit energies times 16-bit prices and 64-bit balances stay
///         far below 256 bits; what goes back into a lane is range-checked there.
abstract contract Reservations is IClearingHouse, DeskCalls {
    using SafeCast for uint256;
    using SafeCast for int256;

    /// @dev What stays the same over the groups of one call
    /// @param base Key of the market's words of the area and period, but for the group
    /// @param active What area and status of a group are that is active in the area (see Profile)
    struct Call {
        uint256 area;
        uint256 period;
        uint256 base;
        uint256 others;
        bool booked;
        uint256 rate;
        bool near;
        address agent;
        uint256 active;
    }

    /// @dev What lies between the keys of two markets
    uint256 internal constant ONE_INDEX = 1 << 128;

    /// @dev index of the market | ring slot | area: 32 | group: 32 => period: 32 | four energy lanes (sell, buy)
    mapping(uint256 key => uint256 fourEnergies) internal _reserved;
    /// @dev … four energy lanes (sold, bought)
    mapping(uint256 key => uint256 fourEnergies) internal _positions;

    /// @notice A period of an area took its ring slot
    event PeriodActivated(
        uint256 indexed area, uint256 indexed period, uint256 retailMicroEurPerWh, uint256 holdMicroEurPerWh
    );

    /// @notice The period's slot of the ring has one that is later, or not settled yet
    error RingSlotBusy(uint256 area, uint256 period, uint256 occupant);
    /// @notice The period is a ring or more behind: nothing can be reserved in it
    error PeriodTooOld(uint256 period, uint256 currentPeriod);
    /// @notice A participant of the group is of another area
    error GroupOfOtherArea(uint256 group, uint256 area);
    /// @notice The participant is suspended or has left (see Profile): nothing more is reserved for it
    error ParticipantNotActive(uint256 participant, uint256 status);
    /// @notice The participant owes more than its credit: nothing more is reserved for it
    error InDebt(uint256 participant, int256 balanceMicroEur);
    /// @notice All markets together would reserve more than the connection carries in the period
    error AboveConnectionCapacity(uint256 participant, uint256 reservedWh, uint256 capacityWh);
    /// @notice A market gives back only what it reserved and did not book; energy lanes of the group
    error ReleasedAboveReserved(uint256 group, uint256 released, uint256 reserved);

    // --- the life of a period ------------------------------------------------------------------

    /// @inheritdoc IClearingHouse
    function activate(uint256 area, uint256 period)
        external
        onlyModule(MARKET | SETTLEMENT | ORACLE)
        returns (bool begun)
    {
        uint256 key = AreaKey.inSlot(period % ringSize, area);
        Period storage slot = _ring[key];
        uint256 occupant = slot.period;
        if (occupant == period) return slot.settling;
        if (occupant > period || (occupant != 0 && !slot.settled)) revert RingSlotBusy(area, period, occupant);
        _requireYoung(period);
        registry.requireAreaIn(area, period);
        (uint256 retail, uint256 hold) = tariff.holdRates(area, period);
        _ring[key] = Period(uint32(period), uint16(retail), uint16(hold), false, false, 0, 0, 0, 0, 0);
        emit PeriodActivated(area, period, retail, hold);
    }

    /// @dev A slot of the ring is for what comes. Anyone can make a market or the settlement take one: a period that the
    ///      next lap has caught up with is taken for its meter readings only
    function _requireYoung(uint256 period) private view {
        uint256 current = clock.currentPeriod();
        if (period + ringSize > current || _modules[msg.sender].permissions & ORACLE != 0) return;
        revert PeriodTooOld(period, current);
    }

    /// @inheritdoc IClearingHouse
    function reserve(uint256 area, uint256 period, address agent, Exchange[] calldata exchanges)
        external
        returns (uint256[] memory profiles)
    {
        uint256 index = _indexFor(exchanges);
        Period storage slot = _slotOf(area, period);
        uint256 markets_ = slot.reservedBy;
        uint256 bit = 1 << index;
        if (markets_ & bit == 0) slot.reservedBy = uint16(markets_ | bit);
        Call memory call;
        (call.area, call.period, call.others) = (area, period, markets_ & ~bit);
        call.base = _key(index, area, period, 0);
        call.booked = slot.bookedBy & bit != 0;
        call.rate = slot.holdMicroEurPerWh;
        call.agent = agent;
        call.active = Profile.activeIn(area);
        int256 holds;
        profiles = _profilesOf(period, exchanges);
        for (uint256 i; i < exchanges.length; ++i) {
            if (slot.settling) _requireOnlyReleased(call, exchanges[i]);
            else holds += _reserveGroup(call, exchanges[i], profiles[i]);
        }
        slot.holdsMicroEur = _toUint56(int256(uint256(slot.holdsMicroEur)) + holds);
    }

    /// @dev Settlement gives back whatever is still reserved: what a market gives back from then on is not given back again
    function _requireOnlyReleased(Call memory call, Exchange calldata exchange) private pure {
        if (exchange.claimed != 0) revert PeriodSettling(call.area, call.period);
    }

    /// @dev The caller's index. A market that was revoked may still give back
    function _indexFor(Exchange[] calldata exchanges) private view returns (uint256) {
        Module memory caller = _modules[msg.sender];
        if (caller.permissions & MARKET == 0) {
            bool takes = !caller.known || _marketAt[caller.index] != msg.sender;
            for (uint256 i; !takes && i < exchanges.length; ++i) {
                takes = exchanges[i].claimed != 0;
            }
            if (takes) revert MissingPermission(msg.sender, MARKET);
        }
        return caller.index;
    }

    function _profilesOf(uint256 period, Exchange[] calldata exchanges) private view returns (uint256[] memory) {
        uint256[] memory groups = new uint256[](exchanges.length);
        for (uint256 i; i < groups.length; ++i) {
            groups[i] = exchanges[i].group;
        }
        return registry.profilesOfGroups(period, groups);
    }

    /// @dev Gives each lane's reservation back and takes the claim in its place
    function _reserveGroup(Call memory call, Exchange calldata exchange, uint256 profiles)
        private
        returns (int256 holds)
    {
        uint256 group = exchange.group;
        uint256 own = _exchangeEnergy(call, exchange, profiles);
        uint256 four = _balances[group];
        unchecked {
            uint256 freed = Lanes.widen(Lanes.intos(exchange.released) * call.rate);
            uint256 held = Lanes.widen(Lanes.intos(exchange.claimed) * call.rate);
            uint256 left = SignedLanes.sub(_withChanges(group, four, freed), held);
            if (call.near || SignedLanes.anyBelow0(four | left)) {
                if (Profile.anyElsewhere(profiles, call.active)) revert GroupOfOtherArea(group, call.area);
                uint256 all = own + _othersOf(call, group);
                _requireMayReserve(exchange, profiles, all, four, call.rate);
            }
            int256 moreOwed = _setBalances(group, four, left);
            if (moreOwed > 0) _requireCreditCovered(group, moreOwed);
            return SignedLanes.sum(held) - SignedLanes.sum(freed);
        }
    }

    /// @dev Exchanges the energy and returns what the market had reserved of the group before. Notes in `call` whether a
    ///      limit is so near that each participant needs a look
    function _exchangeEnergy(Call memory call, Exchange calldata exchange, uint256 profiles)
        private
        returns (uint256 own)
    {
        uint256 key = call.base | exchange.group;
        own = Lanes.ofPeriod(_reserved[key], call.period);
        if (exchange.released != 0) _requireReleasable(call, exchange, key, own);
        unchecked {
            uint256 all = call.others == 0 ? own : own + _othersOf(call, exchange.group);
            call.near = !_farFromLimits(exchange, profiles, call.active, all);
            if (call.agent != address(0) && Profile.anyLimits(profiles)) {
                registry.requireWithinLimits(call.agent, exchange.group, all, exchange.released, exchange.claimed);
            }
            // No quantity leaves its 28 bits: what grew is within a connection's capacity.
            _reserved[key] = own + uint224(exchange.claimed) - uint224(exchange.released);
        }
    }

    /// @dev A market gives back what it reserved itself and has not booked
    function _requireReleasable(Call memory call, Exchange calldata exchange, uint256 key, uint256 own) private view {
        (uint256 released, uint256 claimed) = (exchange.released, exchange.claimed);
        unchecked {
            uint256 booked = call.booked ? Lanes.ofPeriod(_positions[key], call.period) : 0;
            bool above = Lanes.anyAbove(Lanes.outs(released), Lanes.outs(own))
                || Lanes.anyAbove(Lanes.intos(released), Lanes.intos(own))
                || Lanes.anyAbove(Lanes.outs(booked), Lanes.outs(own) - Lanes.outs(released) + Lanes.outs(claimed))
                || Lanes.anyAbove(Lanes.intos(booked), Lanes.intos(own) - Lanes.intos(released) + Lanes.intos(claimed));
            if (above) revert ReleasedAboveReserved(exchange.group, released, own);
        }
    }

    /// @dev What other markets reserved of a group, without tag
    function _othersOf(Call memory call, uint256 group) private view returns (uint256) {
        return _sumOf(_reserved, call.others, call.period, (call.base & (ONE_INDEX - 1)) | group);
    }

    /// @dev The words under the indexes of these markets, lane by lane, without tag; `key` is that of index 0
    function _sumOf(
        mapping(uint256 key => uint256) storage words,
        uint256 markets_,
        uint256 period,
        uint256 key
    ) internal view returns (uint256 sum) {
        unchecked {
            for (; markets_ != 0; key += ONE_INDEX) {
                if (markets_ & 1 != 0) {
                    uint256 word = words[key];
                    if (Lanes.tag(word) == period) sum += uint224(word);
                }
                markets_ >>= 1;
            }
        }
    }

    /// @dev Whether one look at all four tells that `_requireMayReserve` has nothing against their energy: everyone is
    ///      active in the area, and sold and bought together fit each connection
    function _farFromLimits(Exchange calldata exchange, uint256 profiles, uint256 active, uint256 reserved)
        private
        pure
        returns (bool)
    {
        if (!Profile.allActive(profiles, active)) return false;
        (uint256 released, uint256 claimed) = (exchange.released, exchange.claimed);
        unchecked {
            uint256 most = Lanes.outs(reserved) + Lanes.outs(claimed) - Lanes.outs(released) + Lanes.intos(reserved)
                + Lanes.intos(claimed) - Lanes.intos(released);
            return !SignedLanes.anyBelow0(SignedLanes.sub(Profile.capacities(profiles), Lanes.widen(most)));
        }
    }

    function _requireMayReserve(
        Exchange calldata exchange,
        uint256 profiles,
        uint256 reserved,
        uint256 four,
        uint256 rate
    ) private view {
        (uint256 released, uint256 claimed) = (exchange.released, exchange.claimed);
        unchecked {
            for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
                uint256 before = Lanes.get56(released, lane);
                uint256 claim = Lanes.get56(claimed, lane);
                if (claim == before) continue;
                int256 moreOut = int256(Lanes.outOf(claim)) - int256(Lanes.outOf(before));
                int256 moreInto = int256(Lanes.intoOf(claim)) - int256(Lanes.intoOf(before));
                if (moreOut <= 0 && moreInto <= 0) continue;
                uint256 held = Lanes.get56(reserved, lane);
                _requireMayOrder(
                    Lanes.participantAt(exchange.group, lane),
                    Lanes.get64(profiles, lane),
                    _larger(int256(Lanes.outOf(held)) + moreOut, int256(Lanes.intoOf(held)) + moreInto),
                    Lanes.getInt64(four, lane),
                    moreInto * int256(rate)
                );
            }
        }
    }

    /// @dev What one connection can carry is promised once over all markets, in each direction; who owes more than
    ///      its credit limit does not order
    function _requireMayOrder(uint256 participant, uint256 profile, uint256 reservedWh, int256 free, int256 hold)
        private
        view
    {
        if (Profile.status(profile) != Profile.ACTIVE) {
            revert ParticipantNotActive(participant, Profile.status(profile));
        }
        if (reservedWh > Profile.capacityWh(profile)) {
            revert AboveConnectionCapacity(participant, reservedWh, Profile.capacityWh(profile));
        }
        if (free >= 0 && free >= hold) return;
        // Only who is short of money costs the look-up.
        int256 credit = int256(creditLimitOf[participant]);
        if (free < -credit) revert InDebt(participant, free);
        if (free + credit < hold) revert InsufficientMoney(participant, free, uint256(hold));
    }

    function _larger(int256 a, int256 b) private pure returns (uint256) {
        return uint256(a > b ? a : b);
    }

    /// @inheritdoc IClearingHouse
    function lastReserved(uint256 participant, uint256 from, uint256 to) external view returns (uint256) {
        (uint256 area, uint256 group, uint256 lane) = _seatOf(participant);
        for (uint256 after_ = to + 1; after_ > from; --after_) {
            uint256 period = after_ - 1;
            Period storage slot = _inRing(area, period);
            if (slot.period != period) continue;
            uint256 reserved = _sumOf(_reserved, slot.reservedBy, period, _key(0, area, period, group));
            if (Lanes.get56(reserved, lane) != 0) return period;
        }
        return 0;
    }

    /// @dev Area, group and lane of a participant
    function _seatOf(uint256 participant) internal view returns (uint256 area, uint256 group, uint256 lane) {
        (group, lane) = (Lanes.groupOf(participant), Lanes.laneOf(participant));
        area = Profile.area(Lanes.get64(registry.profilesOf(group), lane));
    }

    /// @dev Of what an area has in a period under the index of a market: the area is one whose ring slot was looked up
    function _key(uint256 index, uint256 area, uint256 period, uint256 group) internal view returns (uint256) {
        unchecked {
            return index * ONE_INDEX | AreaKey.numbered(period % ringSize, area, group);
        }
    }

    function _toUint56(int256 microEur) internal pure returns (uint56) {
        return SafeCast.toUint56(microEur.toUint256());
    }
}
