// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {SignedLanes} from "../libraries/SignedLanes.sol";
import {Reservations} from "./Reservations.sol";

/// @title What each connection has traded in a period, market by market, and what settlement pays for it
/// @notice Booking moves no money: trades are due at settlement, out of the buyers' holds. A market that closes without its
///         payers pays nobody.
abstract contract Positions is Reservations {
    /// @dev Of an area and period: markets whose trades count, one bit to the index of each, prices (see `_pricesIn`), and
    ///      the key of index 0 and no group
    struct Due {
        uint256 counted;
        uint256 prices;
        uint256 base;
    }

    /// @dev As `_positions`, of signed 56-bit amounts that settlement pays
    mapping(uint256 key => uint256 fourAmounts) private _payments;
    /// @dev The same keys, of no group => period: 32 | the one price of all that was booked there
    mapping(uint256 key => uint256 price) private _prices;
    /// @dev The same => period: 32 | payments booked and spread collected, signed 224 bits
    mapping(uint256 key => uint256 signedSum) private _open;

    /// @notice Trades of an area and period: energy lanes (sold, bought) and signed 64-bit payments of each group, which
    ///         are due at its settlement
    event TradesBooked(
        uint256 indexed area,
        uint256 indexed period,
        address indexed market,
        uint256[] groups,
        uint256[] fills,
        uint256[] payments
    );

    /// @notice A buyer would pay more than what is held for the energy that it buys
    error PaidAboveHold(uint256 participant, int256 paymentMicroEur, uint256 backedMicroEur);
    /// @notice A seller would get more than the retail price for the energy that it sells
    error ReceivedAboveRetail(uint256 participant, int256 paymentMicroEur, uint256 mostMicroEur);
    /// @notice More is booked as bought than the market reserved
    error BoughtAboveReserved(uint256 participant, uint256 boughtWh, uint256 reservedWh);
    /// @notice More is booked as sold than the market reserved
    error SoldAboveReserved(uint256 participant, uint256 soldWh, uint256 reservedWh);
    /// @notice A market books all of a period by payments or all of it at one price; `atOnePrice` is what it began with
    error BookedOtherwise(address market, uint256 area, uint256 period, bool atOnePrice);
    /// @notice A market that books a period at one price books all of it at that one
    error OtherPrice(
        address market, uint256 area, uint256 period, uint256 priceMicroEurPerWh, uint256 formerMicroEurPerWh
    );
    /// @notice A price above the retail price of the period
    error PriceAboveRetail(
        address market, uint256 area, uint256 period, uint256 priceMicroEurPerWh, uint256 retailMicroEurPerWh
    );
    /// @notice What a market's payers paid and its payees got in the period does not come to zero: no group can be
    ///         settled
    error TradesOpen(address market, uint256 area, uint256 period, int256 openMicroEur);

    /// @inheritdoc IClearingHouse
    function book(
        uint256 area,
        uint256 period,
        uint256[] calldata groups,
        uint256[] calldata fills,
        uint256[] calldata payments
    ) external onlyModule(MARKET) {
        Call memory call = _callFor(area, period, false);
        int256 paid;
        for (uint256 i; i < groups.length; ++i) {
            uint256 fill = fills[i];
            if (fill == 0) continue;
            _requireWithinRetail(groups[i], fill, payments[i], call.rate);
            paid += _bookPayments(call, _bookEnergy(call, groups[i], fill), payments[i]);
        }
        if (paid != 0) _noteOpen(call.base, period, paid);
        emit TradesBooked(area, period, msg.sender, groups, fills, payments);
    }

    /// @inheritdoc IClearingHouse
    function bookAt(
        uint256 area,
        uint256 period,
        uint256 priceMicroEurPerWh,
        uint256[] calldata groups,
        uint256[] calldata fills
    ) external onlyModule(MARKET) {
        Call memory call = _callFor(area, period, true);
        _fixPrice(call, priceMicroEurPerWh);
        uint256[] memory payments = new uint256[](groups.length);
        int256 paid;
        for (uint256 i; i < groups.length; ++i) {
            uint256 fill = fills[i];
            if (fill == 0) continue;
            _bookEnergy(call, groups[i], fill);
            unchecked {
                payments[i] = _paymentsAt(priceMicroEurPerWh, fill);
                paid += SignedLanes.sum(payments[i]);
            }
        }
        if (paid != 0) _noteOpen(call.base, period, paid);
        emit TradesBooked(area, period, msg.sender, groups, fills, payments);
    }

    function _bookPayments(Call memory call, uint256 key, uint256 payments) private returns (int256) {
        unchecked {
            uint256 due = Lanes.ofPeriod(_payments[key], call.period);
            _payments[key] = Lanes.fresh(call.period) | Lanes.addSigned(due, Lanes.narrow(payments));
            return SignedLanes.sum(payments);
        }
    }

    /// @dev A market books at one price all that it books in a period, or nothing of it
    function _callFor(uint256 area, uint256 period, bool priced) private returns (Call memory call) {
        Period storage slot = _slotOf(area, period);
        if (slot.settling) revert PeriodSettling(area, period);
        uint256 index = _modules[msg.sender].index;
        (call.area, call.period, call.rate) = (area, period, slot.retailMicroEurPerWh);
        call.base = _key(index, area, period, 0);
        uint256 bit = 1 << index;
        bool wasPriced = slot.pricedBy & bit != 0;
        if (slot.bookedBy & bit == 0) {
            slot.bookedBy |= uint16(bit);
            if (priced) slot.pricedBy |= uint16(bit);
        } else if (wasPriced != priced) {
            revert BookedOtherwise(msg.sender, area, period, wasPriced);
        }
    }

    /// @dev The retail price is the most that anybody's hold backs, and that anybody may get
    function _fixPrice(Call memory call, uint256 price) private {
        if (price > call.rate) revert PriceAboveRetail(msg.sender, call.area, call.period, price, call.rate);
        uint256 word = _prices[call.base];
        if (Lanes.tag(word) != call.period) _prices[call.base] = Lanes.fresh(call.period) | price;
        else if (uint224(word) != price) revert OtherPrice(msg.sender, call.area, call.period, price, uint224(word));
    }

    /// @dev What four participants get for what they sold and bought (− pay), as signed 64-bit lanes
    function _paymentsAt(uint256 price, uint256 fills) private pure returns (uint256) {
        unchecked {
            return SignedLanes.sub(Lanes.widen(Lanes.outs(fills) * price), Lanes.widen(Lanes.intos(fills) * price));
        }
    }

    /// @dev What was traded is due at settlement; until then the whole hold stays. Of a group of another area nothing is
    ///      reserved here
    function _bookEnergy(Call memory call, uint256 group, uint256 fills) private returns (uint256 key) {
        key = call.base | group;
        uint256 positions = Lanes.ofPeriod(_positions[key], call.period);
        _requireReserved(group, positions, fills, Lanes.ofPeriod(_reserved[key], call.period));
        unchecked {
            _positions[key] = positions + uint224(fills); // each quantity within what is reserved, so within its 28 bits
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
    function _noteOpen(uint256 key, uint256 period, int256 more) internal returns (int256 open) {
        open = int256(int224(uint224(Lanes.ofPeriod(_open[key], period)))) + more;
        _open[key] = Lanes.fresh(period) | uint224(int224(open));
    }

    /// @dev What stays the same over the groups of an area's settlement of a period
    function _duesOf(Period memory slot, uint256 area) internal view returns (Due memory due) {
        due.base = _key(0, area, slot.period, 0);
        due.counted = _requireClosed(slot, area, due.base);
        due.prices = _pricesIn(slot, due.base);
    }

    /// @dev Markets whose trades count at settlement, one bit to the index of each. What payers pay has to be what payees get:
    ///      a market for which it is not has not booked all. Once it was revoked it never will, and what it booked in the
    ///      period is void, whichever side it booked first. Nothing is booked any more while a period is settled, so that
    ///      all groups see the same markets
    function _requireClosed(Period memory slot, uint256 area, uint256 base) private view returns (uint256 counted) {
        address market;
        int256 open;
        (counted, market, open) = _countedOf(slot, base);
        if (open != 0) revert TradesOpen(market, area, slot.period, open);
    }

    /// @dev The same, with the last market in service that has not booked all
    function _countedOf(Period memory slot, uint256 base)
        private
        view
        returns (uint256 counted, address unclosed, int256 openOfIt)
    {
        counted = slot.bookedBy;
        uint256 left = counted;
        for (uint256 index; left != 0; ++index) {
            if (left & 1 != 0) {
                uint256 word = Lanes.ofPeriod(_open[base + index * ONE_INDEX], slot.period);
                int256 open = int224(uint224(word));
                if (open != 0) {
                    address market = _marketAt[index];
                    if (_modules[market].permissions & MARKET == 0) counted &= ~(1 << index);
                    else (unclosed, openOfIt) = (market, open);
                }
            }
            left >>= 1;
        }
    }

    function _countedIn(uint256 area, uint256 period, uint256 base) private view returns (uint256 counted) {
        Period memory slot = _inRing(area, period);
        if (slot.period == period) (counted,,) = _countedOf(slot, base);
    }

    /// @dev Prices of an area's trades in the period at markets that book at one, 16 bits to the index of each
    function _pricesIn(Period memory slot, uint256 base) private view returns (uint256 prices) {
        uint256 left = slot.pricedBy;
        unchecked {
            for (uint256 index; left != 0; ++index) {
                if (left & 1 != 0) {
                    uint256 word = Lanes.ofPeriod(_prices[base + index * ONE_INDEX], slot.period);
                    prices |= uint256(uint16(word)) << (index * 16);
                }
                left >>= 1;
            }
        }
    }

    /// @dev What settlement gives back of a group's holds, and pays besides for trades. Signed 64-bit lanes, small beside
    ///      them: 28 bits of energy at prices of 16
    function _dueOf(Period memory slot, Due memory due, uint256 group)
        internal
        view
        returns (uint256 held, uint256 paid)
    {
        (uint256 left, uint256 counted, uint256 prices) = (slot.reservedBy, due.counted, due.prices);
        uint256 key = due.base | group;
        unchecked {
            // As a rule it is the pool alone, which comes first.
            if (left & 1 != 0) {
                held = Lanes.intos(Lanes.ofPeriod(_reserved[key], slot.period));
                if (counted & 1 != 0) paid = _paidBy(slot, key, 1, uint16(prices));
            }
            for (uint256 bit = 2; left >= bit; bit <<= 1) {
                (key, prices) = (key + ONE_INDEX, prices >> 16);
                if (left & bit == 0) continue;
                held += Lanes.intos(Lanes.ofPeriod(_reserved[key], slot.period));
                if (counted & bit != 0) paid = SignedLanes.add(paid, _paidBy(slot, key, bit, uint16(prices)));
            }
            held = Lanes.widen(held * slot.holdMicroEurPerWh);
        }
    }

    /// @dev Payments of one market. Who traded nothing there is paid nothing: the positions are looked at already, the
    ///      payments are not
    function _paidBy(Period memory slot, uint256 key, uint256 bit, uint256 price) private view returns (uint256) {
        uint256 traded = _positions[key];
        if (Lanes.tag(traded) != slot.period || uint224(traded) == 0) return 0;
        return slot.pricedBy & bit != 0 ? _paymentsAt(price, traded) : Lanes.widenSigned(_payments[key]);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice What a participant has in holds for a period, in µEUR, and the energy it has reserved and traded
    /// @dev    The hold is given back with the participant's settlement, but shown until its whole area is settled
    function accountInPeriod(uint256 participant, uint256 period)
        external
        view
        returns (uint256 heldMicroEur, uint256 sellWh, uint256 buyWh, uint256 soldWh, uint256 boughtWh)
    {
        (Period memory slot, uint256 key, uint256 lane) = _placeOf(participant, period);
        uint256 reserved = Lanes.get56(_sumOf(_reserved, slot.reservedBy, period, key), lane);
        uint256 position = Lanes.get56(_sumOf(_positions, slot.bookedBy, period, key), lane);
        return (
            slot.settled ? 0 : Lanes.intoOf(reserved) * slot.holdMicroEurPerWh,
            Lanes.outOf(reserved),
            Lanes.intoOf(reserved),
            Lanes.outOf(position),
            Lanes.intoOf(position)
        );
    }

    /// @dev The period of a participant's area, the key of its group there at index 0, and its lane
    function _placeOf(uint256 participant, uint256 period)
        private
        view
        returns (Period memory slot, uint256 key, uint256 lane)
    {
        uint256 area;
        uint256 group;
        (area, group, lane) = _seatOf(participant);
        slot = _slotOf(area, period);
        key = _key(0, area, period, group);
    }

    /// @notice What settlement of a period pays a participant for its trades (− takes), in µEUR
    function paymentOf(uint256 participant, uint256 period) external view returns (int256) {
        (uint256 area, uint256 group, uint256 lane) = _seatOf(participant);
        Period memory slot = _slotOf(area, period);
        uint256 base = _key(0, area, period, 0);
        (, uint256 paid) = _dueOf(slot, Due(slot.bookedBy, _pricesIn(slot, base), base), group);
        return Lanes.getInt64(paid, lane);
    }

    /// @inheritdoc IClearingHouse
    function positionsOfGroups(uint256 area, uint256 period, uint256[] calldata groups)
        external
        view
        returns (uint256[] memory positions)
    {
        positions = new uint256[](groups.length);
        uint256 base = _key(0, area, period, 0);
        uint256 counted = _countedIn(area, period, base);
        unchecked {
            for (uint256 i; i < groups.length; ++i) {
                positions[i] = Lanes.fresh(period) | _sumOf(_positions, counted, period, base | groups[i]);
            }
        }
    }

    /// @inheritdoc IClearingHouse
    function settling(uint256 area, uint256 period) external view returns (bool) {
        Period storage slot = _inRing(area, period);
        return slot.period == period && slot.settling;
    }
}
