// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse, IPeriods} from "../interfaces/IClearingHouse.sol";
import {IExportPledges} from "../interfaces/IExportPledges.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {Contracts} from "../libraries/Contracts.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {Purposes} from "../libraries/Purposes.sol";
import {Roles} from "../libraries/Roles.sol";
import {AgentLimits} from "./AgentLimits.sol";
import {Memberships} from "./Memberships.sol";
import {Places} from "./Places.sol";
import {Policies} from "./Policies.sol";
import {Successions} from "./Successions.sol";

/// @notice What clock and clearing house have in common
interface IOfRegistry {
    /// @notice The registry it asks
    function registry() external view returns (IParticipantRegistry);
}

/// @title Who may do what, and where each metering point sits in the grid
/// @notice Participants get dense numbers, four to a group, each group in one market area; a number is
///         never given twice. Metering points are pseudonymous: who is behind one is kept off the chain.
contract ParticipantRegistry is Successions, AgentLimits, Memberships, Places, Policies {
    /// @notice What the operator states of a new participant
    /// @param capacityWh What the connection can carry in one delivery period, either way
    struct Registration {
        address account;
        bytes32 meteringPoint;
        uint8 area;
        uint16 zone;
        uint32 capacityWh;
        uint32 fromPeriod;
    }

    struct Participant {
        address account;
        bytes32 meteringPoint;
    }

    /// @dev Groups of an area in participant order, eight to a word, 32 bits each
    struct Groups {
        uint256 count;
        mapping(uint256 word => uint256) words;
    }

    uint256 private constant MAX_GATEWAYS = 4095;

    mapping(uint256 group => uint256 fourProfiles) private _profiles;
    mapping(uint256 number => Participant) private _participants;
    /// @dev Number and, a second time, profile of who has the account: profile: 64 | number: 64
    mapping(address account => uint256) private _members;
    mapping(uint256 area => Groups) private _groups;
    mapping(uint256 area => uint256) private _nextSeat;
    mapping(address gateway => uint256) private _gatewayNumberOf;
    uint256 private _nextGroup = HouseAccounts.FIRST_PARTICIPANT / Lanes.PER_GROUP;
    uint256 private _gateways;
    /// @notice Market time, by which memberships end
    IMarketClock public clock;
    /// @dev First period in which whoever left a metering point is no longer settled there
    mapping(bytes32 meteringPoint => uint32) private _freeFrom;
    /// @notice What a participant's energy is made from, one bit a source: attested, never claimed by the seller
    mapping(uint256 participant => uint256) public sourcesOf;
    /// @notice Where it is written down what of a metering point's export is pledged: it binds who holds the point
    IExportPledges public pledges;

    /// @notice Market clock, clearing house and pledges were named
    event RegistryConnected(address clock, address clearingHouse, address pledges);
    /// @notice An account became a gateway
    event GatewayAdded(uint256 indexed gateway, address indexed account);
    /// @notice A participant got its number; metered and settled here from `fromPeriod` on
    event ParticipantRegistered(
        uint256 indexed participant,
        address indexed account,
        bytes32 indexed meteringPoint,
        uint256 area,
        uint256 zone,
        uint256 capacityWh,
        uint256 fromPeriod
    );
    /// @notice A participant lets a gateway order in its name (0 = nobody)
    event MandateGiven(uint256 indexed participant, uint256 indexed gateway);
    /// @notice A participant may not order until reinstated
    event ParticipantSuspended(uint256 indexed participant);
    /// @notice A participant may order again
    event ParticipantReinstated(uint256 indexed participant);
    /// @notice What a participant's energy is made from was attested, one bit a source
    event SourcesAttested(uint256 indexed participant, uint256 sources);
    /// @notice A participant left for its supplier, or the operator took it out (`by`); settled here before
    ///         `untilPeriod`
    event ParticipantLeft(uint256 indexed participant, uint256 untilPeriod, address by);

    /// @notice No participant has this account
    error UnknownParticipant(address account);
    /// @notice No participant has this number
    error UnknownNumber(uint256 participant);
    /// @notice No gateway has this account and number
    error UnknownGateway(address account, uint256 gateway);
    /// @notice The account is a participant's already
    error AccountTaken(address account, uint256 participant);
    /// @notice The account was a participant's and was replaced: it is nobody's again
    error ReplacedAccount(address account, uint256 participant);
    /// @notice Who left the metering point is settled until this period, the first that is free
    error MeteringPointStillSettled(bytes32 meteringPoint, uint256 untilPeriod);
    /// @notice Another participant is at the metering point
    error MeteringPointTaken(bytes32 meteringPoint, uint256 participant);
    /// @notice The capacity of a connection is above zero, and within what a lane holds, in Wh of a period
    error CapacityOutOfRange(uint256 capacityWh, uint256 maximumWh);
    /// @notice The participant is suspended or has left (see Profile)
    error NotActive(uint256 participant, uint256 status);
    /// @notice The zero address is nobody's account
    error ZeroAccount();
    /// @notice The account has roles of the market's service: it cannot be a participant's
    error HoldsOffice(address account, uint256 offices);
    /// @notice Clock and clearing house are named already, once and for all
    error AlreadyConnected(address clock, address clearingHouse);
    /// @notice Clock and clearing house are not named yet
    error NotConnected();
    /// @notice The contract stands on another registry than this one
    error OtherRegistry(address contract_, address registry);
    /// @notice An area with a member in the period or later cannot be closed from it on
    error AreaHasMembers(uint256 area, uint256 participant, uint256 fromPeriod);

    /// @notice Makes the first operator, who may give and take roles
    constructor(address operator) {
        _grantRole(DEFAULT_ADMIN_ROLE, operator);
        _grantRole(Roles.OPERATOR, operator);
    }

    /// @inheritdoc IParticipantRegistry
    function requireRole(bytes32 role, address account) public view {
        if (!hasRole(role, account)) revert MissingRole(account, role);
    }

    modifier onlyOperator() {
        requireRole(Roles.OPERATOR, msg.sender);
        _;
    }

    // --- places and gateways -------------------------------------------------------------------

    /// @notice Opens a market area: those who clear together
    function addArea(bytes32 name) external onlyOperator returns (uint256 area) {
        return _addArea(name);
    }

    /// @notice Closes an area that has no members from the first period on that takes no orders yet, for good: it has no
    ///         periods from there on, and nobody is registered in it
    function closeArea(uint256 area) external onlyOperator {
        if (address(clock) == address(0)) revert NotConnected();
        uint256 fromPeriod = clock.lastOpenPeriod() + 1;
        uint256[] memory groups = groupsOf(area, 0, type(uint256).max);
        for (uint256 i; i < groups.length; ++i) {
            uint256 member = _memberFrom(groups[i], fromPeriod);
            if (member != 0) revert AreaHasMembers(area, member, fromPeriod);
        }
        _closeArea(area, fromPeriod);
    }

    /// @notice Adds a grid zone: the metering points behind one transformer
    /// @param parent The zone above; 0 for none
    function addZone(bytes32 name, uint16 parent) external onlyOperator returns (uint256 zone) {
        return _addZone(name, parent);
    }

    /// @notice Names an account a gateway: it may bring in the orders of those who gave it a mandate or signed them.
    ///         Once the market is sealed, this role too is proposed before
    function addGateway(address account) external onlyOperator returns (uint256 gateway) {
        if (_gatewayNumberOf[account] != 0) revert AccountTaken(account, _gatewayNumberOf[account]);
        if (_sealed()) _takeProposal(Roles.GATEWAY, account);
        _grantRole(Roles.GATEWAY, account);
        return _gatewayNumberOf[account];
    }

    /// @dev A gateway has its number for good, however it came to its role
    function _grantRole(bytes32 role, address account) internal override returns (bool) {
        if (role == Roles.GATEWAY && _gatewayNumberOf[account] == 0) {
            if (_gateways == MAX_GATEWAYS) revert TooMany("gateways", MAX_GATEWAYS);
            _gatewayNumberOf[account] = ++_gateways;
            emit GatewayAdded(_gateways, account);
        }
        return super._grantRole(role, account);
    }

    /// @notice Opens a purpose to anyone, or closes it again; what somebody has by then it keeps
    function setOpen(bytes32 purpose, bool open) external onlyOperator {
        _setOpen(purpose, open);
    }

    // --- participants --------------------------------------------------------------------------

    /// @notice Registers participants in order; all or none
    /// @return first Number of the first of them; the events hold all
    function register(Registration[] calldata rows) external onlyOperator returns (uint256 first) {
        for (uint256 i; i < rows.length; ++i) {
            uint256 number = _register(rows[i]);
            if (i == 0) first = number;
        }
    }

    function _register(Registration calldata row) private returns (uint256 number) {
        _requireUnused(row.account);
        uint256 holder = _lastAt[row.meteringPoint];
        if (holder != 0 && !Profile.hasLeft(Profile.status(_profileOf(holder)))) {
            revert MeteringPointTaken(row.meteringPoint, holder);
        }
        if (row.fromPeriod < _freeFrom[row.meteringPoint]) {
            revert MeteringPointStillSettled(row.meteringPoint, _freeFrom[row.meteringPoint]);
        }
        _requireArea(row.area);
        _requireZone(row.zone);
        if (row.capacityWh == 0 || row.capacityWh >= Lanes.MAX_WH) {
            revert CapacityOutOfRange(row.capacityWh, Lanes.MAX_WH - 1);
        }
        // Where nobody was before, nobody has pledged anything.
        if (holder != 0) pledges.requireMayTake(row.meteringPoint, row.account);
        number = _takeSeat(row.area);
        _participants[number] = Participant(row.account, row.meteringPoint);
        _setProfile(number, Profile.pack(row.capacityWh, row.area, row.zone));
        _join(row.area, number, row.meteringPoint, row.fromPeriod);
        emit ParticipantRegistered(
            number, row.account, row.meteringPoint, row.area, row.zone, row.capacityWh, row.fromPeriod
        );
    }

    /// @dev Neither a participant's nor of the market's service, nor one that was replaced: whoever has a lost key would
    ///      come back by it to what still lies there
    function _requireUnused(address account) internal view override {
        if (account == address(0)) revert ZeroAccount();
        if (_members[account] != 0) revert AccountTaken(account, uint64(_members[account]));
        if (officesOf[account] != 0) revert HoldsOffice(account, officesOf[account]);
        if (formerlyOf[account] != 0) revert ReplacedAccount(account, formerlyOf[account]);
    }

    /// @dev Everything else of the participant is by its number
    function _replaceAccount(uint256 participant, address account) internal override {
        address former = _participants[participant].account;
        delete _members[former];
        _participants[participant].account = account;
        _setProfile(participant, _profileOf(participant));
        // An aggregator's role goes with its number.
        if (_revokeRole(Roles.AGGREGATOR, former)) _grantRole(Roles.AGGREGATOR, account);
    }

    /// @dev A group of four belongs to one area; an area opens a new group when its last one is full
    function _takeSeat(uint256 area) private returns (uint256 seat) {
        seat = _nextSeat[area];
        if (seat & (Lanes.PER_GROUP - 1) == 0) {
            uint256 group = _nextGroup++;
            if (group >= HouseAccounts.AREA_DSOS / Lanes.PER_GROUP) revert TooMany("seats", HouseAccounts.AREA_DSOS);
            Groups storage all = _groups[area];
            uint256 index = all.count++;
            all.words[index / 8] |= group << ((index % 8) * 32);
            seat = group * Lanes.PER_GROUP;
        }
        _nextSeat[area] = seat + 1;
    }

    /// @notice Lets a gateway order in the caller's name, until changed; 0 = nobody
    function giveMandate(uint256 gateway) external {
        uint256 number = numberOf(msg.sender);
        if (gateway > _gateways) revert UnknownGateway(address(0), gateway);
        _setProfile(number, Profile.withGateway(_profileOf(number), gateway));
        emit MandateGiven(number, gateway);
    }

    function _noteLimits(uint256 participant, bool limits) internal override {
        _setProfile(participant, Profile.withLimits(_profileOf(participant), limits));
    }

    /// @notice Attests what a participant's energy is made from, one bit a source: markets of products ask for it
    function attest(uint256 participant, uint256 sources) external onlyOperator {
        _profileOf(participant); // refuses a number that was never given
        sourcesOf[participant] = sources;
        emit SourcesAttested(participant, sources);
    }

    /// @notice Keeps a participant from ordering; what it already owes and is owed goes on
    function suspend(uint256 participant) external onlyOperator {
        _requireActive(participant);
        _setProfile(participant, Profile.withStatus(_profileOf(participant), Profile.SUSPENDED));
        emit ParticipantSuspended(participant);
    }

    /// @notice Ends a suspension
    function reinstate(uint256 participant) external onlyOperator {
        uint256 status = Profile.status(_profileOf(participant));
        if (status != Profile.SUSPENDED) revert NotSuspended(participant, status);
        _setProfile(participant, Profile.withStatus(_profileOf(participant), Profile.ACTIVE));
        emit ParticipantReinstated(participant);
    }

    /// @notice Names market clock, clearing house and the book of pledges, once; the first two are of this registry
    function connect(IMarketClock clock_, IClearingHouse clearingHouse_, IExportPledges pledges_)
        external
        onlyOperator
    {
        if (address(clock) != address(0)) revert AlreadyConnected(address(clock), address(clearingHouse));
        Contracts.requireAnswers(address(clock_), IMarketClock.lastOpenPeriod.selector);
        Contracts.requireAnswers(address(clearingHouse_), IPeriods.ringSize.selector);
        Contracts.requireAnswers(address(pledges_), IExportPledges.pledgedPermille.selector);
        _requireOfThis(address(clock_));
        _requireOfThis(address(clearingHouse_));
        (clock, clearingHouse, pledges) = (clock_, clearingHouse_, pledges_);
        emit RegistryConnected(address(clock_), address(clearingHouse_), address(pledges_));
    }

    function _requireOfThis(address contract_) private view {
        address its = address(IOfRegistry(contract_).registry());
        if (its != address(this)) revert OtherRegistry(contract_, its);
    }

    /// @notice Leaves the market for the supplier at the next gate closure: no new orders from now on. Who has
    ///         orders or contracts in later periods leaves once the last of them is delivered: cancel what you can
    ///         before you leave. Who holds a metering point whose export is pledged does not leave by itself: the
    ///         operator takes it out, and the pledge binds whoever comes after it
    /// @dev The metering point becomes free for a new registration; number and account do not, so that
    ///      the account can still withdraw what it is owed
    function leaveMarket(uint256 participant) external {
        Participant storage who = _participants[participant];
        bool byItself = msg.sender == who.account;
        if (!byItself) requireRole(Roles.OPERATOR, msg.sender);
        uint256 status = Profile.status(_profileOf(participant));
        if (status == Profile.NONE || Profile.hasLeft(status)) revert NotActive(participant, status);
        if (byItself) pledges.requireFree(who.meteringPoint);
        uint256 gone = byItself ? Profile.LEFT : Profile.REMOVED;
        _setProfile(participant, Profile.withStatus(_profileOf(participant), gone));
        uint32 untilPeriod = _firstFree(participant);
        _leave(participant, untilPeriod);
        if (untilPeriod > _freeFrom[who.meteringPoint]) _freeFrom[who.meteringPoint] = untilPeriod;
        emit ParticipantLeft(participant, untilPeriod, msg.sender);
    }

    /// @dev The first period that takes orders now, or the one after the last with energy promised
    function _firstFree(uint256 participant) private view returns (uint32) {
        uint256 next = clock.nextOpenPeriod();
        uint256 promised = clearingHouse.lastReserved(participant, next, clock.lastOpenPeriod());
        return uint32(promised >= next ? promised + 1 : next);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @inheritdoc IParticipantRegistry
    function numberOf(address account)
        public
        view
        override(IParticipantRegistry, AgentLimits)
        returns (uint256 number)
    {
        (number,) = memberOf(account);
    }

    /// @inheritdoc IParticipantRegistry
    function isParticipant(address account) external view returns (bool) {
        return _members[account] != 0;
    }

    /// @inheritdoc IParticipantRegistry
    function memberOf(address account) public view returns (uint256 number, uint256 profile) {
        uint256 member = _members[account];
        if (member == 0) revert UnknownParticipant(account);
        return (uint64(member), member >> 64);
    }

    /// @inheritdoc IParticipantRegistry
    function accountOf(uint256 participant)
        public
        view
        override(IParticipantRegistry, Successions, AgentLimits)
        returns (address)
    {
        return _participants[participant].account;
    }

    /// @inheritdoc IParticipantRegistry
    function meteringPointOf(uint256 participant) external view returns (bytes32) {
        return _participants[participant].meteringPoint;
    }

    /// @notice Area, zone, capacity, mandate and status (1 active, 2 suspended, 3 left, 7 taken out) of a participant
    function profileOf(uint256 participant)
        external
        view
        returns (uint256 area, uint256 zone, uint256 capacityWh, uint256 gateway, uint256 status)
    {
        uint256 profile = _profileOf(participant);
        return (
            Profile.area(profile),
            Profile.zone(profile),
            Profile.capacityWh(profile),
            Profile.gateway(profile),
            Profile.status(profile)
        );
    }

    /// @inheritdoc IParticipantRegistry
    function profilesOf(uint256 group) external view returns (uint256) {
        return _profiles[group];
    }

    /// @inheritdoc IParticipantRegistry
    function gatewayNumberOf(address account) external view returns (uint256 gateway) {
        gateway = _gatewayNumberOf[account];
        if (gateway == 0 || !hasRole(Roles.GATEWAY, account)) revert UnknownGateway(account, gateway);
    }

    /// @inheritdoc IParticipantRegistry
    function groupCount(uint256 area) external view returns (uint256) {
        return _groups[area].count;
    }

    /// @inheritdoc IParticipantRegistry
    function groupsOf(uint256 area, uint256 from, uint256 count) public view returns (uint256[] memory groups) {
        Groups storage all = _groups[area];
        uint256 left = from < all.count ? all.count - from : 0;
        groups = new uint256[](count < left ? count : left);
        uint256 eight;
        unchecked {
            for (uint256 i; i < groups.length; ++i) {
                uint256 index = from + i;
                if (i == 0 || index % 8 == 0) eight = all.words[index / 8];
                groups[i] = uint32(eight >> ((index % 8) * 32));
            }
        }
    }

    /// @inheritdoc IParticipantRegistry
    function membersOf(uint256 area, uint256 period, uint256 from, uint256 count)
        external
        view
        returns (uint256[] memory groups, uint256[] memory profiles)
    {
        groups = groupsOf(area, from, count);
        profiles = profilesOfGroups(period, groups);
    }

    /// @inheritdoc IParticipantRegistry
    function profilesOfGroups(uint256 period, uint256[] memory groups)
        public
        view
        returns (uint256[] memory profiles)
    {
        profiles = new uint256[](groups.length);
        bool allJoined = _allJoinedBy(period);
        for (uint256 i; i < groups.length; ++i) {
            uint256 group = groups[i];
            uint256 four = _profiles[group];
            profiles[i] = allJoined && !Profile.anyLeft(four) ? four : _membersIn(period, group, four);
        }
    }

    /// @inheritdoc IParticipantRegistry
    function seatLimit() external view returns (uint256) {
        return _nextGroup * Lanes.PER_GROUP;
    }

    /// @inheritdoc IParticipantRegistry
    function mayHoldCurrency(address account) external view returns (bool) {
        return permits(Purposes.HOLD_CURRENCY, account);
    }

    /// @inheritdoc IParticipantRegistry
    function permits(bytes32 purpose, address account) public view returns (bool) {
        return _members[account] != 0 || isOpen[purpose] || hasRole(Roles.TREASURER, account) || hasRole(Roles.DSO, account)
            || hasRole(Roles.TSO, account) || hasRole(Roles.SUPPLIER, account) || hasRole(Roles.OPERATOR, account)
            || dsoAccountOf(account) != 0;
    }

    /// @inheritdoc IParticipantRegistry
    function dsoAccountOf(address account) public view returns (uint256) {
        if (officesOf[account] == 0) return 0;
        uint256 areas = areaCount();
        for (uint256 area; area < areas || area == 0; ++area) {
            if (hasRole(Roles.inArea(Roles.DSO, area), account)) return HouseAccounts.dsoOf(area);
        }
        return 0;
    }

    /// @dev 0 = none
    function _numberAt(address account) internal view override returns (uint256) {
        return uint64(_members[account]);
    }

    /// @dev Refuses a number that was never given
    function _profileOf(uint256 participant) internal view override returns (uint256 profile) {
        profile = Lanes.get64(_profiles[Lanes.groupOf(participant)], Lanes.laneOf(participant));
        if (Profile.status(profile) == Profile.NONE) revert UnknownNumber(participant);
    }

    /// @dev The only place that writes a profile, and both times
    function _setProfile(uint256 participant, uint256 profile) private {
        uint256 group = Lanes.groupOf(participant);
        _profiles[group] = Lanes.set64(_profiles[group], Lanes.laneOf(participant), profile);
        _members[_participants[participant].account] = (profile << 64) | participant;
    }

    function _requireActive(uint256 participant) private view {
        uint256 status = Profile.status(_profileOf(participant));
        if (status != Profile.ACTIVE) revert NotActive(participant, status);
    }
}
