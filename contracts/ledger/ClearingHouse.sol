// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {SignedLanes} from "../libraries/SignedLanes.sol";
import {Modules} from "./Modules.sol";
import {MoneyAccounts} from "./MoneyAccounts.sol";

/// @title What each connection has promised and traded in a period, and the money that backs it
/// @notice Invariant, after every transaction: Σ accounts + Σ holds + Σ open trades = currency held here
///         = deposits − withdrawals.
///         A hold backs what a buyer may come to owe in a period: for each Wh reserved the retail price
///         and the highest fee, less the retail price of each Wh already bought and paid. It belongs to
///         the buyer and goes back at settlement.
/// @dev    The arithmetic on lanes is unchecked: 28-bit energies times 16-bit prices and 64-bit balances stay
///         far below 256 bits; what goes back into a lane is range-checked there.
contract ClearingHouse is IClearingHouse, MoneyAccounts {
    using SafeCast for uint256;
    using SafeCast for int256;

    /// @dev One storage slot. It is free for another period once every area of this one is settled
    struct Period {
        uint32 period;
        uint16 areas;
        uint16 areasSettled;
        uint16 retailMicroEurPerWh;
        uint16 holdMicroEurPerWh;
        bool settling;
        uint80 holdsMicroEur;
        int64 tradesMicroEur;
    }

    /// @notice Prices outside the market and fees, by which holds are measured
    ITariff public immutable tariff;
    /// @inheritdoc IClearingHouse
    uint256 public immutable ringSize;

    mapping(uint256 slot => Period) private _ring;
    mapping(uint256 key => uint256 fourEnergies) private _reserved;
    mapping(uint256 key => uint256 fourEnergies) private _positions;

    /// @notice A period took its ring slot
    event PeriodActivated(uint256 indexed period, uint256 areas, uint256 retailMicroEurPerWh, uint256 holdMicroEurPerWh);
    /// @notice Trades of a period: energy lanes (sold, bought) and signed 64-bit payments of each group
    event TradesBooked(
        uint256 indexed period, address indexed market, uint256[] groups, uint256[] fills, uint256[] payments
    );
    /// @notice What payers paid above what payees received went to the spread account
    event SpreadCollected(uint256 indexed period, address indexed market, uint256 amountMicroEur);
    /// @notice Signed 64-bit changes of each group at settlement, holds not counted; all sum to zero
    event GroupsSettled(
        uint256 indexed period, uint256[] groups, uint256[] deltas, int256 supplierMicroEur, int256 dsoMicroEur
    );
    /// @notice Signed 64-bit changes of a group by a correction after settlement; all sum to zero
    event GroupCorrected(
        uint256 indexed period, uint256 group, uint256 deltas, int256 supplierMicroEur, int256 dsoMicroEur
    );
    /// @notice A participant could not pay and owes
    event DebtIncurred(uint256 indexed participant, uint256 indexed period, int256 balanceMicroEur);
    /// @notice A market moved money from one account to another
    event Transferred(address indexed market, uint256 indexed from, uint256 indexed to, uint256 amountMicroEur);
    /// @notice Every area of a period is settled; nothing is held in it any more
    event PeriodFinished(uint256 indexed period);

    error RingSlotBusy(uint256 period, uint256 occupant, uint256 areasSettled, uint256 areas);
    error PeriodNotActive(uint256 period, uint256 occupant);
    error ParticipantNotActive(uint256 participant, uint256 status);
    error InDebt(uint256 participant, int256 balanceMicroEur);
    error AboveConnectionCapacity(uint256 participant, uint256 reservedWh, uint256 capacityWh);
    error PaidAboveHold(uint256 participant, int256 paymentMicroEur, uint256 backedMicroEur);
    error BoughtAboveReserved(uint256 participant, uint256 boughtWh, uint256 reservedWh);
    error SoldAboveReserved(uint256 participant, uint256 soldWh, uint256 reservedWh);
    error SumNotZero(int256 sumMicroEur);
    error PeriodHasOpenMoney(uint256 period, uint256 holdsMicroEur, int256 tradesMicroEur);
    error RingTooSmall(uint256 ringSize);

    constructor(
        IParticipantRegistry registry_,
        IERC20 currency_,
        ITariff tariff_,
        uint256 ringSize_,
        uint256 timelockSeconds_
    ) Modules(registry_, timelockSeconds_) MoneyAccounts(currency_) {
        if (ringSize_ < 2) revert RingTooSmall(ringSize_);
        tariff = tariff_;
        ringSize = ringSize_;
    }

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
        (uint256 retail, uint256 hold) = tariff.holdRates(period);
        uint256 closed; // for those no settlement is awaited
        (areas, closed) = registry.areasIn(period);
        _ring[period % ringSize] =
            Period(uint32(period), uint16(areas), uint16(closed), uint16(retail), uint16(hold), false, 0, 0);
        emit PeriodActivated(period, areas, retail, hold);
    }

    /// @inheritdoc IClearingHouse
    function reserve(uint256 period, Exchange[] calldata exchanges)
        external
        onlyModule(MARKET)
        returns (uint256[] memory profiles)
    {
        Period storage slot = _slotOf(period);
        uint256 rate = slot.holdMicroEurPerWh;
        int256 holds;
        profiles = _profilesOf(period, exchanges);
        for (uint256 i; i < exchanges.length; ++i) {
            holds += _reserveGroup(period, exchanges[i], profiles[i], rate);
        }
        slot.holdsMicroEur = (int256(uint256(slot.holdsMicroEur)) + holds).toUint256().toUint80();
    }

    function _profilesOf(uint256 period, Exchange[] calldata exchanges) private view returns (uint256[] memory) {
        uint256[] memory groups = new uint256[](exchanges.length);
        for (uint256 i; i < groups.length; ++i) {
            groups[i] = exchanges[i].group;
        }
        return registry.profilesOfGroups(period, groups);
    }

    /// @dev Gives each lane's reservation back and takes the claim in its place
    function _reserveGroup(uint256 period, Exchange calldata exchange, uint256 profiles, uint256 rate)
        private
        returns (int256 holds)
    {
        (uint256 group, uint256 released, uint256 claimed) = (exchange.group, exchange.released, exchange.claimed);
        uint256 key = _key(period, group);
        uint256 reserved = Lanes.ofPeriod(_reserved[key], period);
        uint256 four = _balances[group];
        unchecked {
            uint256 freed = Lanes.widen(Lanes.intos(released) * rate);
            uint256 held = Lanes.widen(Lanes.intos(claimed) * rate);
            uint256 left = SignedLanes.sub(_withChanges(group, four, freed), held);
            if (SignedLanes.anyBelow0(four | left) || !_farFromLimits(exchange, profiles, reserved)) {
                _requireMayReserve(exchange, profiles, reserved, four, rate);
            }
            // No quantity leaves its 28 bits: what grew is within a connection's capacity.
            _reserved[key] = reserved + uint224(claimed) - uint224(released);
            _setBalances(group, four, left);
            return SignedLanes.sum(held) - SignedLanes.sum(freed);
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
        Period memory slot = _slotOf(period);
        uint256 retail = slot.retailMicroEurPerWh;
        uint256 backed;
        int256 paid;
        for (uint256 i; i < groups.length; ++i) {
            uint256 fill = fills[i];
            if (fill == 0) continue;
            uint256 payment = payments[i];
            unchecked {
                backed += _bookGroup(period, groups[i], fill, payment, retail); // lane by lane, 44 bits each
                paid += SignedLanes.sum(payment);
            }
        }
        slot.holdsMicroEur = (uint256(slot.holdsMicroEur) - uint256(SignedLanes.sum(backed))).toUint80();
        slot.tradesMicroEur = (int256(slot.tradesMicroEur) - paid).toInt64();
        _ring[period % ringSize] = slot;
        emit TradesBooked(period, msg.sender, groups, fills, payments);
    }

    /// @dev What was bought is paid for: its energy price, the result, needs no hold any more, its fee still does
    function _bookGroup(uint256 period, uint256 group, uint256 fills, uint256 payments, uint256 retail)
        private
        returns (uint256 backed)
    {
        uint256 key = _key(period, group);
        uint256 positions = Lanes.ofPeriod(_positions[key], period);
        _requireReserved(group, positions, fills, Lanes.ofPeriod(_reserved[key], period));
        unchecked {
            _positions[key] = positions + uint224(fills); // each quantity within what is reserved, so within its 28 bits
            backed = Lanes.widen(Lanes.intos(fills) * retail);
            _requireHeld(group, payments, backed);
            uint256 four = _balances[group];
            _setBalances(group, four, _withChanges(group, _withChanges(group, four, backed), payments));
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

    function _requireHeld(uint256 group, uint256 payments, uint256 backed) private pure {
        if (!SignedLanes.anyBelow0(SignedLanes.add(payments, backed))) return;
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            int256 payment = Lanes.getInt64(payments, lane);
            uint256 held = Lanes.get64(backed, lane);
            if (payment + int256(held) < 0) {
                revert PaidAboveHold(Lanes.participantAt(group, lane), payment, held);
            }
        }
    }

    /// @inheritdoc IClearingHouse
    function collectSpread(uint256 period, uint256 amountMicroEur) external onlyModule(MARKET) {
        Period storage slot = _slotOf(period);
        slot.tradesMicroEur = (int256(slot.tradesMicroEur) - amountMicroEur.toInt256()).toInt64();
        _change(HouseAccounts.SPREAD, amountMicroEur.toInt256());
        emit SpreadCollected(period, msg.sender, amountMicroEur);
    }

    /// @inheritdoc IClearingHouse
    function transfer(uint256 from, uint256 to, uint256 amountMicroEur) external onlyModule(MARKET) {
        _requireAccount(from);
        _requireAccount(to);
        _requireFree(from, amountMicroEur);
        _change(from, -amountMicroEur.toInt256());
        _change(to, amountMicroEur.toInt256());
        emit Transferred(msg.sender, from, to, amountMicroEur);
    }

    /// @inheritdoc IClearingHouse
    function settle(
        uint256 period,
        uint256[] calldata groups,
        uint256[] calldata deltas,
        int256 supplierMicroEur,
        int256 dsoMicroEur
    ) external onlyModule(SETTLEMENT) {
        Period memory slot = _slotOf(period);
        uint256 released;
        int256 sum = supplierMicroEur + dsoMicroEur;
        for (uint256 i; i < groups.length; ++i) {
            uint256 delta = deltas[i];
            unchecked {
                released += _settleGroup(slot, groups[i], delta); // lane by lane, 46 bits each
                sum += SignedLanes.sum(delta);
            }
        }
        if (sum != 0) revert SumNotZero(sum);
        _change(HouseAccounts.SUPPLIER, supplierMicroEur);
        _change(HouseAccounts.DSO, dsoMicroEur);
        slot.holdsMicroEur = (uint256(slot.holdsMicroEur) - uint256(SignedLanes.sum(released))).toUint80();
        slot.settling = true;
        _ring[period % ringSize] = slot;
        emit GroupsSettled(period, groups, deltas, supplierMicroEur, dsoMicroEur);
    }

    /// @dev Gives back what is held of each lane, the result, and changes its account
    function _settleGroup(Period memory slot, uint256 group, uint256 deltas) private returns (uint256 held) {
        uint256 period = slot.period;
        uint256 key = _key(period, group);
        held = Lanes.widen(
            _held(slot, Lanes.ofPeriod(_reserved[key], period), Lanes.ofPeriod(_positions[key], period))
        );
        uint256 before = _balances[group];
        uint256 four = _withChanges(group, _withChanges(group, before, held), deltas);
        _setBalances(group, before, four);
        if (SignedLanes.anyBelow0(four)) _reportDebts(period, group, four, held | deltas);
    }

    /// @dev Of those whose lane of `changes` is not empty
    function _reportDebts(uint256 period, uint256 group, uint256 four, uint256 changes) private {
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            int256 balance = Lanes.getInt64(four, lane);
            if (balance >= 0 || Lanes.get64(changes, lane) == 0) continue;
            emit DebtIncurred(Lanes.participantAt(group, lane), period, balance);
        }
    }

    /// @inheritdoc IClearingHouse
    function correct(
        uint256 period,
        uint256 group,
        uint256 deltas,
        int256 supplierMicroEur,
        int256 dsoMicroEur
    ) external onlyModule(SETTLEMENT) {
        int256 sum = supplierMicroEur + dsoMicroEur;
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            int256 delta = Lanes.getInt64(deltas, lane);
            if (delta == 0) continue;
            sum += delta;
            uint256 participant = Lanes.participantAt(group, lane);
            _change(participant, delta);
            int256 balance = balanceOf(participant);
            if (balance < 0) emit DebtIncurred(participant, period, balance);
        }
        if (sum != 0) revert SumNotZero(sum);
        _change(HouseAccounts.SUPPLIER, supplierMicroEur);
        _change(HouseAccounts.DSO, dsoMicroEur);
        emit GroupCorrected(period, group, deltas, supplierMicroEur, dsoMicroEur);
    }

    /// @inheritdoc IClearingHouse
    function finishArea(uint256 period) external onlyModule(SETTLEMENT) {
        Period storage slot = _slotOf(period);
        uint16 settled = slot.areasSettled + 1;
        slot.areasSettled = settled;
        if (settled < slot.areas) return;
        if (slot.holdsMicroEur != 0 || slot.tradesMicroEur != 0) {
            revert PeriodHasOpenMoney(period, slot.holdsMicroEur, slot.tradesMicroEur);
        }
        emit PeriodFinished(period);
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
        uint256 key = _key(period, Lanes.groupOf(participant));
        uint256 lane = Lanes.laneOf(participant);
        uint256 reserved = Lanes.get56(Lanes.ofPeriod(_reserved[key], period), lane);
        uint256 position = Lanes.get56(Lanes.ofPeriod(_positions[key], period), lane);
        return (
            slot.areasSettled == slot.areas ? 0 : _held(slot, reserved, position),
            Lanes.outOf(reserved),
            Lanes.intoOf(reserved),
            Lanes.outOf(position),
            Lanes.intoOf(position)
        );
    }

    /// @notice Energy lanes (sold, bought) of a group in a period
    function positionsOf(uint256 period, uint256 group) external view returns (uint256) {
        return Lanes.ofPeriod(_positions[_key(period, group)], period);
    }

    /// @inheritdoc IClearingHouse
    function positionsOfGroups(uint256 period, uint256[] calldata groups)
        external
        view
        returns (uint256[] memory positions)
    {
        positions = new uint256[](groups.length);
        unchecked {
            for (uint256 i; i < groups.length; ++i) {
                positions[i] = Lanes.ofPeriod(_positions[_key(period, groups[i])], period);
            }
        }
    }

    /// @inheritdoc IClearingHouse
    function lastReserved(uint256 participant, uint256 from, uint256 to) external view returns (uint256) {
        uint256 group = Lanes.groupOf(participant);
        uint256 lane = Lanes.laneOf(participant);
        for (uint256 after_ = to + 1; after_ > from; --after_) {
            uint256 period = after_ - 1;
            if (Lanes.get56(Lanes.ofPeriod(_reserved[_key(period, group)], period), lane) != 0) return period;
        }
        return 0;
    }

    /// @inheritdoc IClearingHouse
    function settling(uint256 period) external view returns (bool) {
        Period storage slot = _ring[period % ringSize];
        return slot.period == period && slot.settling;
    }

    /// @notice The period in a ring slot with its holds and open trades
    function periodAt(uint256 slot) external view returns (Period memory) {
        return _ring[slot];
    }

    /// @notice Σ accounts below `limit` + Σ holds + Σ open trades − currency held here; zero, always
    /// @param limit The registry's seat limit, or above it
    function moneySum(uint256 limit) external view returns (int256 sum) {
        for (uint256 account = 1; account < limit; ++account) {
            sum += balanceOf(account);
        }
        for (uint256 slot; slot < ringSize; ++slot) {
            sum += int256(uint256(_ring[slot].holdsMicroEur)) + _ring[slot].tradesMicroEur;
        }
        sum -= currency.balanceOf(address(this)).toInt256();
    }

    /// @dev µEUR in 56-bit lanes
    function _held(Period memory slot, uint256 reserved, uint256 positions) private pure returns (uint256) {
        unchecked {
            // Never below zero: what is bought was reserved, and the hold rate is the retail price and a fee.
            return Lanes.intos(reserved) * slot.holdMicroEurPerWh
                - Lanes.intos(positions) * slot.retailMicroEurPerWh;
        }
    }

    function _slotOf(uint256 period) private view returns (Period storage slot) {
        slot = _ring[period % ringSize];
        if (slot.period != period) revert PeriodNotActive(period, slot.period);
    }

    function _key(uint256 period, uint256 group) private view returns (uint256) {
        return ((period % ringSize) << 64) | group;
    }
}
