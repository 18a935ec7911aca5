// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {SignedLanes} from "../libraries/SignedLanes.sol";
import {DeskCalls} from "./DeskCalls.sol";

/// @title What each connection has promised and traded in a period, market by market
/// @notice A hold backs what a buyer may come to owe in a period: for each Wh reserved the retail price and the highest
///         fee. It belongs to the buyer and goes back at settlement, when trades are paid. What a market reserved and
///         booked stands under its own index: no market gives back, trades or sells what another reserved. A connection
///         is promised once over all of them.
/// @dev    The arithmetic on lanes is unchecked: 28-bit energies times 16-bit prices and 64-bit balances stay
///         far below 256 bits; what goes back into a lane is range-checked there.
abstract contract Positions is IClearingHouse, DeskCalls {
    using SafeCast for uint256;
    using SafeCast for int256;

    /// @dev What stays the same over the groups of one call
    struct Call {
        uint256 period;
        uint256 index;
        uint256 others;
        bool booked;
        uint256 rate;
        bool near;
    }

    /// @dev index of the market | ring slot | group => period: 32 | four energy lanes (sell, buy)
    mapping(uint256 key => uint256 fourEnergies) internal _reserved;
    /// @dev … four energy lanes (sold, bought)
    mapping(uint256 key => uint256 fourEnergies) internal _positions;
    /// @dev … four signed 56-bit amounts that settlement pays
    mapping(uint256 key => uint256 fourAmounts) internal _payments;
    /// @dev index of the market | ring slot => period: 32 | payments booked and spread collected, signed 224 bits
    mapping(uint256 key => uint256 signedSum) private _open;

    /// @notice A period took its ring slot
    event PeriodActivated(uint256 indexed period, uint256 areas, uint256 retailMicroEurPerWh, uint256 holdMicroEurPerWh);
    /// @notice Trades of a period: energy lanes (sold, bought) and signed 64-bit payments of each group, which are due
    ///         at its settlement
    event TradesBooked(
        uint256 indexed period, address indexed market, uint256[] groups, uint256[] fills, uint256[] payments
    );

    error RingSlotBusy(uint256 period, uint256 occupant, uint256 areasSettled, uint256 areas);
    error PeriodTooOld(uint256 period, uint256 currentPeriod);
    error ParticipantNotActive(uint256 participant, uint256 status);
    error InDebt(uint256 participant, int256 balanceMicroEur);
    error AboveConnectionCapacity(uint256 participant, uint256 reservedWh, uint256 capacityWh);
    error ReleasedAboveReserved(uint256 group, uint256 released, uint256 reserved);
    error PaidAboveHold(uint256 participant, int256 paymentMicroEur, uint256 backedMicroEur);
    error ReceivedAboveRetail(uint256 participant, int256 paymentMicroEur, uint256 mostMicroEur);
    error BoughtAboveReserved(uint256 participant, uint256 boughtWh, uint256 reservedWh);
    error SoldAboveReserved(uint256 participant, uint256 soldWh, uint256 reservedWh);
    error TradesOpen(address market, uint256 period, int256 openMicroEur);

    // --- the life of a period ------------------------------------------------------------------

    /// @inheritdoc IClearingHouse
    function activate(uint256 period)
        external
        onlyModule(MARKET | SETTLEMENT | ORACLE)
        returns (uint256 areas)
    {
        Period storage slot = _ring[period % ringSize];
        uint256 occupant = slot.period;
        if (occupant == period) return slot.areas;
        if (occupant > period || (occupant != 0 && slot.areasSettled != slot.areas)) {
            revert RingSlotBusy(period, occupant, slot.areasSettled, slot.areas);
        }
        _requireYoung(period);
        (uint256 retail, uint256 hold) = tariff.holdRates(period);
        uint256 closed; // for those no settlement is awaited
        (areas, closed) = registry.areasIn(period);
        _ring[period % ringSize] =
            Period(uint32(period), uint16(areas), uint16(closed), uint16(retail), uint16(hold), false, 0, 0, 0, 0);
        emit PeriodActivated(period, areas, retail, hold);
    }

    /// @dev A slot of the ring is for what comes. Anyone can make a market or the settlement take one: a period that the
    ///      next lap has caught up with is taken for its meter readings only
    function _requireYoung(uint256 period) private view {
        uint256 current = clock.currentPeriod();
        if (period + ringSize > current || _modules[msg.sender].permissions & ORACLE != 0) return;
        revert PeriodTooOld(period, current);
    }

    /// @inheritdoc IClearingHouse
    function reserve(uint256 period, Exchange[] calldata exchanges)
        external
        returns (uint256[] memory profiles)
    {
        uint256 index = _indexFor(exchanges);
        Period storage slot = _slotOf(period);
        uint256 markets_ = slot.reservedBy;
        uint256 bit = 1 << index;
        if (markets_ & bit == 0) slot.reservedBy = uint16(markets_ | bit);
        Call memory call = Call(period, index, markets_ & ~bit, slot.bookedBy & bit != 0, slot.holdMicroEurPerWh, false);
        int256 holds;
        profiles = _profilesOf(period, exchanges);
        for (uint256 i; i < exchanges.length; ++i) {
            holds += _reserveGroup(call, exchanges[i], profiles[i]);
        }
        slot.holdsMicroEur = _toUint56(int256(uint256(slot.holdsMicroEur)) + holds);
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
                uint256 all = own + _reservedBy(call.others, call.period, group);
                _requireMayReserve(exchange, profiles, all, four, call.rate);
            }
            int256 moreOwed = _setBalances(group, four, left);
            if (moreOwed > 0) _requireCreditCovered(group, moreOwed);
            return SignedLanes.sum(held) - SignedLanes.sum(freed);
        }
    }

    /// @dev Notes in `call` whether a limit is so near that each participant needs a look
    /// @return own What the market had reserved of the group before
    function _exchangeEnergy(Call memory call, Exchange calldata exchange, uint256 profiles)
        private
        returns (uint256 own)
    {
        uint256 key = _key(call.index, call.period, exchange.group);
        own = Lanes.ofPeriod(_reserved[key], call.period);
        if (exchange.released != 0) _requireReleasable(call, exchange, key, own);
        unchecked {
            uint256 all = call.others == 0 ? own : own + _reservedBy(call.others, call.period, exchange.group);
            call.near = !_farFromLimits(exchange, profiles, all);
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
    function _reservedBy(uint256 markets_, uint256 period, uint256 group) internal view returns (uint256 sum) {
        unchecked {
            for (uint256 index; markets_ != 0; ++index) {
                if (markets_ & 1 != 0) {
                    uint256 word = _reserved[_key(index, period, group)];
                    if (Lanes.tag(word) == period) sum += uint224(word);
                }
                markets_ >>= 1;
            }
        }
    }

    /// @dev Whether one look at all four tells that `_requireMayReserve` has nothing against their energy: everyone is
    ///      active, and sold and bought together fit each connection
    function _farFromLimits(Exchange calldata exchange, uint256 profiles, uint256 reserved)
        private
        pure
        returns (bool)
    {
        if (!Profile.allActive(profiles)) return false;
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
    function book(uint256 period, uint256[] calldata groups, uint256[] calldata fills, uint256[] calldata payments)
        external
        onlyModule(MARKET)
    {
        Period storage slot = _slotOf(period);
        Call memory call = Call(period, _modules[msg.sender].index, 0, true, slot.retailMicroEurPerWh, false);
        uint256 booked = slot.bookedBy;
        if ((booked >> call.index) & 1 == 0) slot.bookedBy = uint16(booked | (1 << call.index));
        int256 paid;
        for (uint256 i; i < groups.length; ++i) {
            uint256 fill = fills[i];
            if (fill == 0) continue;
            uint256 payment = payments[i];
            unchecked {
                _bookGroup(call, groups[i], fill, payment);
                paid += SignedLanes.sum(payment);
            }
        }
        if (paid != 0) _noteOpen(call.index, period, paid);
        emit TradesBooked(period, msg.sender, groups, fills, payments);
    }

    /// @dev What was traded is due at settlement; until then the whole hold stays
    function _bookGroup(Call memory call, uint256 group, uint256 fills, uint256 payments) private {
        uint256 key = _key(call.index, call.period, group);
        uint256 positions = Lanes.ofPeriod(_positions[key], call.period);
        _requireReserved(group, positions, fills, Lanes.ofPeriod(_reserved[key], call.period));
        _requireWithinRetail(group, fills, payments, call.rate);
        uint256 due = Lanes.ofPeriod(_payments[key], call.period);
        unchecked {
            _positions[key] = positions + uint224(fills); // each quantity within what is reserved, so within its 28 bits
            _payments[key] = Lanes.fresh(call.period) | Lanes.addSigned(due, Lanes.narrow(payments));
        }
    }

    function _requireReserved(uint256 group, uint256 positions, uint256 fills, uint256 reserved) private pure {
        unchecked {
            uint256 sold = Lanes.outs(positions) + Lanes.outs(fills);
            uint256 bought = Lanes.intos(positions) + Lanes.intos(fills);
            uint256 toSell = Lanes.outs(reserved);
            uint256 toBuy = Lanes.intos(reserved);
            if (!Lanes.anyAbove(sold, toSell) && !Lanes.anyAbove(bought, toBuy)) return;
            for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
                uint256 participant = Lanes.participantAt(group, lane);
                (uint256 wh, uint256 most) = (Lanes.get56(sold, lane), Lanes.get56(toSell, lane));
                if (wh > most) revert SoldAboveReserved(participant, wh, most);
                (wh, most) = (Lanes.get56(bought, lane), Lanes.get56(toBuy, lane));
                if (wh > most) revert BoughtAboveReserved(participant, wh, most);
            }
        }
    }

    /// @dev Nobody pays more than the retail price of what it bought, which its hold backs, or gets more than that of
    ///      what it sold
    function _requireWithinRetail(uint256 group, uint256 fills, uint256 payments, uint256 retail) private pure {
        unchecked {
            uint256 backed = Lanes.widen(Lanes.intos(fills) * retail);
            uint256 most = Lanes.widen(Lanes.outs(fills) * retail);
            if (
                SignedLanes.within(payments, backed, SignedLanes.add(payments, backed))
                    && !SignedLanes.anyBelow0(SignedLanes.add(payments, backed) | SignedLanes.sub(most, payments))
            ) return;
            for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
                int256 payment = Lanes.getInt64(payments, lane);
                uint256 participant = Lanes.participantAt(group, lane);
                if (payment + int256(Lanes.get64(backed, lane)) < 0) {
                    revert PaidAboveHold(participant, payment, Lanes.get64(backed, lane));
                }
                if (payment > int256(Lanes.get64(most, lane))) {
                    revert ReceivedAboveRetail(participant, payment, Lanes.get64(most, lane));
                }
            }
        }
    }

    // --- what a market's payments come to ------------------------------------------------------

    /// @dev Payments that a market booked, and spread it collected; back at zero, or below, when its book closes
    function _noteOpen(uint256 index, uint256 period, int256 more) internal returns (int256 open) {
        uint256 key = _key(index, period, 0);
        open = int256(int224(uint224(Lanes.ofPeriod(_open[key], period)))) + more;
        _open[key] = Lanes.fresh(period) | uint224(int224(open));
    }

    /// @dev Markets whose trades count. One whose payees get more than its payers pay is not done; once it was revoked,
    ///      it never will be, and what it booked in the period is void
    function _counted(Period memory slot) internal view returns (uint256 counted) {
        counted = slot.bookedBy;
        uint256 left = counted;
        for (uint256 index; left != 0; ++index) {
            if (left & 1 != 0) {
                uint256 word = Lanes.ofPeriod(_open[_key(index, slot.period, 0)], slot.period);
                int256 open = int224(uint224(word));
                if (open > 0) {
                    address market = _marketAt[index];
                    if (_modules[market].permissions & MARKET != 0) revert TradesOpen(market, slot.period, open);
                    counted &= ~(1 << index);
                }
            }
            left >>= 1;
        }
    }

    function _countedIn(uint256 period) private view returns (uint256) {
        Period memory slot = _ring[period % ringSize];
        return slot.period == period ? _counted(slot) : 0;
    }

    function _positionsBy(uint256 markets_, uint256 period, uint256 group) internal view returns (uint256 sum) {
        unchecked {
            for (uint256 index; markets_ != 0; ++index) {
                if (markets_ & 1 != 0) {
                    uint256 word = _positions[_key(index, period, group)];
                    if (Lanes.tag(word) == period) sum += uint224(word);
                }
                markets_ >>= 1;
            }
        }
    }

    /// @dev Signed 64-bit lanes
    function _paymentsBy(uint256 markets_, uint256 period, uint256 group) internal view returns (uint256 sum) {
        unchecked {
            for (uint256 index; markets_ != 0; ++index) {
                if (markets_ & 1 != 0) {
                    uint256 key = _key(index, period, group);
                    uint256 positions = _positions[key];
                    // Who traded nothing is paid nothing: the positions are looked at already, the payments are not.
                    if (Lanes.tag(positions) == period && uint224(positions) != 0) {
                        sum = SignedLanes.add(sum, Lanes.widenSigned(_payments[key]));
                    }
                }
                markets_ >>= 1;
            }
        }
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice What a participant has in holds for a period, in µEUR, and the energy it has reserved and traded
    /// @dev    The hold is given back with the participant's settlement, but shown until the whole period is settled
    function accountInPeriod(uint256 participant, uint256 period)
        external
        view
        returns (uint256 heldMicroEur, uint256 sellWh, uint256 buyWh, uint256 soldWh, uint256 boughtWh)
    {
        Period memory slot = _slotOf(period);
        uint256 group = Lanes.groupOf(participant);
        uint256 lane = Lanes.laneOf(participant);
        uint256 reserved = Lanes.get56(_reservedBy(slot.reservedBy, period, group), lane);
        uint256 position = Lanes.get56(_positionsBy(slot.bookedBy, period, group), lane);
        return (
            slot.areasSettled == slot.areas ? 0 : Lanes.intoOf(reserved) * slot.holdMicroEurPerWh,
            Lanes.outOf(reserved),
            Lanes.intoOf(reserved),
            Lanes.outOf(position),
            Lanes.intoOf(position)
        );
    }

    /// @notice What settlement of a period pays a participant for its trades (− takes), in µEUR
    function paymentOf(uint256 participant, uint256 period) external view returns (int256) {
        uint256 four = _paymentsBy(_slotOf(period).bookedBy, period, Lanes.groupOf(participant));
        return Lanes.getInt64(four, Lanes.laneOf(participant));
    }

    /// @notice Energy lanes (sold, bought) of a group in a period
    function positionsOf(uint256 period, uint256 group) external view returns (uint256) {
        return Lanes.fresh(period) | _positionsBy(_countedIn(period), period, group);
    }

    /// @inheritdoc IClearingHouse
    function positionsOfGroups(uint256 period, uint256[] calldata groups)
        external
        view
        returns (uint256[] memory positions)
    {
        positions = new uint256[](groups.length);
        uint256 counted = _countedIn(period);
        unchecked {
            for (uint256 i; i < groups.length; ++i) {
                positions[i] = Lanes.fresh(period) | _positionsBy(counted, period, groups[i]);
            }
        }
    }

    /// @inheritdoc IClearingHouse
    function lastReserved(uint256 participant, uint256 from, uint256 to) external view returns (uint256) {
        uint256 group = Lanes.groupOf(participant);
        uint256 lane = Lanes.laneOf(participant);
        for (uint256 after_ = to + 1; after_ > from; --after_) {
            uint256 period = after_ - 1;
            Period storage slot = _ring[period % ringSize];
            if (slot.period != period) continue;
            if (Lanes.get56(_reservedBy(slot.reservedBy, period, group), lane) != 0) return period;
        }
        return 0;
    }

    /// @inheritdoc IClearingHouse
    function settling(uint256 period) external view returns (bool) {
        Period storage slot = _ring[period % ringSize];
        return slot.period == period && slot.settling;
    }

    function _key(uint256 index, uint256 period, uint256 group) internal view returns (uint256) {
        unchecked {
            return (index << 128) | ((period % ringSize) << 64) | group;
        }
    }

    function _toUint56(int256 microEur) internal pure returns (uint56) {
        return SafeCast.toUint56(microEur.toUint256());
    }
}
