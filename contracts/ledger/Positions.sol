// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {SignedLanes} from "../libraries/SignedLanes.sol";
import {Reservations} from "./Reservations.sol";

/// @title What each connection has traded in a period, market by market, and what settlement pays for it
/// @notice Booking moves no money: trades are due at settlement, out of the buyers' holds. A market that closes without its
///         payers pays nobody.
abstract contract Positions is Reservations {
    /// @dev index of the market | ring slot | group => period: 32 | four signed 56-bit amounts that settlement pays
    mapping(uint256 key => uint256 fourAmounts) private _payments;
    /// @dev index of the market | ring slot => period: 32 | payments booked and spread collected, signed 224 bits
    mapping(uint256 key => uint256 signedSum) private _open;

    /// @notice Trades of a period: energy lanes (sold, bought) and signed 64-bit payments of each group, which are due
    ///         at its settlement
    event TradesBooked(
        uint256 indexed period, address indexed market, uint256[] groups, uint256[] fills, uint256[] payments
    );

    error PaidAboveHold(uint256 participant, int256 paymentMicroEur, uint256 backedMicroEur);
    error ReceivedAboveRetail(uint256 participant, int256 paymentMicroEur, uint256 mostMicroEur);
    error BoughtAboveReserved(uint256 participant, uint256 boughtWh, uint256 reservedWh);
    error SoldAboveReserved(uint256 participant, uint256 soldWh, uint256 reservedWh);
    error TradesOpen(address market, uint256 period, int256 openMicroEur);

    /// @inheritdoc IClearingHouse
    function book(uint256 period, uint256[] calldata groups, uint256[] calldata fills, uint256[] calldata payments)
        external
        onlyModule(MARKET)
    {
        _book(period, groups, fills, payments, false);
    }

    /// @inheritdoc IClearingHouse
    function bookLast(uint256 period, uint256[] calldata groups, uint256[] calldata fills, uint256[] calldata payments)
        external
        onlyModule(MARKET)
    {
        _book(period, groups, fills, payments, true);
    }

    function _book(
        uint256 period,
        uint256[] calldata groups,
        uint256[] calldata fills,
        uint256[] calldata payments,
        bool last
    ) private {
        Period storage slot = _slotOf(period);
        Call memory call;
        (call.period, call.index, call.rate) = (period, _modules[msg.sender].index, slot.retailMicroEurPerWh);
        _noteBooked(slot, call, last);
        int256 paid;
        for (uint256 i; i < groups.length; ++i) {
            uint256 fill = fills[i];
            if (fill == 0) continue;
            uint256 payment = payments[i];
            unchecked {
                _bookGroup(call, groups[i], fill, payment, slot.holdMicroEurPerWh);
                paid += SignedLanes.sum(payment);
            }
        }
        if (call.movedLanes != 0) {
            int256 moved = SignedLanes.sum(call.movedLanes);
            slot.holdsMicroEur = _toUint56(int256(uint256(slot.holdsMicroEur)) - moved);
            slot.tradesMicroEur = SafeCast.toInt56(int256(slot.tradesMicroEur) + moved);
        }
        if (paid != 0) _noteOpen(call.index, period, paid);
        emit TradesBooked(period, msg.sender, groups, fills, payments);
    }

    /// @dev A market has its last word in a period in all that it books, or in nothing of it
    function _noteBooked(Period storage slot, Call memory call, bool last) private {
        uint256 bit = 1 << call.index;
        (bool booked, bool hadLast) = (slot.bookedBy & bit != 0, slot.lastBy & bit != 0);
        call.last = last && bit <= type(uint8).max;
        if (booked && hadLast != call.last) revert BookedLast(msg.sender, call.period, 0);
        if (booked) return;
        slot.bookedBy |= uint16(bit);
        if (call.last) slot.lastBy |= uint8(bit);
    }

    /// @dev What was traded is due at settlement; until then the whole hold stays. With a market's last word goes what it
    ///      leaves of the holds, so that settlement need not look at the reservations again
    function _bookGroup(Call memory call, uint256 group, uint256 fills, uint256 payments, uint256 holdRate) private {
        uint256 key = _key(call.index, call.period, group);
        uint256 positions = Lanes.ofPeriod(_positions[key], call.period);
        uint256 reserved = Lanes.ofPeriod(_reserved[key], call.period);
        _requireReserved(group, positions, fills, reserved);
        _requireWithinRetail(group, fills, payments, call.rate);
        unchecked {
            uint256 due;
            if (call.last) {
                if (uint224(positions) != 0) revert BookedLast(msg.sender, call.period, group);
                due = (Lanes.intos(reserved) - Lanes.intos(fills)) * holdRate;
                call.movedLanes += Lanes.widen(due);
            } else {
                due = Lanes.ofPeriod(_payments[key], call.period);
            }
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

    function _positionsBy(uint256 markets_, uint256 period, uint256 group) internal view returns (uint256) {
        return _sumOf(_positions, markets_, period, group);
    }

    /// @dev What settlement gives back of what a group's holds still are, and pays besides: trades, and what was left of
    ///      holds at a market's last word. Signed 64-bit lanes, small beside them: 28 bits of energy at prices of 16
    function _dueOf(Period memory slot, uint256 counted, uint256 group)
        internal
        view
        returns (uint256 held, uint256 paid)
    {
        uint256 period = slot.period;
        uint256 left = slot.reservedBy;
        uint256 key = _key(0, period, group);
        unchecked {
            for (uint256 bit = 1; left != 0; bit <<= 1) {
                if (left & bit != 0) {
                    left ^= bit;
                    (uint256 backed, uint256 more) = _dueBy(slot, counted, key, bit);
                    held += backed;
                    paid = paid == 0 ? more : SignedLanes.add(paid, more);
                }
                key += ONE_INDEX;
            }
            held = Lanes.widen(held * slot.holdMicroEurPerWh);
        }
    }

    /// @dev The same of one market: energy that is backed in 56-bit lanes, and what is paid. Who traded nothing there is
    ///      paid nothing: the positions are looked at already, the payments are not
    function _dueBy(Period memory slot, uint256 counted, uint256 key, uint256 bit)
        private
        view
        returns (uint256 backed, uint256 paid)
    {
        uint256 period = slot.period;
        unchecked {
            uint256 traded = slot.bookedBy & bit == 0 ? 0 : _positions[key];
            bool isTraded = Lanes.tag(traded) == period && uint224(traded) != 0;
            if (isTraded && counted & bit != 0) {
                paid = Lanes.widenSigned(_payments[key]);
                if (slot.lastBy & bit != 0) return (Lanes.intos(traded), paid);
            }
            backed = Lanes.intos(Lanes.ofPeriod(_reserved[key], period));
            if (isTraded && counted & bit == 0 && slot.lastBy & bit != 0) {
                paid = Lanes.widen((backed - Lanes.intos(traded)) * slot.holdMicroEurPerWh); // of a book that is void
                backed = Lanes.intos(traded);
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
        Period memory slot = _slotOf(period);
        uint256 group = Lanes.groupOf(participant);
        (uint256 held, uint256 paid) = _dueOf(slot, slot.bookedBy, group);
        uint256 all = Lanes.widen(Lanes.intos(_reservedBy(slot.reservedBy, period, group)) * slot.holdMicroEurPerWh);
        return Lanes.getInt64(SignedLanes.sub(SignedLanes.add(held, paid), all), Lanes.laneOf(participant));
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
    function settling(uint256 period) external view returns (bool) {
        Period storage slot = _ring[period % ringSize];
        return slot.period == period && slot.settling;
    }
}
