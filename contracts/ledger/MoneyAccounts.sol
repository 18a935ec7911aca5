// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IMoneyAccounts} from "../interfaces/IClearingHouse.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {SignedLanes} from "../libraries/SignedLanes.sol";
import {Modules} from "./Modules.sol";

/// @title Internal money accounts of participants and of the house, four to a storage word
/// @notice An account holds free money; below zero it is in debt. What comes in pays the debt off first,
///         being the same number.
abstract contract MoneyAccounts is Modules, IMoneyAccounts {
    using SafeCast for uint256;
    using SafeCast for int256;

    /// @dev One slot; with what the DSOs of the areas above 0 have together, so that cover is known without looking at each
    struct Owed {
        uint88 debtsMicroEur;
        uint88 waitingMicroEur;
        int80 areaDsosMicroEur;
    }

    /// @notice Highest credit limit: 281 M EUR, so that a balance stays inside its 64 bits
    uint256 public constant MAX_CREDIT = type(uint48).max;

    /// @notice The settlement currency
    IERC20 public immutable currency;
    /// @notice Currency ever brought in
    uint256 public depositsMicroEur;
    /// @notice Currency ever taken out
    uint256 public withdrawalsMicroEur;
    /// @notice How far below zero a participant's orders may take its account
    mapping(uint256 participant => uint256) public creditLimitOf;

    /// @dev Of the four accounts among which the TSO's is
    uint256 private constant TSO_LANE = uint256(type(uint64).max) << 192;

    Owed internal _owed;
    mapping(uint256 group => uint256 fourBalances) internal _balances;

    /// @notice Currency came into an account
    event Deposited(uint256 indexed account, address indexed from, uint256 amountMicroEur);
    /// @notice A participant's credit standing was set
    event CreditLimitSet(uint256 indexed participant, uint256 limitMicroEur);

    /// @notice The free money of an account, its credit with it, is less than what is needed
    error InsufficientMoney(uint256 participant, int256 freeMicroEur, uint256 neededMicroEur);
    /// @notice A credit limit above the highest one
    error CreditLimitOutOfRange(uint256 participant, uint256 limitMicroEur, uint256 maximumMicroEur);
    /// @notice Two lists that belong together differ in length
    error LengthsDiffer(uint256 a, uint256 b);
    /// @notice No participant and no named party has this account
    error UnknownAccount(uint256 account);
    /// @notice The margin account is money of others: nobody pays in or takes out by hand
    error MarginIsHeldForOthers(uint256 account);
    /// @notice A balance would leave what an account can hold
    error BalanceOutOfRange(uint256 account, int256 balanceMicroEur);

    constructor(IERC20 currency_) {
        currency = currency_;
    }

    /// @inheritdoc IMoneyAccounts
    function balanceOf(uint256 account) public view returns (int256) {
        return Lanes.getInt64(_balances[Lanes.groupOf(account)], Lanes.laneOf(account));
    }

    /// @notice Sum of what participants and the TSO are below zero, in µEUR
    function debtsMicroEur() external view returns (uint256) {
        return _owed.debtsMicroEur;
    }

    function _requireFree(uint256 account, uint256 amountMicroEur) internal view {
        int256 free = balanceOf(account);
        if (free < amountMicroEur.toInt256()) revert InsufficientMoney(account, free, amountMicroEur);
    }

    function _change(uint256 account, int256 byMicroEur) internal {
        if (byMicroEur == 0) return;
        uint256 group = Lanes.groupOf(account);
        uint256 lane = Lanes.laneOf(account);
        if (account > HouseAccounts.AREA_DSOS) {
            _owed.areaDsosMicroEur = (int256(_owed.areaDsosMicroEur) + byMicroEur).toInt80();
        }
        uint256 four = _balances[group];
        int256 balance = Lanes.getInt64(four, lane) + byMicroEur;
        _setBalances(group, four, _withBalance(four, lane, account, balance));
    }

    /// @dev Writes the four balances of a group, which were `before`; returns how much more is owed
    function _setBalances(uint256 group, uint256 before, uint256 four) internal returns (int256 moreOwed) {
        _balances[group] = four;
        if (!SignedLanes.anyBelow0(before | four)) return 0;
        bool house = group < Lanes.groupOf(HouseAccounts.FIRST_PARTICIPANT)
            || group >= Lanes.groupOf(HouseAccounts.AREA_DSOS);
        if (house) {
            // What a house account is below zero is no debt: it counts against cover and house money. The TSO's is none
            // of these, and a review may take it there.
            uint256 counted = group == Lanes.groupOf(HouseAccounts.TSO) ? TSO_LANE : 0;
            (before, four) = (before & counted, four & counted);
        }
        moreOwed = _moreOwed(before, four);
        if (moreOwed != 0) {
            _owed.debtsMicroEur = (int256(uint256(_owed.debtsMicroEur)) + moreOwed).toUint256().toUint88();
        }
    }

    function _moreOwed(uint256 before, uint256 four) internal pure returns (int256) {
        return SignedLanes.sum(before & SignedLanes.below0(before)) - SignedLanes.sum(four & SignedLanes.below0(four));
    }

    /// @dev `four` with one balance replaced; refuses what 64 bits do not hold
    function _withBalance(uint256 four, uint256 lane, uint256 account, int256 balance)
        internal
        pure
        returns (uint256)
    {
        if (balance != int64(balance)) revert BalanceOutOfRange(account, balance);
        return Lanes.setInt64(four, lane, balance);
    }

    /// @dev `four` balances of a group, each changed by its signed 64-bit lane of `changes`; refuses what 64 bits do
    ///      not hold
    function _withChanges(uint256 group, uint256 four, uint256 changes) internal pure returns (uint256 changed) {
        changed = SignedLanes.add(four, changes);
        if (SignedLanes.within(four, changes, changed)) return changed;
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            int256 balance = Lanes.getInt64(four, lane) + Lanes.getInt64(changes, lane);
            _withBalance(four, lane, Lanes.participantAt(group, lane), balance);
        }
    }

    function _requireAccount(uint256 account) internal view {
        bool house = account != 0 && account < HouseAccounts.FIRST_PARTICIPANT;
        if (house) return;
        bool known = account > HouseAccounts.AREA_DSOS
            ? HouseAccounts.areaOfDso(account) < registry.areaCount()
            : registry.accountOf(account) != address(0);
        if (!known) revert UnknownAccount(account);
    }
}
