// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IMoneyAccounts} from "../interfaces/IClearingHouse.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {MoneyAccounts} from "./MoneyAccounts.sol";

/// @title What stands behind the money in the accounts, and the credits that wait for it
/// @notice The supplier stands in for the feed-in it owes and for what its customers do not pay, as a balance responsible
///         supplier does: cover = its account + credits that wait − what participants and the TSO owe. A settlement or correction
///         never pays out what is not there: where cover would fall below zero, what it credits waits, and nobody else's
///         money pays it. Invariant: cover + the other house accounts >= 0, so that whatever is in an account of a
///         participant, of a margin or of the TSO is there as currency. The reference is `gridbourse.model.ledger`.
abstract contract Cover is MoneyAccounts {
    using SafeCast for uint256;
    using SafeCast for int256;

    /// @dev What is behind the accounts while groups are settled one after the other
    struct Backing {
        int256 coverMicroEur;
        int256 houseMicroEur;
    }

    /// @notice What settlements and corrections credited to a participant and cover did not reach for, in µEUR
    mapping(uint256 participant => uint256) public waitingOf;

    /// @notice A credit of a settlement or correction waits: it is not in the account, but owed by the supplier
    event CreditWaits(uint256 indexed participant, uint256 indexed period, uint256 amountMicroEur);
    /// @notice A credit that waited came into its account
    event WaitingPaid(uint256 indexed participant, uint256 amountMicroEur);

    /// @notice What a house account would give away is needed to cover what participants owe
    error HouseMustCover(uint256 account, uint256 amountMicroEur, int256 coverMicroEur, int256 houseMicroEur);
    /// @notice More credit would be drawn on than the supplier stands in for; `coverMicroEur` would be what is left
    error CreditNotCovered(uint256 group, uint256 creditMicroEur, int256 coverMicroEur);

    constructor(IERC20 currency_) MoneyAccounts(currency_) {}

    // --- what is behind the accounts -----------------------------------------------------------

    /// @notice The supplier's account, and what waits for it, less what participants and the TSO owe, in µEUR
    function coverMicroEur() external view returns (int256) {
        return _backing().coverMicroEur;
    }

    /// @notice Sum of the credits that wait, in µEUR
    function waitingMicroEur() external view returns (uint256) {
        return _owed.waitingMicroEur;
    }

    /// @inheritdoc IMoneyAccounts
    function spendableOf(uint256 account) public view returns (uint256) {
        int256 most = balanceOf(account);
        if (account == HouseAccounts.MARGIN) return 0; // of the modules that put it there
        if (_isHouse(account)) {
            Backing memory backing = _backing();
            int256 backed = backing.houseMicroEur;
            if (account == HouseAccounts.SUPPLIER) backed = backed < 0 ? int256(0) : backing.coverMicroEur;
            else if (backing.coverMicroEur < 0) backed += backing.coverMicroEur;
            if (backed < most) most = backed;
        }
        return most < 0 ? 0 : uint256(most);
    }

    /// @dev Accounts whose money has to cover what participants owe. The TSO's is none of them, but money it brought in
    ///      to buy with
    function _isHouse(uint256 account) internal pure returns (bool) {
        return account < HouseAccounts.MARGIN || account > HouseAccounts.AREA_DSOS;
    }

    function _backing() internal view returns (Backing memory) {
        uint256 first = _balances[Lanes.groupOf(HouseAccounts.DSO)];
        uint256 second = _balances[Lanes.groupOf(HouseAccounts.ROUNDING)];
        Owed memory owed = _owed;
        return Backing(
            Lanes.getInt64(first, HouseAccounts.SUPPLIER) + int256(uint256(owed.waitingMicroEur))
                - int256(uint256(owed.debtsMicroEur)),
            Lanes.getInt64(first, HouseAccounts.DSO) + Lanes.getInt64(first, HouseAccounts.OPERATOR)
                + Lanes.getInt64(second, Lanes.laneOf(HouseAccounts.ROUNDING))
                + Lanes.getInt64(second, Lanes.laneOf(HouseAccounts.SPREAD)) + owed.areaDsosMicroEur
        );
    }

    /// @dev What can be credited before credits wait: cover, less what other house accounts are below zero
    function _strengthOf(Backing memory backing) internal pure returns (int256) {
        return backing.houseMicroEur < 0
            ? backing.coverMicroEur + backing.houseMicroEur
            : backing.coverMicroEur;
    }

    // --- what may go out -----------------------------------------------------------------------

    /// @dev Whether an account may give an amount away: out of its own, and of a house account only what is not needed to
    ///      cover what participants owe
    function _requireSpendable(uint256 account, uint256 amountMicroEur) internal view {
        _requireFree(account, amountMicroEur);
        if (_isHouse(account)) _requireHouseCovers(account, amountMicroEur);
    }

    function _requireHouseCovers(uint256 account, uint256 amountMicroEur) internal view {
        Backing memory backing = _backing();
        int256 amount = amountMicroEur.toInt256();
        (int256 cover, int256 house) = (backing.coverMicroEur, backing.houseMicroEur);
        if (account == HouseAccounts.SUPPLIER) cover -= amount;
        else house -= amount;
        bool covers = (cover < 0 ? cover : int256(0)) + house >= 0;
        if (!covers || (account == HouseAccounts.SUPPLIER && cover < 0)) {
            revert HouseMustCover(account, amountMicroEur, backing.coverMicroEur, backing.houseMicroEur);
        }
    }

    /// @dev Credit of the treasurer's lets an order take an account below zero: the supplier's cover lends it
    function _requireCreditCovered(uint256 group, int256 moreOwed) internal view {
        int256 left = _strengthOf(_backing());
        if (left < 0) revert CreditNotCovered(group, uint256(moreOwed), left);
    }

    // --- what waits ----------------------------------------------------------------------------

    /// @dev What the supplier and the DSO get of a group
    function _note(Backing memory backing, int256 supplierMicroEur, int256 dsoMicroEur) internal pure {
        unchecked {
            backing.coverMicroEur += supplierMicroEur;
            backing.houseMicroEur += dsoMicroEur;
        }
    }

    /// @dev Writes the balances of a group after a settlement or correction, but for the credits that have to wait; what
    ///      the supplier and the DSO get is in `backing`. Group by group in participant order: what waits does not depend
    ///      on how the range was cut into calls.
    ///      `four` are its balances with everything booked, `deltas` what of that is the settlement's or correction's
    function _writeSettled(
        uint256 period,
        uint256 group,
        uint256 before,
        uint256 four,
        uint256 deltas,
        Backing memory backing
    ) internal returns (uint256 written) {
        unchecked {
            backing.coverMicroEur -= _moreOwed(before, four);
        }
        written = _strengthOf(backing) < 0 ? _holdBack(period, group, four, deltas, backing) : four;
        _setBalances(group, before, written);
    }

    /// @dev Takes what a group was credited out of its balances again, as far as it is in them
    function _holdBack(uint256 period, uint256 group, uint256 four, uint256 deltas, Backing memory backing)
        private
        returns (uint256 left)
    {
        left = four;
        uint256 waits;
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            int256 credit = Lanes.getInt64(deltas, lane);
            int256 balance = Lanes.getInt64(four, lane);
            if (balance < credit) credit = balance;
            if (credit <= 0) continue;
            uint256 participant = Lanes.participantAt(group, lane);
            left = Lanes.setInt64(left, lane, balance - credit);
            waitingOf[participant] += uint256(credit);
            waits += uint256(credit);
            emit CreditWaits(participant, period, uint256(credit));
        }
        if (waits == 0) return left;
        _owed.waitingMicroEur += waits.toUint88();
        backing.coverMicroEur += int256(waits);
    }
}
