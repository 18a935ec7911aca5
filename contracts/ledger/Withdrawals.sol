// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IPayments} from "../interfaces/IPayments.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {Periods} from "./Periods.sol";

/// @title The way out: money is set aside first, and leaves after a dispute window
/// @notice Pull, never push: only its holder takes money out of an account. It then waits, out of the account, so that a
///         forged reading can be corrected before what it brought is gone: a debt that a correction leaves is paid from
///         it first. All withdrawals wait, not only those of what a settlement brought: money in an account is one sum,
///         and a second balance for what is young would cost every settlement a word a group.
abstract contract Withdrawals is Periods, IPayments {
    /// @notice Money on its way out
    /// @param byModule Whether a payment module takes it, as the account's holder agreed with it
    struct Withdrawal {
        uint32 account;
        address recipient;
        uint64 amountMicroEur;
        uint40 readyAt;
        bool byModule;
    }

    /// @notice Seconds of block time money waits between leaving its account and leaving for good; 0 = none
    uint256 public immutable disputeWindowSeconds;
    /// @notice How many withdrawals there were; they are numbered from 1
    uint256 public withdrawals;
    /// @notice What is set aside on its way out, in µEUR
    uint256 public setAsideMicroEur;

    mapping(uint256 id => Withdrawal) internal _withdrawals;
    /// @inheritdoc IPayments
    mapping(address module => uint256) public receivedBy;
    /// @inheritdoc IPayments
    mapping(address module => mapping(uint256 participant => uint256)) public takenFrom;

    /// @notice Money left an account and waits until `readyAt` (block time)
    event WithdrawalAnnounced(
        uint256 indexed id,
        uint256 indexed account,
        address indexed recipient,
        uint256 amountMicroEur,
        uint256 readyAt
    );
    /// @notice A withdrawal ended: what was paid out, and what its account was in debt and kept
    event WithdrawalFinished(uint256 indexed id, uint256 paidMicroEur, uint256 keptMicroEur);
    /// @notice Money on its way out went back to its account
    event WithdrawalCancelled(uint256 indexed id, uint256 indexed account, uint256 amountMicroEur);
    /// @notice Currency left
    event Withdrawn(uint256 indexed account, address indexed to, uint256 amountMicroEur);

    /// @notice No withdrawal waits under this number
    error NoWithdrawal(uint256 id);
    /// @notice The dispute window of the withdrawal ends then, unix seconds of block time
    error WithdrawalWaits(uint256 id, uint256 readyAt);
    /// @notice Only who holds the account withdraws from it, and is paid
    error NotHolder(uint256 id, uint256 account, address caller);

    constructor(IERC20 currency_, ITariff tariff_, uint256 ringSize_, uint256 disputeWindowSeconds_)
        Periods(currency_, tariff_, ringSize_)
    {
        disputeWindowSeconds = disputeWindowSeconds_;
    }

    /// @notice A withdrawal that is not over; all zero when there is none of that number
    function withdrawalOf(uint256 id) external view returns (Withdrawal memory) {
        return _withdrawals[id];
    }
}
