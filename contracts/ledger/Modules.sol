// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IModules} from "../interfaces/IClearingHouse.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";

/// @title Which contracts may move money and energy, and how one comes to
/// @notice No proxies: a new market is a new module, proposed in public and authorised behind a timelock. What waits is
///         the code that was proposed, and no longer than PROPOSAL_LIFETIME. A module that was revoked takes nothing
///         any more, but still gives back what it holds of others.
abstract contract Modules is IModules {
    /// @dev One slot. `index` is the bit of a market in a period's mask; `marginMicroEur` is what it has in the margin
    ///      account
    struct Module {
        uint8 permissions;
        bool known;
        uint8 index;
        uint96 marginMicroEur;
    }

    struct Proposal {
        uint8 permissions;
        uint64 executableAt;
        bytes32 codehash;
    }

    /// @notice May reserve, book trades and collect the spread
    uint8 public constant MARKET = 1;
    /// @notice May settle and correct, and change positions of settled periods
    uint8 public constant SETTLEMENT = 2;
    /// @notice May take ring slots only
    uint8 public constant ORACLE = 4;
    /// @notice May take free money out of a participant's account, to itself; nothing else
    uint8 public constant PAYMENT = 8;

    /// @notice The most markets at a time: settlement asks each of them
    uint256 public constant MAX_MARKETS = 16;
    /// @notice Seconds a proposal can be authorised for, once its timelock has run
    uint256 public constant PROPOSAL_LIFETIME = 14 days;

    /// @notice Where roles are held
    IParticipantRegistry public immutable registry;
    /// @inheritdoc IModules
    uint256 public immutable timelockSeconds;

    /// @notice What was proposed for a module and is not authorised yet
    mapping(address module => Proposal) public proposalOf;
    mapping(address module => Module) internal _modules;
    /// @dev The market whose reservations, positions and payments stand under an index
    address[MAX_MARKETS] internal _marketAt;
    address[] internal _markets;
    /// @inheritdoc IModules
    bool public isSealed;
    /// @notice Block time of the seal
    uint256 public sealedAt;

    /// @notice A module was proposed, with the code it has; it can be authorised from `executableAt` until `expiresAt`
    ///         (block time), or until `expiresAt` is moved by the seal
    event ModuleProposed(
        address indexed module, uint8 permissions, uint256 executableAt, uint256 expiresAt, bytes32 codehash
    );
    /// @notice A module got its permissions
    event ModuleAuthorised(address indexed module, uint8 permissions);
    /// @notice A module lost all permissions
    event ModuleRevoked(address indexed module);
    /// @notice The setting up is over
    event Sealed();

    /// @notice The caller is no module with this permission: 1 market, 2 settlement, 4 oracle, 8 payment
    error MissingPermission(address module, uint8 permission);
    /// @notice The timelock of a proposed module runs until then, unix seconds of block time
    error TimelockRunning(address module, uint256 executableAt);
    /// @notice The module was not proposed
    error NotProposed(address module);
    /// @notice There is no contract at this address
    error NoCode(address module);
    /// @notice The code at the address is not the code that was proposed; keccak-256 of each
    error CodeChanged(address module, bytes32 proposed, bytes32 found);
    /// @notice The proposal was not carried out in time; unix seconds of block time
    error ProposalExpired(address module, uint256 expiredAt);
    /// @notice The deployment was ended already, at this unix second of block time
    error AlreadySealed(uint256 sealedAt);
    /// @notice Each market has a bit of a period's mask, and all are taken
    error TooManyMarkets(address module, uint256 maximum);

    constructor(IParticipantRegistry registry_, uint256 timelockSeconds_) {
        registry = registry_;
        timelockSeconds = timelockSeconds_;
    }

    modifier onlyModule(uint8 permission) {
        if (_modules[msg.sender].permissions & permission == 0) revert MissingPermission(msg.sender, permission);
        _;
    }

    /// @inheritdoc IModules
    function markets() external view returns (address[] memory) {
        return _markets;
    }

    /// @inheritdoc IModules
    function isMarket(address module) external view returns (bool) {
        return _modules[module].permissions & MARKET != 0;
    }

    /// @inheritdoc IModules
    function permissionsOf(address module) external view returns (uint8) {
        return _modules[module].permissions;
    }

    /// @notice What a module has in the margin account, in µEUR: what it put there and did not take out
    function marginOf(address module) external view returns (uint256) {
        return _modules[module].marginMicroEur;
    }
}
