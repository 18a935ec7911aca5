// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {Profile} from "../libraries/Profile.sol";
import {Roles} from "../libraries/Roles.sol";
import {Offices} from "./Offices.sol";

/// @title Another account in the place of a participant's, whose key is lost or stolen
/// @notice Everything follows the number: money, energy, mandate, contracts. The present account proposes the new one,
///         or the operator does while the participant is suspended or no more in the market: so everybody sees it, and
///         whoever still has its key notices. Either may withdraw a proposal: an account is never taken from who has
///         its key and looks once in the time of a veto, and a thief does not take it over while the operator looks.
///         The new account takes over by its own call, so that it is one that somebody has.
abstract contract Successions is Offices {
    /// @notice A proposed account, and from when on it may take over, in block time
    struct Succession {
        address account;
        uint64 executableAt;
    }

    /// @notice How long the present account may object
    uint256 public constant VETO_SECONDS = 7 days;
    /// @notice How long the new account has to take over, from then on
    uint256 public constant SUCCESSION_LIFE_SECONDS = 14 days;

    /// @notice What is proposed for a participant; the zero account: nothing
    mapping(uint256 participant => Succession) public successionOf;

    /// @inheritdoc IParticipantRegistry
    mapping(address former => uint256 participant) public formerlyOf;

    /// @notice An account was proposed in the place of a participant's; block time from which and until when it may take
    ///         over
    event AccountProposed(
        uint256 indexed participant, address indexed account, address by, uint256 executableAt, uint256 expiresAt
    );
    /// @notice The present account objects, or the operator does: nothing changes
    event AccountWithdrawn(uint256 indexed participant, address indexed account, address by);
    /// @notice A participant has another account; the former one is no participant's any more
    event AccountReplaced(uint256 indexed participant, address indexed formerAccount, address indexed account);

    /// @notice Only the participant's own account may do this
    error NotItsAccount(uint256 participant, address caller);
    /// @notice Another account is proposed only for who is not active (see Profile)
    error NotSuspended(uint256 participant, uint256 status);
    /// @notice This account was not proposed for the participant
    error NoSuccession(uint256 participant, address proposed, address caller);
    /// @notice The participant may object until then, unix seconds of block time
    error VetoRunning(uint256 participant, uint256 executableAt);
    /// @notice The proposed account did not take over in time; unix seconds of block time
    error SuccessionExpired(uint256 participant, uint256 expiredAt);

    /// @notice Proposes an account in the place of a participant's: that one may, or the operator while the participant
    ///         is not active. A proposal replaces the one before, and its time begins anew
    function proposeAccount(uint256 participant, address account) external {
        uint256 status = Profile.status(_profileOf(participant));
        if (!_isItsAccount(participant) && status == Profile.ACTIVE) revert NotSuspended(participant, status);
        _requireUnused(account);
        uint256 executableAt = block.timestamp + VETO_SECONDS;
        successionOf[participant] = Succession(account, uint64(executableAt));
        emit AccountProposed(
            participant, account, msg.sender, executableAt, executableAt + SUCCESSION_LIFE_SECONDS
        );
    }

    /// @notice Withdraws what is proposed: the present account and the operator may
    function withdrawAccount(uint256 participant) external {
        _isItsAccount(participant);
        address proposed = successionOf[participant].account;
        if (proposed == address(0)) revert NoSuccession(participant, proposed, msg.sender);
        delete successionOf[participant];
        emit AccountWithdrawn(participant, proposed, msg.sender);
    }

    /// @notice The calling account takes the place it was proposed for
    function takeAccount(uint256 participant) external {
        Succession memory next = successionOf[participant];
        if (next.account != msg.sender) revert NoSuccession(participant, next.account, msg.sender);
        if (block.timestamp < next.executableAt) revert VetoRunning(participant, next.executableAt);
        uint256 expiresAt = next.executableAt + SUCCESSION_LIFE_SECONDS;
        if (block.timestamp >= expiresAt) revert SuccessionExpired(participant, expiresAt);
        _requireUnused(msg.sender);
        delete successionOf[participant];
        address former = accountOf(participant);
        formerlyOf[former] = participant;
        emit AccountReplaced(participant, former, msg.sender);
        _replaceAccount(participant, msg.sender);
    }

    /// @dev False: it is the operator who calls
    function _isItsAccount(uint256 participant) private view returns (bool) {
        if (msg.sender == accountOf(participant)) return true;
        if (!hasRole(Roles.OPERATOR, msg.sender)) revert NotItsAccount(participant, msg.sender);
        return false;
    }

    /// @inheritdoc IParticipantRegistry
    function accountOf(uint256 participant) public view virtual returns (address);

    /// @dev The profile of a participant; refuses a number that was never given
    function _profileOf(uint256 participant) internal view virtual returns (uint256);

    /// @dev Refuses an account that is or was somebody's, or of the market's service
    function _requireUnused(address account) internal view virtual;

    /// @dev Puts the account in the place of the participant's present one
    function _replaceAccount(uint256 participant, address account) internal virtual;
}
