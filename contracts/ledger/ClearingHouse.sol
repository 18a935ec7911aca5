// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {Roles} from "../libraries/Roles.sol";

/// @title Internal money accounts, and the energy each connection has promised and traded
/// @notice Invariant, after every transaction: Σ accounts + Σ holds + Σ open trades = currency held here
///         = deposits − withdrawals.
///         A hold backs what a buyer may come to owe in a period: for each Wh reserved the retail price
///         and the highest fee, less the retail price of each Wh already bought and paid. It belongs to
///         the buyer and goes back at settlement. No proxy: a new market is a new module, authorised
///         behind a timelock.
contract ClearingHouse is IClearingHouse {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using SafeCast for int256;

    /// @dev One storage slot. It is free for another period once every area of this one is settled
    struct Period {
        uint32 period;
        uint16 areas;
        uint16 areasSettled;
        uint16 retailMicroEurPerWh;
        uint16 holdMicroEurPerWh;
        bool settling;
        uint80 holdsMicroEur;
        int64 tradesMicroEur;
    }

    /// @dev The words of a group in a period: what is in memory while its four lanes are worked on
    struct Four {
        uint256 group;
        uint256 reserved;
        uint256 positions;
        uint256 balances;
    }

    struct Proposal {
        uint8 permissions;
        uint64 executableAt;
    }

    /// @notice May reserve, book trades and collect the spread
    uint8 public constant MARKET = 1;
    /// @notice May settle
    uint8 public constant SETTLEMENT = 2;
    /// @notice May take ring slots only
    uint8 public constant ORACLE = 4;

    IParticipantRegistry public immutable registry;
    IERC20 public immutable currency;
    ITariff public immutable tariff;
    /// @inheritdoc IClearingHouse
    uint256 public immutable ringSize;
    /// @notice Seconds between the proposal of a module and its authorisation, once sealed
    uint256 public immutable timelockSeconds;

    mapping(address module => uint8) public permissionsOf;
    mapping(address module => Proposal) public proposalOf;
    /// @notice Whether the initial modules are in place and the timelock binds
    bool public isSealed;
    uint256 public depositsMicroEur;
    uint256 public withdrawalsMicroEur;

    mapping(uint256 group => uint256 fourBalances) private _balances;
    mapping(uint256 slot => Period) private _ring;
    mapping(uint256 key => uint256 fourEnergies) private _reserved;
    mapping(uint256 key => uint256 fourEnergies) private _positions;

    event ModuleProposed(address indexed module, uint8 permissions, uint256 executableAt);
    event ModuleAuthorised(address indexed module, uint8 permissions);
    event ModuleRevoked(address indexed module);
    event Sealed();
    event Deposited(uint256 indexed account, address indexed from, uint256 amountMicroEur);
    event Withdrawn(uint256 indexed account, address indexed to, uint256 amountMicroEur);
    event PeriodActivated(uint256 indexed period, uint256 areas, uint256 retailMicroEurPerWh, uint256 holdMicroEurPerWh);
    /// @notice Trades of a period: energy lanes (sold, bought) and signed 64-bit payments of each group
    event TradesBooked(
        uint256 indexed period, address indexed market, uint256[] groups, uint256[] fills, uint256[] payments
    );
    event SpreadCollected(uint256 indexed period, address indexed market, uint256 amountMicroEur);
    /// @notice Signed 64-bit changes of each group at settlement, holds not counted; all sum to zero
    event GroupsSettled(
        uint256 indexed period, uint256[] groups, uint256[] deltas, int256 supplierMicroEur, int256 dsoMicroEur
    );
    event DebtIncurred(uint256 indexed participant, uint256 indexed period, int256 balanceMicroEur);
    event PeriodFinished(uint256 indexed period);

    error MissingPermission(address module, uint8 permission);
    error TimelockRunning(address module, uint256 executableAt);
    error NotProposed(address module);
    error RingSlotBusy(uint256 period, uint256 occupant, uint256 areasSettled, uint256 areas);
    error PeriodNotActive(uint256 period, uint256 occupant);
    error ParticipantNotActive(uint256 participant, uint256 status);
    error InDebt(uint256 participant, int256 balanceMicroEur);
    error InsufficientMoney(uint256 participant, int256 freeMicroEur, uint256 neededMicroEur);
    error AboveConnectionCapacity(uint256 participant, uint256 reservedWh, uint256 capacityWh);
    error PaidAboveHold(uint256 participant, int256 paymentMicroEur, uint256 backedMicroEur);
    error BoughtAboveReserved(uint256 participant, uint256 boughtWh, uint256 reservedWh);
    error SoldAboveReserved(uint256 participant, uint256 soldWh, uint256 reservedWh);
    error SumNotZero(int256 sumMicroEur);
    error LengthsDiffer(uint256 a, uint256 b);
    error UnknownAccount(uint256 account);
    error PeriodHasOpenMoney(uint256 period, uint256 holdsMicroEur, int256 tradesMicroEur);
    error RingTooSmall(uint256 ringSize);

    constructor(
        IParticipantRegistry registry_,
        IERC20 currency_,
        ITariff tariff_,
        uint256 ringSize_,
        uint256 timelockSeconds_
    ) {
        if (ringSize_ < 2) revert RingTooSmall(ringSize_);
        registry = registry_;
        currency = currency_;
        tariff = tariff_;
        ringSize = ringSize_;
        timelockSeconds = timelockSeconds_;
    }

    modifier onlyModule(uint8 permission) {
        if (permissionsOf[msg.sender] & permission == 0) revert MissingPermission(msg.sender, permission);
        _;
    }

    // --- modules -------------------------------------------------------------------------------

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
        if (block.timestamp < proposal.executableAt) revert TimelockRunning(module, proposal.executableAt);
        delete proposalOf[module];
        permissionsOf[module] = proposal.permissions;
        emit ModuleAuthorised(module, proposal.permissions);
    }

    /// @notice Takes a module's permissions at once
    function revokeModule(address module) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        delete permissionsOf[module];
        emit ModuleRevoked(module);
    }

    /// @notice Ends the setting up: from now on the timelock binds
    function seal() external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        isSealed = true;
        emit Sealed();
    }

    // --- money in and out ----------------------------------------------------------------------

    /// @notice Brings currency of the caller into accounts: its own, or anyone's
    function deposit(uint256[] calldata accounts, uint256[] calldata amountsMicroEur) external {
        if (accounts.length != amountsMicroEur.length) revert LengthsDiffer(accounts.length, amountsMicroEur.length);
        uint256 total;
        for (uint256 i; i < accounts.length; ++i) {
            uint256 account = accounts[i];
            _requireAccount(account);
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

    /// @notice Takes money of a named account out: the DSO, the supplier, or for the others the operator
    function withdrawHouse(uint256 account, uint256 amountMicroEur) external {
        bytes32 role = account == HouseAccounts.DSO
            ? Roles.DSO
            : account == HouseAccounts.SUPPLIER ? Roles.SUPPLIER : Roles.OPERATOR;
        registry.requireRole(role, msg.sender);
        if (account == 0 || account >= HouseAccounts.FIRST_PARTICIPANT) revert UnknownAccount(account);
        _withdraw(account, amountMicroEur);
    }

    function _withdraw(uint256 account, uint256 amountMicroEur) private {
        int256 free = balanceOf(account);
        if (free < amountMicroEur.toInt256()) revert InsufficientMoney(account, free, amountMicroEur);
        _change(account, -amountMicroEur.toInt256());
        withdrawalsMicroEur += amountMicroEur;
        emit Withdrawn(account, msg.sender, amountMicroEur);
        currency.safeTransfer(msg.sender, amountMicroEur);
    }

    // --- the life of a period ------------------------------------------------------------------

    /// @inheritdoc IClearingHouse
    function activate(uint256 period)
        external
        onlyModule(MARKET | SETTLEMENT | ORACLE)
        returns (uint256 areas)
    {
        Period storage slot = _ring[period % ringSize];
        uint256 occupant = slot.period;
        if (occupant == period) return slot.areas;
        if (occupant > period || (occupant != 0 && slot.areasSettled != slot.areas)) {
            revert RingSlotBusy(period, occupant, slot.areasSettled, slot.areas);
        }
        (uint256 retail, uint256 hold) = tariff.holdRates(period);
        areas = registry.areaCount();
        _ring[period % ringSize] =
            Period(uint32(period), uint16(areas), 0, uint16(retail), uint16(hold), false, 0, 0);
        emit PeriodActivated(period, areas, retail, hold);
    }

    /// @inheritdoc IClearingHouse
    function reserve(uint256 period, uint256 group, uint256 released, uint256 claimed)
        external
        onlyModule(MARKET)
        returns (uint256 profiles)
    {
        Period memory slot = _periodOf(period);
        profiles = registry.profilesOf(group);
        Four memory four = _load(period, group, false);
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            uint256 before = Lanes.get56(released, lane);
            uint256 claim = Lanes.get56(claimed, lane);
            if (before == claim) continue;
            _exchange(slot, four, lane, before, claim, Lanes.get64(profiles, lane));
        }
        _reserved[_key(period, group)] = four.reserved;
        _balances[group] = four.balances;
        _ring[period % ringSize].holdsMicroEur = slot.holdsMicroEur;
    }

    /// @dev Gives one lane's reservation `before` back and takes `claim` in its place
    function _exchange(
        Period memory slot,
        Four memory four,
        uint256 lane,
        uint256 before,
        uint256 claim,
        uint256 profile
    ) private pure {
        uint256 given = Lanes.intoOf(before) * slot.holdMicroEurPerWh;
        uint256 needed = Lanes.intoOf(claim) * slot.holdMicroEurPerWh;
        int256 free = Lanes.getInt64(four.balances, lane);
        uint256 held = Lanes.get56(four.reserved, lane);
        uint256 out = Lanes.outOf(held) + Lanes.outOf(claim) - Lanes.outOf(before);
        uint256 into = Lanes.intoOf(held) + Lanes.intoOf(claim) - Lanes.intoOf(before);
        if (Lanes.outOf(claim) > Lanes.outOf(before) || needed > given) {
            uint256 participant = Lanes.participantAt(four.group, lane);
            _requireMayOrder(participant, profile, free, out > into ? out : into);
            if (free + int256(given) < int256(needed)) {
                revert InsufficientMoney(participant, free + int256(given), needed);
            }
        }
        four.reserved = Lanes.set56(four.reserved, lane, Lanes.energy(out, into));
        four.balances = Lanes.setInt64(four.balances, lane, (free + int256(given) - int256(needed)).toInt64());
        slot.holdsMicroEur = (slot.holdsMicroEur + needed - given).toUint80();
    }

    /// @dev What one connection can carry is promised once over all markets, in each direction
    function _requireMayOrder(uint256 participant, uint256 profile, int256 free, uint256 reservedWh) private pure {
        if (Profile.status(profile) != Profile.ACTIVE) {
            revert ParticipantNotActive(participant, Profile.status(profile));
        }
        if (free < 0) revert InDebt(participant, free);
        if (reservedWh > Profile.capacityWh(profile)) {
            revert AboveConnectionCapacity(participant, reservedWh, Profile.capacityWh(profile));
        }
    }

    /// @inheritdoc IClearingHouse
    function book(uint256 period, uint256[] calldata groups, uint256[] calldata fills, uint256[] calldata payments)
        external
        onlyModule(MARKET)
    {
        Period memory slot = _periodOf(period);
        for (uint256 i; i < groups.length; ++i) {
            _bookGroup(slot, groups[i], fills[i], payments[i]);
        }
        Period storage stored = _ring[period % ringSize];
        stored.holdsMicroEur = slot.holdsMicroEur;
        stored.tradesMicroEur = slot.tradesMicroEur;
        emit TradesBooked(period, msg.sender, groups, fills, payments);
    }

    function _bookGroup(Period memory slot, uint256 group, uint256 fills, uint256 payments) private {
        Four memory four = _load(slot.period, group, true);
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            uint256 fill = Lanes.get56(fills, lane);
            if (fill == 0) continue;
            uint256 participant = Lanes.participantAt(group, lane);
            uint256 position = Lanes.get56(four.positions, lane) + fill;
            _requireReserved(participant, position, Lanes.get56(four.reserved, lane));
            four.positions = Lanes.set56(four.positions, lane, position);
            int256 payment = Lanes.getInt64(payments, lane);
            // What was bought is paid for: its energy price needs no hold any more, its fee still does.
            uint256 backed = Lanes.intoOf(fill) * slot.retailMicroEurPerWh;
            if (payment + int256(backed) < 0) revert PaidAboveHold(participant, payment, backed);
            slot.holdsMicroEur = (uint256(slot.holdsMicroEur) - backed).toUint80();
            slot.tradesMicroEur = (int256(slot.tradesMicroEur) - payment).toInt64();
            int256 balance = Lanes.getInt64(four.balances, lane) + int256(backed) + payment;
            four.balances = Lanes.setInt64(four.balances, lane, balance.toInt64());
        }
        _positions[_key(slot.period, group)] = four.positions;
        _balances[group] = four.balances;
    }

    function _requireReserved(uint256 participant, uint256 position, uint256 reserved) private pure {
        if (Lanes.outOf(position) > Lanes.outOf(reserved)) {
            revert SoldAboveReserved(participant, Lanes.outOf(position), Lanes.outOf(reserved));
        }
        if (Lanes.intoOf(position) > Lanes.intoOf(reserved)) {
            revert BoughtAboveReserved(participant, Lanes.intoOf(position), Lanes.intoOf(reserved));
        }
    }

    /// @inheritdoc IClearingHouse
    function collectSpread(uint256 period, uint256 amountMicroEur) external onlyModule(MARKET) {
        _periodOf(period);
        Period storage slot = _ring[period % ringSize];
        slot.tradesMicroEur = (int256(slot.tradesMicroEur) - amountMicroEur.toInt256()).toInt64();
        _change(HouseAccounts.SPREAD, amountMicroEur.toInt256());
        emit SpreadCollected(period, msg.sender, amountMicroEur);
    }

    /// @inheritdoc IClearingHouse
    function settle(
        uint256 period,
        uint256[] calldata groups,
        uint256[] calldata deltas,
        int256 supplierMicroEur,
        int256 dsoMicroEur
    ) external onlyModule(SETTLEMENT) {
        Period memory slot = _periodOf(period);
        int256 sum = supplierMicroEur + dsoMicroEur;
        for (uint256 i; i < groups.length; ++i) {
            sum += _settleGroup(slot, groups[i], deltas[i]);
        }
        if (sum != 0) revert SumNotZero(sum);
        _change(HouseAccounts.SUPPLIER, supplierMicroEur);
        _change(HouseAccounts.DSO, dsoMicroEur);
        Period storage stored = _ring[period % ringSize];
        stored.holdsMicroEur = slot.holdsMicroEur;
        stored.settling = true;
        emit GroupsSettled(period, groups, deltas, supplierMicroEur, dsoMicroEur);
    }

    function _settleGroup(Period memory slot, uint256 group, uint256 deltas) private returns (int256 sum) {
        Four memory four = _load(slot.period, group, true);
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            uint256 held = _held(slot, Lanes.get56(four.reserved, lane), Lanes.get56(four.positions, lane));
            int256 delta = Lanes.getInt64(deltas, lane);
            if (held == 0 && delta == 0) continue;
            sum += delta;
            slot.holdsMicroEur = (uint256(slot.holdsMicroEur) - held).toUint80();
            int256 balance = Lanes.getInt64(four.balances, lane) + int256(held) + delta;
            four.balances = Lanes.setInt64(four.balances, lane, balance.toInt64());
            if (balance < 0) emit DebtIncurred(Lanes.participantAt(group, lane), slot.period, balance);
        }
        _balances[group] = four.balances;
    }

    /// @inheritdoc IClearingHouse
    function finishArea(uint256 period) external onlyModule(SETTLEMENT) {
        Period memory slot = _periodOf(period);
        uint16 settled = slot.areasSettled + 1;
        _ring[period % ringSize].areasSettled = settled;
        if (settled < slot.areas) return;
        if (slot.holdsMicroEur != 0 || slot.tradesMicroEur != 0) {
            revert PeriodHasOpenMoney(period, slot.holdsMicroEur, slot.tradesMicroEur);
        }
        emit PeriodFinished(period);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice Free money of an account in µEUR; negative = debt
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

    /// @notice What a participant has in holds for a period, in µEUR, and the energy it has reserved and traded
    function accountInPeriod(uint256 participant, uint256 period)
        external
        view
        returns (uint256 heldMicroEur, uint256 sellWh, uint256 buyWh, uint256 soldWh, uint256 boughtWh)
    {
        Period memory slot = _periodOf(period);
        uint256 key = _key(period, Lanes.groupOf(participant));
        uint256 lane = Lanes.laneOf(participant);
        uint256 reserved = Lanes.get56(Lanes.ofPeriod(_reserved[key], period), lane);
        uint256 position = Lanes.get56(Lanes.ofPeriod(_positions[key], period), lane);
        return (
            slot.areasSettled == slot.areas ? 0 : _held(slot, reserved, position),
            Lanes.outOf(reserved),
            Lanes.intoOf(reserved),
            Lanes.outOf(position),
            Lanes.intoOf(position)
        );
    }

    /// @inheritdoc IClearingHouse
    function positionsOf(uint256 period, uint256 group) external view returns (uint256) {
        return Lanes.ofPeriod(_positions[_key(period, group)], period);
    }

    /// @notice Energy lanes (sold, bought) of many groups in a period
    function positionsOfGroups(uint256 period, uint256[] calldata groups)
        external
        view
        returns (uint256[] memory positions)
    {
        positions = new uint256[](groups.length);
        for (uint256 i; i < groups.length; ++i) {
            positions[i] = Lanes.ofPeriod(_positions[_key(period, groups[i])], period);
        }
    }

    /// @inheritdoc IClearingHouse
    function settling(uint256 period) external view returns (bool) {
        Period storage slot = _ring[period % ringSize];
        return slot.period == period && slot.settling;
    }

    /// @notice The period in a ring slot with its holds and open trades
    function periodAt(uint256 slot) external view returns (Period memory) {
        return _ring[slot];
    }

    /// @notice Σ accounts below `limit` + Σ holds + Σ open trades − currency held here; zero, always
    /// @param limit The registry's seat limit, or above it
    function moneySum(uint256 limit) external view returns (int256 sum) {
        for (uint256 account = 1; account < limit; ++account) {
            sum += balanceOf(account);
        }
        for (uint256 slot; slot < ringSize; ++slot) {
            sum += int256(uint256(_ring[slot].holdsMicroEur)) + _ring[slot].tradesMicroEur;
        }
        sum -= currency.balanceOf(address(this)).toInt256();
    }

    function _held(Period memory slot, uint256 reserved, uint256 position) private pure returns (uint256) {
        return Lanes.intoOf(reserved) * slot.holdMicroEurPerWh
            - Lanes.intoOf(position) * slot.retailMicroEurPerWh;
    }

    function _periodOf(uint256 period) private view returns (Period memory slot) {
        slot = _ring[period % ringSize];
        if (slot.period != period) revert PeriodNotActive(period, slot.period);
    }

    function _load(uint256 period, uint256 group, bool withPositions) private view returns (Four memory) {
        uint256 key = _key(period, group);
        return Four(
            group,
            Lanes.ofPeriod(_reserved[key], period),
            withPositions ? Lanes.ofPeriod(_positions[key], period) : 0,
            _balances[group]
        );
    }

    function _key(uint256 period, uint256 group) private view returns (uint256) {
        return ((period % ringSize) << 64) | group;
    }

    function _change(uint256 account, int256 byMicroEur) private {
        uint256 group = Lanes.groupOf(account);
        uint256 lane = Lanes.laneOf(account);
        uint256 four = _balances[group];
        _balances[group] = Lanes.setInt64(four, lane, (Lanes.getInt64(four, lane) + byMicroEur).toInt64());
    }

    function _requireAccount(uint256 account) private view {
        bool house = account != 0 && account < HouseAccounts.FIRST_PARTICIPANT;
        if (!house && registry.accountOf(account) == address(0)) revert UnknownAccount(account);
    }
}
