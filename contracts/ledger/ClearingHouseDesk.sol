// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {IPayments} from "../interfaces/IPayments.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {AreaKey} from "../libraries/AreaKey.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Roles} from "../libraries/Roles.sol";
import {ModuleDesk} from "./ModuleDesk.sol";
import {Modules} from "./Modules.sol";
import {Withdrawals} from "./Withdrawals.sol";

/// @title What people do at the clearing house: bring money, take it out, wait for it, set its modules
/// @notice The code of the clearing house that its markets do not need. One contract may have 24,576 bytes: the clearing
///         house deploys this one when it is deployed itself, and runs its functions on its own storage and money ever
///         after. Nothing can exchange it, and by itself it holds nothing.
contract ClearingHouseDesk is ModuleDesk {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    constructor(
        IParticipantRegistry registry_,
        IERC20 currency_,
        ITariff tariff_,
        uint256 ringSize_,
        uint256 timelockSeconds_,
        uint256 disputeWindowSeconds_
    ) Modules(registry_, timelockSeconds_) Withdrawals(currency_, tariff_, ringSize_, disputeWindowSeconds_) {}

    // --- money in ------------------------------------------------------------------------------

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

    /// @notice Sets how far below zero a participant's orders may take its account. The supplier stands in for it: an
    ///         order draws on credit only as far as there is cover
    function setCreditLimit(uint256 participant, uint256 limitMicroEur) external {
        registry.requireRole(Roles.TREASURER, msg.sender);
        if (!HouseAccounts.isParticipant(participant)) revert UnknownAccount(participant);
        _requireAccount(participant);
        if (limitMicroEur > MAX_CREDIT) revert CreditLimitOutOfRange(participant, limitMicroEur, MAX_CREDIT);
        creditLimitOf[participant] = limitMicroEur;
        emit CreditLimitSet(participant, limitMicroEur);
    }

    /// @notice Pays credits that wait into their accounts, in the order given, as far as cover allows; anyone may
    function payWaiting(uint256[] calldata participants) external {
        for (uint256 i; i < participants.length; ++i) {
            int256 left = _strengthOf(_backing());
            if (left <= 0) return;
            uint256 participant = participants[i];
            uint256 amount = waitingOf[participant];
            if (amount > uint256(left)) amount = uint256(left);
            if (amount == 0) continue;
            waitingOf[participant] -= amount;
            _owed.waitingMicroEur -= amount.toUint88();
            _change(participant, amount.toInt256());
            emit WaitingPaid(participant, amount);
        }
    }

    // --- money out -----------------------------------------------------------------------------

    /// @notice Takes free money of the caller's own account out; without a dispute window it is paid at once
    /// @return id Number of the withdrawal
    function withdraw(uint256 amountMicroEur) external returns (uint256 id) {
        return _announce(registry.numberOf(msg.sender), amountMicroEur, false);
    }

    /// @inheritdoc IPayments
    function collect(uint256 participant, uint256 amountMicroEur)
        external
        onlyModule(PAYMENT)
        returns (uint256 id)
    {
        if (!HouseAccounts.isParticipant(participant)) revert UnknownAccount(participant);
        return _announce(participant, amountMicroEur, true);
    }

    /// @inheritdoc IPayments
    function collectAnnounced(uint256 id, uint256 participant, uint256 most)
        external
        onlyModule(PAYMENT)
        returns (uint256 amount)
    {
        Withdrawal memory due = _withdrawals[id];
        bool its = HouseAccounts.isParticipant(participant) && due.account == participant && !due.byModule;
        if (!its) revert NoWithdrawal(id);
        if (most == 0) return 0;
        _taken(id);
        _change(participant, int256(uint256(due.amountMicroEur)));
        emit WithdrawalCancelled(id, participant, due.amountMicroEur);
        amount = _least(most, _least(due.amountMicroEur, _freeOf(participant)));
        if (amount != 0) _announce(participant, amount, true);
        uint256 rest = _least(due.amountMicroEur - amount, _freeOf(participant));
        if (rest != 0) _setAside(participant, due.recipient, rest, due.readyAt, false);
    }

    /// @notice Takes money of a named account out: the DSO of its area, the TSO, the supplier, or for the others the operator. What
    ///         has to cover what participants owe stays
    /// @return id Number of the withdrawal
    function withdrawHouse(uint256 account, uint256 amountMicroEur) external returns (uint256 id) {
        registry.requireRole(_holderOf(account), msg.sender);
        if (account == 0 || HouseAccounts.isParticipant(account)) revert UnknownAccount(account);
        if (account == HouseAccounts.MARGIN) revert MarginIsHeldForOthers(account);
        return _announce(account, amountMicroEur, false);
    }

    /// @notice Pays a withdrawal out whose window is over, less what its account is in debt; anyone may. Whoever lost its
    ///         account, role or permission meanwhile gets nothing, and a house account waits for cover
    function finishWithdrawal(uint256 id) external {
        _finish(id);
    }

    /// @notice Puts money on its way out back into its account. Its holder may; of what a module takes, the module, or
    ///         the holder once it was revoked
    function cancelWithdrawal(uint256 id) external {
        Withdrawal memory due = _taken(id);
        bool byModule = due.byModule && _modules[due.recipient].permissions & PAYMENT != 0;
        if (byModule ? msg.sender != due.recipient : !_holds(due.account, msg.sender)) {
            revert NotHolder(id, due.account, msg.sender);
        }
        _change(due.account, int256(uint256(due.amountMicroEur)));
        if (due.byModule) takenFrom[due.recipient][due.account] -= due.amountMicroEur;
        emit WithdrawalCancelled(id, due.account, due.amountMicroEur);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice Free money of every account below `limit`
    function balances(uint256 limit) external view returns (int256[] memory all) {
        all = new int256[](limit);
        for (uint256 account; account < limit; ++account) {
            all[account] = balanceOf(account);
        }
    }

    /// @notice Σ accounts below `limit` and of all DSOs + Σ holds + Σ open trades of all areas + credits that wait + withdrawals set aside −
    ///         currency brought in and not taken out; zero, always
    /// @param limit The registry's seat limit, or above it
    function moneySum(uint256 limit) external view returns (int256 sum) {
        for (uint256 account = 1; account < limit; ++account) {
            sum += balanceOf(account);
        }
        uint256 areas = registry.areaCount();
        for (uint256 area; area < areas; ++area) {
            if (area != 0) sum += balanceOf(HouseAccounts.dsoOf(area));
            for (uint256 slot; slot < ringSize; ++slot) {
                Period memory period = _ring[AreaKey.inSlot(slot, area)];
                sum += int256(uint256(period.holdsMicroEur)) + period.tradesMicroEur;
            }
        }
        sum += int256(uint256(_owed.waitingMicroEur)) + setAsideMicroEur.toInt256();
        sum -= (depositsMicroEur - withdrawalsMicroEur).toInt256();
    }

    // --- how money goes ------------------------------------------------------------------------

    function _announce(uint256 account, uint256 amountMicroEur, bool byModule) private returns (uint256 id) {
        _requireSpendable(account, amountMicroEur);
        if (byModule) takenFrom[msg.sender][account] += amountMicroEur;
        id = _setAside(account, msg.sender, amountMicroEur, block.timestamp + disputeWindowSeconds, byModule);
        if (disputeWindowSeconds == 0) _finish(id);
    }

    function _setAside(uint256 account, address recipient, uint256 amountMicroEur, uint256 readyAt, bool byModule)
        private
        returns (uint256 id)
    {
        _change(account, -amountMicroEur.toInt256());
        id = ++withdrawals;
        _withdrawals[id] =
            Withdrawal(uint32(account), recipient, amountMicroEur.toUint64(), uint40(readyAt), byModule);
        setAsideMicroEur += amountMicroEur;
        emit WithdrawalAnnounced(id, account, recipient, amountMicroEur, readyAt);
    }

    function _finish(uint256 id) private {
        Withdrawal memory due = _taken(id);
        if (block.timestamp < due.readyAt) revert WithdrawalWaits(id, due.readyAt);
        if (due.byModule) {
            if (_modules[due.recipient].permissions & PAYMENT == 0) revert MissingPermission(due.recipient, PAYMENT);
        } else if (!_holds(due.account, due.recipient)) {
            revert NotHolder(id, due.account, due.recipient);
        }
        uint256 kept = _debtOf(due.account);
        if (kept > due.amountMicroEur) kept = due.amountMicroEur;
        _change(due.account, int256(kept));
        if (_isHouse(due.account)) _requireHouseCovers(due.account, 0);
        uint256 paid = due.amountMicroEur - kept;
        withdrawalsMicroEur += paid;
        if (due.byModule) {
            receivedBy[due.recipient] += paid;
            takenFrom[due.recipient][due.account] -= kept;
        }
        emit WithdrawalFinished(id, paid, kept);
        emit Withdrawn(due.account, due.recipient, paid);
        currency.safeTransfer(due.recipient, paid);
    }

    /// @dev Takes a withdrawal off the list
    function _taken(uint256 id) private returns (Withdrawal memory due) {
        due = _withdrawals[id];
        if (due.recipient == address(0)) revert NoWithdrawal(id);
        delete _withdrawals[id];
        setAsideMicroEur -= due.amountMicroEur;
    }

    function _freeOf(uint256 account) private view returns (uint256) {
        int256 balance = balanceOf(account);
        return balance > 0 ? uint256(balance) : 0;
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    function _debtOf(uint256 account) private view returns (uint256) {
        int256 balance = balanceOf(account);
        return balance < 0 ? uint256(-balance) : 0;
    }

    /// @dev Whether an account is somebody's: of a participant, or of a house account by role
    function _holds(uint256 account, address who) private view returns (bool) {
        if (HouseAccounts.isParticipant(account)) return registry.accountOf(account) == who;
        return registry.hasRole(_holderOf(account), who);
    }

    function _holderOf(uint256 account) private pure returns (bytes32) {
        if (HouseAccounts.isDso(account)) return Roles.inArea(Roles.DSO, HouseAccounts.areaOfDso(account));
        if (account == HouseAccounts.SUPPLIER) return Roles.SUPPLIER;
        return account == HouseAccounts.TSO ? Roles.TSO : Roles.OPERATOR;
    }
}
