// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {AreaKey} from "../libraries/AreaKey.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {SignedLanes} from "../libraries/SignedLanes.sol";
import {DeskCalls} from "./DeskCalls.sol";
import {Positions} from "./Positions.sol";

/// @title Where the money of the market is: trades are booked in it, settlement pays them
/// @notice Invariants, after every transaction. Conservation: Σ accounts + Σ holds + Σ open trades + credits that wait +
///         withdrawals set aside = deposits − withdrawals, which is held here as currency. Solvency: what can be
///         withdrawn now, by all together, is there; what settlement pays beyond cover waits (see Cover).
contract ClearingHouse is Positions {
    using SafeCast for uint256;
    using SafeCast for int256;

    /// @dev What the groups of one call come to
    struct Totals {
        Backing backing;
        Due due;
        uint256 releasedLanes;
        uint256 paidLanes;
        int256 supplierMicroEur;
        int256 dsoMicroEur;
    }

    /// @notice What payers paid above what payees received went to the spread account
    event SpreadCollected(
        uint256 indexed area, uint256 indexed period, address indexed market, uint256 amountMicroEur
    );
    /// @notice Signed 64-bit changes of each group at settlement, without holds and without payments of trades, which
    ///         settlement pays with them; all sum to zero
    event GroupsSettled(
        uint256 indexed area,
        uint256 indexed period,
        uint256[] groups,
        uint256[] deltas,
        int256 supplierMicroEur,
        int256 dsoMicroEur
    );
    /// @notice Signed 64-bit changes of a group by a correction after settlement; all sum to zero
    event GroupCorrected(
        uint256 indexed area,
        uint256 indexed period,
        uint256 group,
        uint256 deltas,
        int256 supplierMicroEur,
        int256 dsoMicroEur
    );
    /// @notice A participant could not pay and owes
    event DebtIncurred(uint256 indexed participant, uint256 indexed period, int256 balanceMicroEur);
    /// @notice A market moved money from one account to another
    event Transferred(address indexed market, uint256 indexed from, uint256 indexed to, uint256 amountMicroEur);
    /// @notice A period of an area is settled; nothing is held in it any more
    event PeriodFinished(uint256 indexed area, uint256 indexed period);

    /// @notice Money would be made or lost: what accounts receive and pay does not come to zero
    error SumNotZero(int256 sumMicroEur);
    /// @notice The spread is not what payers paid and payees did not get: `openMicroEur` would be left
    error SpreadNotPaid(address market, uint256 area, uint256 period, int256 openMicroEur);
    /// @notice A module takes only what it put into the margin account itself
    error MarginOfOthers(address module, uint256 amountMicroEur, uint256 marginMicroEur);
    /// @notice All groups are settled, and the period's holds or trades do not come to zero
    error PeriodHasOpenMoney(uint256 area, uint256 period, uint256 holdsMicroEur, int256 tradesMicroEur);

    constructor(
        IParticipantRegistry registry_,
        IERC20 currency_,
        ITariff tariff_,
        uint256 ringSize_,
        uint256 timelockSeconds_,
        uint256 disputeWindowSeconds_
    ) DeskCalls(registry_, currency_, tariff_, ringSize_, timelockSeconds_, disputeWindowSeconds_) {}

    // --- what markets move ---------------------------------------------------------------------

    /// @inheritdoc IClearingHouse
    function collectSpread(uint256 area, uint256 period, uint256 amountMicroEur) external onlyModule(MARKET) {
        Period storage slot = _slotOf(area, period);
        if (slot.settling) revert PeriodSettling(area, period);
        int256 amount = amountMicroEur.toInt256();
        int256 open = _noteOpen(_key(_modules[msg.sender].index, area, period, 0), period, amount);
        if (open != 0) revert SpreadNotPaid(msg.sender, area, period, open);
        slot.tradesMicroEur = (int256(slot.tradesMicroEur) - amount).toInt48();
        _change(HouseAccounts.SPREAD, amount);
        emit SpreadCollected(area, period, msg.sender, amountMicroEur);
    }

    /// @inheritdoc IClearingHouse
    function transfer(uint256 from, uint256 to, uint256 amountMicroEur) external {
        Module storage module = _modules[msg.sender];
        // A market that was revoked may still give margins back.
        if (module.permissions & MARKET == 0 && !(module.known && from == HouseAccounts.MARGIN)) {
            revert MissingPermission(msg.sender, MARKET);
        }
        _requireAccount(from);
        _requireAccount(to);
        if (from == HouseAccounts.MARGIN) {
            uint96 margin = module.marginMicroEur;
            if (amountMicroEur > margin) revert MarginOfOthers(msg.sender, amountMicroEur, margin);
            module.marginMicroEur = margin - uint96(amountMicroEur);
        }
        _requireSpendable(from, amountMicroEur);
        _change(from, -amountMicroEur.toInt256());
        _change(to, amountMicroEur.toInt256());
        if (to == HouseAccounts.MARGIN) module.marginMicroEur += uint96(amountMicroEur);
        emit Transferred(msg.sender, from, to, amountMicroEur);
    }

    // --- settlement ----------------------------------------------------------------------------

    /// @inheritdoc IClearingHouse
    function settle(
        uint256 area,
        uint256 period,
        uint256[] calldata groups,
        uint256[] calldata deltas,
        int256[] calldata suppliersMicroEur,
        int256 dsoMicroEur
    ) external onlyModule(SETTLEMENT) {
        Period memory slot = _slotOf(area, period);
        Totals memory totals;
        totals.backing = _backing();
        totals.due = _duesOf(slot, area);
        for (uint256 i; i < groups.length; ++i) {
            _settleGroup(slot, totals, groups[i], deltas[i], suppliersMicroEur[i]);
        }
        if (totals.dsoMicroEur != dsoMicroEur) revert SumNotZero(dsoMicroEur - totals.dsoMicroEur);
        _bookTotals(area, slot, totals);
        emit GroupsSettled(area, period, groups, deltas, totals.supplierMicroEur, dsoMicroEur);
    }

    function _bookTotals(uint256 area, Period memory slot, Totals memory totals) private {
        _change(HouseAccounts.SUPPLIER, totals.supplierMicroEur);
        _change(HouseAccounts.dsoOf(area), totals.dsoMicroEur);
        slot.holdsMicroEur =
            _toUint56(int256(uint256(slot.holdsMicroEur)) - SignedLanes.sum(totals.releasedLanes));
        slot.tradesMicroEur = (int256(slot.tradesMicroEur) - SignedLanes.sum(totals.paidLanes)).toInt48();
        slot.settling = true;
        _ring[AreaKey.inSlot(slot.period % ringSize, area)] = slot;
    }

    /// @dev Gives back what is held of each lane, pays its trades, and changes its account
    function _settleGroup(
        Period memory slot,
        Totals memory totals,
        uint256 group,
        uint256 deltas,
        int256 supplierMicroEur
    ) private {
        (uint256 held, uint256 paid) = _dueOf(slot, totals.due, group);
        uint256 before = _balances[group];
        uint256 four;
        unchecked {
            uint256 changes = SignedLanes.add(SignedLanes.add(held, paid), deltas);
            four = SignedLanes.add(before, changes);
            if (!SignedLanes.within(before, changes, four)) four = _withChanges(group, before, changes);
            totals.releasedLanes += held; // 46 bits each
            totals.paidLanes = SignedLanes.add(totals.paidLanes, paid); // and 46 with sign
            totals.supplierMicroEur += supplierMicroEur;
            int256 dsoMicroEur = -SignedLanes.sum(deltas) - supplierMicroEur; // nothing is left over
            totals.dsoMicroEur += dsoMicroEur;
            _note(totals.backing, supplierMicroEur, dsoMicroEur);
        }
        if (SignedLanes.anyBelow0(before | four) || _strengthOf(totals.backing) < 0) {
            four = _writeSettled(slot.period, group, before, four, deltas, totals.backing);
            if (SignedLanes.anyBelow0(four)) _reportDebts(slot.period, group, four, held | deltas);
        } else {
            _balances[group] = four; // the usual case: nobody is below zero, and there is cover
        }
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
        uint256 area,
        uint256 period,
        uint256 group,
        uint256 deltas,
        int256 supplierMicroEur,
        int256 dsoMicroEur
    ) external onlyModule(SETTLEMENT) {
        int256 sum = SignedLanes.sum(deltas) + supplierMicroEur + dsoMicroEur;
        if (sum != 0) revert SumNotZero(sum);
        uint256 before = _balances[group];
        Backing memory backing = _backing();
        _note(backing, supplierMicroEur, dsoMicroEur);
        uint256 four = _writeSettled(period, group, before, _withChanges(group, before, deltas), deltas, backing);
        if (SignedLanes.anyBelow0(four)) _reportDebts(period, group, four, deltas);
        _change(HouseAccounts.SUPPLIER, supplierMicroEur);
        _change(HouseAccounts.dsoOf(area), dsoMicroEur);
        emit GroupCorrected(area, period, group, deltas, supplierMicroEur, dsoMicroEur);
    }

    /// @inheritdoc IClearingHouse
    /// @dev Payers have paid what payees and the spread account got. What is left is the spread of a book that became void
    ///      after it was collected: that goes back
    function finishArea(uint256 area, uint256 period) external onlyModule(SETTLEMENT) {
        Period storage slot = _slotOf(area, period);
        slot.settled = true;
        if (slot.holdsMicroEur != 0) {
            revert PeriodHasOpenMoney(area, period, slot.holdsMicroEur, slot.tradesMicroEur);
        }
        if (slot.tradesMicroEur != 0) {
            _change(HouseAccounts.SPREAD, slot.tradesMicroEur);
            slot.tradesMicroEur = 0;
        }
        emit PeriodFinished(area, period);
    }
}
