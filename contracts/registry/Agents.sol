// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAgents} from "../interfaces/IAgents.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {IPortfolios} from "../interfaces/IPortfolios.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {ProfileLookup} from "../libraries/ProfileLookup.sol";
import {Roles} from "../libraries/Roles.sol";

/// @title Who may act for whom, and for how much
/// @notice A participant acts for itself, whatever else its account is. For it may act the gateway with its mandate, while
///         the account holds that role, and the aggregator whose contract lets it trade, while it holds that role and is an
///         active participant. What they put at risk in its name is bounded by an allowance that it sets itself, zero until
///         then. The one place where this is decided: markets ask here.
contract Agents is IAgents {
    /// @dev Who calls: its number as a participant and as a gateway, 0 = none
    struct Caller {
        address account;
        uint256 number;
        uint256 gateway;
    }

    uint256 private constant GATEWAY_BIT = 1 << 32;

    /// @notice Who there is
    IParticipantRegistry public immutable registry;
    /// @notice Contracts between aggregators and prosumers; zero where there are none
    IPortfolios public immutable portfolios;

    /// @dev Four lanes of a group: µEUR a period
    mapping(uint256 agent => mapping(uint256 group => uint256 fourAmounts)) private _allowances;

    /// @notice A participant lets an agent put so much at risk in its name in each delivery period, from now on
    event AllowanceSet(uint256 indexed participant, uint256 indexed agent, uint256 microEurPerPeriod);

    /// @notice The caller is neither the participant nor an agent of any kind
    error NotForAnother(uint256 participant, uint256 caller);
    /// @notice The participant gave its mandate to another gateway or to none (0)
    error NoMandate(uint256 participant, uint256 mandated, uint256 gateway);
    /// @notice The participant's contract of this period is with another aggregator or with none, or does not let it
    ///         trade
    error NotItsAggregator(uint256 participant, uint256 period, uint256 aggregator, bool mayTrade);
    /// @notice An agent cannot act towards itself, another that it acts for, or a house account that it holds
    error TowardsItself(uint256 agent, uint256 counterparty);
    /// @notice An allowance above the highest one, in µEUR a delivery period
    error AllowanceOutOfRange(uint256 microEurPerPeriod, uint256 maximum);

    constructor(IParticipantRegistry registry_, IPortfolios portfolios_) {
        registry = registry_;
        portfolios = portfolios_;
    }

    /// @notice Sets what an agent may put at risk in the caller's name in each period; 0 takes all of it back. A lower one
    ///         holds at once: what stands already the caller takes back itself
    /// @param agent An aggregator's number, or 2^32 and a gateway's
    function allow(uint256 agent, uint256 microEurPerPeriod) external {
        if (microEurPerPeriod > Lanes.MASK56) revert AllowanceOutOfRange(microEurPerPeriod, Lanes.MASK56);
        uint256 participant = registry.numberOf(msg.sender);
        uint256 group = Lanes.groupOf(participant);
        _allowances[agent][group] =
            Lanes.set56(_allowances[agent][group], Lanes.laneOf(participant), microEurPerPeriod);
        emit AllowanceSet(participant, agent, microEurPerPeriod);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice What a participant lets an agent put at risk in its name in one delivery period, in µEUR
    function allowanceOf(uint256 participant, uint256 agent) external view returns (uint256) {
        return Lanes.get56(_allowances[agent][Lanes.groupOf(participant)], Lanes.laneOf(participant));
    }

    /// @inheritdoc IAgents
    function agentsFor(
        address caller,
        uint256 period,
        uint256[] calldata participants,
        uint256[] calldata profiles
    ) external view returns (uint256 self, uint256 agent) {
        Caller memory who = _callerOf(caller);
        return (who.number, _agentOf(who, period, participants, profiles));
    }

    /// @inheritdoc IAgents
    function agentsFacing(
        address caller,
        uint256 period,
        uint256 counterparty,
        uint256[] calldata participants,
        uint256[] calldata profiles
    ) external view returns (uint256 self, uint256 agent) {
        return _agentsFacing(caller, period, counterparty, participants, profiles);
    }

    /// @inheritdoc IAgents
    function agentsTowards(
        address caller,
        uint256 period,
        uint256 counterparty,
        uint256[] calldata participants,
        uint256[] calldata profiles
    ) external view returns (uint256 self, uint256 agent, uint256[] memory microEur) {
        (self, agent) = _agentsFacing(caller, period, counterparty, participants, profiles);
        microEur = new uint256[](participants.length);
        if (agent != 0) _readAllowances(agent, participants, microEur);
    }

    function _agentsFacing(
        address caller,
        uint256 period,
        uint256 counterparty,
        uint256[] calldata participants,
        uint256[] calldata profiles
    ) private view returns (uint256 self, uint256 agent) {
        Caller memory who = _callerOf(caller);
        (self, agent) = (who.number, _agentOf(who, period, participants, profiles));
        if (agent != 0 && _isOneWith(who, period, counterparty)) revert TowardsItself(agent, counterparty);
    }

    /// @dev A group's four are read once for all of them that come in a row
    function _readAllowances(uint256 agent, uint256[] calldata participants, uint256[] memory microEur) private view {
        mapping(uint256 group => uint256) storage allowances = _allowances[agent];
        uint256 group = type(uint256).max;
        uint256 four;
        for (uint256 i; i < microEur.length; ++i) {
            uint256 participant = participants[i];
            if (Lanes.groupOf(participant) != group) {
                group = Lanes.groupOf(participant);
                four = allowances[group];
            }
            microEur[i] = Lanes.get56(four, Lanes.laneOf(participant));
        }
    }

    function _callerOf(address account) private view returns (Caller memory who) {
        who.account = account;
        if (!registry.hasRole(Roles.GATEWAY, account)) {
            who.number = registry.numberOf(account); // refuses who is nobody
            return who;
        }
        who.gateway = registry.gatewayNumberOf(account);
        try registry.numberOf(account) returns (uint256 number) {
            who.number = number;
        } catch {} // solhint-disable-line no-empty-blocks
    }

    /// @dev A gateway where the first of the others gave it its mandate, else an aggregator; for all others the same
    function _agentOf(
        Caller memory who,
        uint256 period,
        uint256[] calldata participants,
        uint256[] calldata profiles
    ) private view returns (uint256 agent) {
        for (uint256 i; i < participants.length; ++i) {
            uint256 participant = participants[i];
            if (participant == who.number) continue;
            uint256 mandated = Profile.gateway(profiles[i]);
            if (agent == 0) agent = _actsAs(who, participant, mandated);
            if (agent == who.number) _requireContract(who, period, participant);
            else if (mandated != who.gateway) revert NoMandate(participant, mandated, who.gateway);
        }
    }

    function _actsAs(Caller memory who, uint256 participant, uint256 mandated) private view returns (uint256) {
        if (who.gateway != 0 && (mandated == who.gateway || who.number == 0)) return GATEWAY_BIT | who.gateway;
        _requireAggregator(who, participant);
        return who.number;
    }

    function _requireContract(Caller memory who, uint256 period, uint256 participant) private view {
        (uint256 aggregator,, bool mayTrade) = portfolios.contractOf(participant, period);
        if (aggregator != who.number || !mayTrade) {
            revert NotItsAggregator(participant, period, aggregator, mayTrade);
        }
    }

    /// @dev By role, and active now
    function _requireAggregator(Caller memory who, uint256 participant) private view {
        (, uint256 profile) = registry.memberOf(who.account);
        bool aggregates = address(portfolios) != address(0) && Profile.status(profile) == Profile.ACTIVE
            && registry.hasRole(Roles.AGGREGATOR, who.account);
        if (!aggregates) revert NotForAnother(participant, who.number);
    }

    /// @dev Whether the other side is the agent, another participant it acts for, or an account of the house it holds
    function _isOneWith(Caller memory who, uint256 period, uint256 counterparty) private view returns (bool) {
        if (HouseAccounts.isDso(counterparty)) {
            return registry.hasRole(Roles.inArea(Roles.DSO, HouseAccounts.areaOfDso(counterparty)), who.account);
        }
        if (counterparty == HouseAccounts.TSO) return registry.hasRole(Roles.TSO, who.account);
        if (counterparty == who.number) return true;
        uint256 gateway = Profile.gateway(ProfileLookup.profileOf(registry, counterparty));
        if (who.gateway != 0 && gateway == who.gateway) return true;
        if (who.number == 0 || address(portfolios) == address(0)) return false;
        (uint256 aggregator,,) = portfolios.contractOf(counterparty, period);
        return aggregator == who.number;
    }
}
