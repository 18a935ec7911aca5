// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {Roles} from "../libraries/Roles.sol";

/// @title Roles: given behind a timelock, taken at once, and never all gone
/// @notice While a market is set up its admin gives roles at once. From the seal of its clearing house on, a role is
///         proposed in public and given once the timelock has run, within a bounded time; a proposal can be withdrawn.
///         Taking a role is immediate, but for an admin's: that one is proposed too, so that who stole the key of one
///         admin cannot put out the others. Admin and operator are taken up by the account that gets them, so that
///         none of them goes to a key that nobody has, and the last of each cannot leave.
abstract contract Offices is AccessControl, IParticipantRegistry {
    /// @notice How long a proposal can be carried out once its timelock has run
    uint256 public constant PROPOSAL_LIFE_SECONDS = 14 days;
    /// @notice What the removal of an admin is proposed as, in the place of a role
    bytes32 public constant ADMIN_REMOVAL = keccak256("ADMIN_REMOVAL");

    /// @inheritdoc IParticipantRegistry
    IClearingHouse public clearingHouse;
    /// @notice How many accounts hold a role
    mapping(bytes32 role => uint256) public holdersOf;
    /// @notice How many roles of the market's service an account holds; an aggregator's is none, but a participant's
    mapping(address account => uint256) public officesOf;
    /// @notice When a proposed role can be given, in block time; 0 = not proposed
    mapping(bytes32 role => mapping(address account => uint256)) public roleExecutableAt;

    /// @notice A role (or ADMIN_REMOVAL) was proposed for an account; block time from which and until when it can be
    ///         carried out
    event RoleProposed(bytes32 indexed role, address indexed account, uint256 executableAt, uint256 expiresAt);
    /// @notice What was proposed for an account will not be done
    event RoleProposalWithdrawn(bytes32 indexed role, address indexed account);

    /// @notice The deployment has not ended: the timelock does not hold yet
    error NotSealed();
    /// @notice The role was not proposed for this account
    error RoleNotProposed(bytes32 role, address account);
    /// @notice The timelock of the role runs until then, unix seconds of block time
    error RoleTimelockRunning(bytes32 role, address account, uint256 executableAt);
    /// @notice The proposal was not carried out in time; unix seconds of block time
    error RoleProposalExpired(bytes32 role, address account, uint256 expiredAt);
    /// @notice Nobody else has this role, and a market cannot do without it
    error LastHolder(bytes32 role, address account);
    /// @notice Only who has this role gives it up at once; it is taken behind the timelock
    error OnlyItself(bytes32 role, address account, address caller);
    /// @notice A participant's account cannot have a role of the market's service
    error ParticipantHoldsNoOffice(address account, uint256 participant, bytes32 role);

    /// @notice Proposes a role for an account: an admin may, or of a gateway the operator. Giving it afterwards is
    ///         `grantRole`, of a gateway also `addGateway`
    function proposeRole(bytes32 role, address account) external {
        _requireMayGive(role);
        _propose(role, account);
    }

    /// @notice Proposes to take an admin's role; `revokeRole` does it afterwards
    function proposeRemoval(address admin) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (!hasRole(DEFAULT_ADMIN_ROLE, admin)) revert MissingRole(admin, DEFAULT_ADMIN_ROLE);
        _propose(ADMIN_REMOVAL, admin);
    }

    /// @notice Withdraws what was proposed for an account; whoever may propose it may
    function withdrawRole(bytes32 role, address account) external {
        _requireMayGive(role);
        if (roleExecutableAt[role][account] == 0) revert RoleNotProposed(role, account);
        delete roleExecutableAt[role][account];
        emit RoleProposalWithdrawn(role, account);
    }

    /// @notice Gives a role: while the market is set up an admin may at once; afterwards what was proposed, by an admin,
    ///         and of an admin's and the operator's role by the account that gets it
    function grantRole(bytes32 role, address account) public override(AccessControl, IAccessControl) {
        if (!_sealed()) {
            super.grantRole(role, account);
            return;
        }
        if (!_mustStay(role)) _checkRole(getRoleAdmin(role));
        else if (msg.sender != account) revert OnlyItself(role, account, msg.sender);
        _takeProposal(role, account);
        _grantRole(role, account);
    }

    /// @notice Takes a role at once; an admin's, once the market is sealed, after it was proposed
    function revokeRole(bytes32 role, address account) public override(AccessControl, IAccessControl) {
        if (role == DEFAULT_ADMIN_ROLE && _sealed()) _takeProposal(ADMIN_REMOVAL, account);
        super.revokeRole(role, account);
    }

    function _requireMayGive(bytes32 role) private view {
        bool ofGateways = role == Roles.GATEWAY && hasRole(Roles.OPERATOR, msg.sender);
        if (!ofGateways) _checkRole(getRoleAdmin(role));
    }

    function _propose(bytes32 role, address account) private {
        if (!_sealed()) revert NotSealed();
        uint256 executableAt = block.timestamp + clearingHouse.timelockSeconds();
        roleExecutableAt[role][account] = executableAt;
        emit RoleProposed(role, account, executableAt, executableAt + PROPOSAL_LIFE_SECONDS);
    }

    /// @dev Uses a proposal up whose time has come
    function _takeProposal(bytes32 role, address account) internal {
        uint256 executableAt = roleExecutableAt[role][account];
        if (executableAt == 0) revert RoleNotProposed(role, account);
        if (block.timestamp < executableAt) revert RoleTimelockRunning(role, account, executableAt);
        uint256 expiresAt = executableAt + PROPOSAL_LIFE_SECONDS;
        if (block.timestamp >= expiresAt) revert RoleProposalExpired(role, account, expiresAt);
        delete roleExecutableAt[role][account];
    }

    /// @dev Who calls is told by its roles first and by its number second: nobody is both
    function _grantRole(bytes32 role, address account) internal virtual override returns (bool given) {
        uint256 participant = _numberAt(account);
        if (_isOffice(role) && participant != 0) revert ParticipantHoldsNoOffice(account, participant, role);
        given = super._grantRole(role, account);
        if (!given) return false;
        ++holdersOf[role];
        if (_isOffice(role)) ++officesOf[account];
    }

    function _revokeRole(bytes32 role, address account) internal virtual override returns (bool taken) {
        if (_mustStay(role) && hasRole(role, account) && holdersOf[role] == 1) revert LastHolder(role, account);
        taken = super._revokeRole(role, account);
        if (!taken) return false;
        --holdersOf[role];
        if (_isOffice(role)) --officesOf[account];
    }

    function _mustStay(bytes32 role) private pure returns (bool) {
        return role == DEFAULT_ADMIN_ROLE || role == Roles.OPERATOR;
    }

    function _isOffice(bytes32 role) private pure returns (bool) {
        return role != Roles.AGGREGATOR;
    }

    /// @dev Whether the market is set up: the timelock binds with that of its modules
    function _sealed() internal view returns (bool) {
        return address(clearingHouse) != address(0) && clearingHouse.isSealed();
    }

    /// @dev Number of the participant behind an account; 0 = none
    function _numberAt(address account) internal view virtual returns (uint256);
}
