// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IMoneyAccounts} from "../interfaces/IClearingHouse.sol";
import {IPayments} from "../interfaces/IPayments.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Roles} from "../libraries/Roles.sol";
import {SignedLanes} from "../libraries/SignedLanes.sol";
import {Modules} from "./Modules.sol";

/// @title Internal money accounts of participants and of the house, four to a storage word
/// @notice An account holds free money; below zero it is in debt. What comes in pays the debt off first,
///         being the same number. Pull, never push: money leaves only by its holder's withdrawal.
abstract contract MoneyAccounts is Modules, IPayments {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using SafeCast for int256;

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

    /// @notice Sum of what accounts are below zero: what the house accounts together have to keep
    uint256 public debtsMicroEur;

    mapping(uint256 group => uint256 fourBalances) internal _balances;

    /// @notice Currency came into an account
    event Deposited(uint256 indexed account, address indexed from, uint256 amountMicroEur);
    /// @notice Currency left an account
    event Withdrawn(uint256 indexed account, address indexed to, uint256 amountMicroEur);
    /// @notice A participant's credit standing was set
    event CreditLimitSet(uint256 indexed participant, uint256 limitMicroEur);

    error InsufficientMoney(uint256 participant, int256 freeMicroEur, uint256 neededMicroEur);
    error CreditLimitOutOfRange(uint256 participant, uint256 limitMicroEur, uint256 maximumMicroEur);
    error LengthsDiffer(uint256 a, uint256 b);
    error UnknownAccount(uint256 account);
    error MarginIsHeldForOthers(uint256 account);
    error BalanceOutOfRange(uint256 account, int256 balanceMicroEur);
    error DebtsOutstanding(uint256 account, uint256 amountMicroEur, uint256 houseMicroEur, uint256 debtsMicroEur);
    error CurrencyShort(uint256 account, uint256 amountMicroEur, uint256 heldMicroEur);

    constructor(IERC20 currency_) {
        currency = currency_;
    }

    /// @notice Brings currency of the caller into accounts: its own, or anyone's
    function deposit(uint256[] calldata accounts, uint256[] calldata amountsMicroEur) external {
        if (accounts.length != amountsMicroEur.length) revert LengthsDiffer(accounts.length, amountsMicroEur.length);
        uint256 total;
        for (uint256 i; i < accounts.length; ++i) {
            uint256 account = accounts[i];
            _requireAccount(account);
            if (account == HouseAccounts.MARGIN) revert MarginIsHeldForOthers(account);
            total += amountsMicroEur[i];
            _change(account, amountsMicroEur[i].toInt256());
            emit Deposited(account, msg.sender, amountsMicroEur[i]);
        }
        depositsMicroEur += total;
        currency.safeTransferFrom(msg.sender, address(this), total);
    }

    /// @notice Takes free money of the caller's own account out
    function withdraw(uint256 amountMicroEur) external {
        _withdraw(registry.numberOf(msg.sender), amountMicroEur);
    }

    /// @inheritdoc IPayments
    function collect(uint256 participant, uint256 amountMicroEur) external onlyModule(PAYMENT) {
        if (participant < HouseAccounts.FIRST_PARTICIPANT) revert UnknownAccount(participant);
        _withdraw(participant, amountMicroEur);
    }

    /// @notice Takes money of a named account out: the DSO, the TSO, the supplier, or for the others the operator. As
    ///         much as participants owe stays with the house accounts together, so that what others have is there for
    ///         them; the TSO's account is none of those, but money it brought in to buy with
    function withdrawHouse(uint256 account, uint256 amountMicroEur) external {
        registry.requireRole(_holderOf(account), msg.sender);
        if (account == 0 || account >= HouseAccounts.FIRST_PARTICIPANT) revert UnknownAccount(account);
        if (account == HouseAccounts.MARGIN) revert MarginIsHeldForOthers(account);
        _requireFree(account, amountMicroEur);
        if (account != HouseAccounts.TSO) _requireDebtsCovered(account, amountMicroEur);
        _withdraw(account, amountMicroEur);
    }

    function _holderOf(uint256 account) private pure returns (bytes32) {
        if (account == HouseAccounts.DSO) return Roles.DSO;
        if (account == HouseAccounts.SUPPLIER) return Roles.SUPPLIER;
        return account == HouseAccounts.TSO ? Roles.TSO : Roles.OPERATOR;
    }

    function _requireDebtsCovered(uint256 account, uint256 amountMicroEur) private view {
        uint256 house = _houseMoney();
        if (house < debtsMicroEur + amountMicroEur) {
            revert DebtsOutstanding(account, amountMicroEur, house, debtsMicroEur);
        }
    }

    /// @dev What the house accounts have, without margins and the TSO's money, which belong to others
    function _houseMoney() private view returns (uint256 sum) {
        for (uint256 account = HouseAccounts.DSO; account < HouseAccounts.MARGIN; ++account) {
            int256 balance = balanceOf(account);
            if (balance > 0) sum += uint256(balance);
        }
    }

    /// @notice Sets how far below zero a participant's orders may take its account
    function setCreditLimit(uint256 participant, uint256 limitMicroEur) external {
        registry.requireRole(Roles.TREASURER, msg.sender);
        if (participant < HouseAccounts.FIRST_PARTICIPANT) revert UnknownAccount(participant);
        _requireAccount(participant);
        if (limitMicroEur > MAX_CREDIT) revert CreditLimitOutOfRange(participant, limitMicroEur, MAX_CREDIT);
        creditLimitOf[participant] = limitMicroEur;
        emit CreditLimitSet(participant, limitMicroEur);
    }

    /// @inheritdoc IMoneyAccounts
    function balanceOf(uint256 account) public view returns (int256) {
        return Lanes.getInt64(_balances[Lanes.groupOf(account)], Lanes.laneOf(account));
    }

    /// @notice Free money of every account below `limit`
    function balances(uint256 limit) external view returns (int256[] memory all) {
        all = new int256[](limit);
        for (uint256 account; account < limit; ++account) {
            all[account] = balanceOf(account);
        }
    }

    function _requireFree(uint256 account, uint256 amountMicroEur) internal view {
        int256 free = balanceOf(account);
        if (free < amountMicroEur.toInt256()) revert InsufficientMoney(account, free, amountMicroEur);
    }

    function _withdraw(uint256 account, uint256 amountMicroEur) private {
        _requireFree(account, amountMicroEur);
        uint256 held = currency.balanceOf(address(this));
        if (held < amountMicroEur) revert CurrencyShort(account, amountMicroEur, held);
        _change(account, -amountMicroEur.toInt256());
        withdrawalsMicroEur += amountMicroEur;
        emit Withdrawn(account, msg.sender, amountMicroEur);
        currency.safeTransfer(msg.sender, amountMicroEur);
    }

    function _change(uint256 account, int256 byMicroEur) internal {
        uint256 group = Lanes.groupOf(account);
        uint256 lane = Lanes.laneOf(account);
        uint256 four = _balances[group];
        int256 balance = Lanes.getInt64(four, lane) + byMicroEur;
        _setBalances(group, four, _withBalance(four, lane, account, balance));
    }

    /// @dev Writes the four balances of a group, which were `before`
    function _setBalances(uint256 group, uint256 before, uint256 four) internal {
        _balances[group] = four;
        if (SignedLanes.anyBelow0(before | four)) _noteDebts(_owedIn(four) - _owedIn(before));
    }

    function _owedIn(uint256 four) private pure returns (int256) {
        return -SignedLanes.sum(four & SignedLanes.below0(four));
    }

    function _noteDebts(int256 moreMicroEur) private {
        if (moreMicroEur != 0) debtsMicroEur = (debtsMicroEur.toInt256() + moreMicroEur).toUint256();
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
        if (!house && registry.accountOf(account) == address(0)) revert UnknownAccount(account);
    }
}
