// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IModules} from "../interfaces/IClearingHouse.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {Roles} from "../libraries/Roles.sol";

/// @title Which contracts may move money and energy, and how one comes to
/// @notice No proxies: a new market is a new module, proposed in public and authorised behind a timelock.
abstract contract Modules is IModules {
    struct Proposal {
        uint8 permissions;
        uint64 executableAt;
    }

    /// @notice May reserve, book trades and collect the spread
    uint8 public constant MARKET = 1;
    /// @notice May settle and correct
    uint8 public constant SETTLEMENT = 2;
    /// @notice May take ring slots only
    uint8 public constant ORACLE = 4;
    /// @notice May take free money out of a participant's account, to itself; nothing else
    uint8 public constant PAYMENT = 8;

    /// @notice The most markets at a time: settlement asks each of them
    uint256 public constant MAX_MARKETS = 16;

    /// @notice Where roles are held
    IParticipantRegistry public immutable registry;
    /// @inheritdoc IModules
    uint256 public immutable timelockSeconds;

    /// @notice Permissions of a module, as bits
    mapping(address module => uint8) public permissionsOf;
    /// @notice What was proposed for a module and is not authorised yet
    mapping(address module => Proposal) public proposalOf;
    address[] private _markets;
    /// @inheritdoc IModules
    bool public isSealed;
    /// @notice Block time of the seal
    uint256 public sealedAt;

    /// @notice A module was proposed; it can be authorised from `executableAt` (block time) on
    event ModuleProposed(address indexed module, uint8 permissions, uint256 executableAt);
    /// @notice A module got its permissions
    event ModuleAuthorised(address indexed module, uint8 permissions);
    /// @notice A module lost all permissions
    event ModuleRevoked(address indexed module);
    /// @notice The setting up is over
    event Sealed();

    error MissingPermission(address module, uint8 permission);
    error TimelockRunning(address module, uint256 executableAt);
    error NotProposed(address module);
    error AlreadySealed(uint256 sealedAt);
    error TooManyMarkets(address module, uint256 maximum);

    constructor(IParticipantRegistry registry_, uint256 timelockSeconds_) {
        registry = registry_;
        timelockSeconds = timelockSeconds_;
    }

    modifier onlyModule(uint8 permission) {
        if (permissionsOf[msg.sender] & permission == 0) revert MissingPermission(msg.sender, permission);
        _;
    }

    /// @notice Proposes a module; it can be authorised once the timelock has run
    function proposeModule(address module, uint8 permissions) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        uint256 executableAt = isSealed ? block.timestamp + timelockSeconds : block.timestamp;
        proposalOf[module] = Proposal(permissions, uint64(executableAt));
        emit ModuleProposed(module, permissions, executableAt);
    }

    /// @notice Authorises a proposed module
    function authoriseModule(address module) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        Proposal memory proposal = proposalOf[module];
        if (proposal.executableAt == 0) revert NotProposed(module);
        // What was proposed before the seal waits as long as what comes after it.
        uint256 earliest = isSealed ? sealedAt + timelockSeconds : 0;
        uint256 executableAt = proposal.executableAt > earliest ? proposal.executableAt : earliest;
        if (block.timestamp < executableAt) revert TimelockRunning(module, executableAt);
        delete proposalOf[module];
        _list(module, proposal.permissions);
        permissionsOf[module] = proposal.permissions;
        emit ModuleAuthorised(module, proposal.permissions);
    }

    /// @notice Takes a module's permissions, and what is proposed for it, at once
    function revokeModule(address module) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        _list(module, 0);
        delete permissionsOf[module];
        delete proposalOf[module];
        emit ModuleRevoked(module);
    }

    /// @inheritdoc IModules
    function markets() external view returns (address[] memory) {
        return _markets;
    }

    /// @dev Keeps the list of markets in step with the permissions a module is about to get
    function _list(address module, uint8 permissions) private {
        bool before = permissionsOf[module] & MARKET != 0;
        bool after_ = permissions & MARKET != 0;
        if (before == after_) return;
        if (after_) {
            if (_markets.length == MAX_MARKETS) revert TooManyMarkets(module, MAX_MARKETS);
            _markets.push(module);
            return;
        }
        uint256 last = _markets.length - 1;
        for (uint256 i; i < last; ++i) {
            if (_markets[i] == module) _markets[i] = _markets[last];
        }
        _markets.pop();
    }

    /// @notice Ends the setting up: from now on the timelock binds
    function seal() external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        if (isSealed) revert AlreadySealed(sealedAt);
        isSealed = true;
        sealedAt = block.timestamp;
        emit Sealed();
    }
}
