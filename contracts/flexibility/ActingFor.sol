// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {IPortfolios} from "../interfaces/IPortfolios.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {Roles} from "../libraries/Roles.sol";

/// @title Who may act for a participant
/// @notice It itself, the gateway with its mandate, or the aggregator whose contract lets it trade.
abstract contract ActingFor {
    /// @dev An agent is a participant's number, or this bit and a gateway's
    uint256 internal constant GATEWAY_BIT = 1 << 32;

    /// @notice Contracts between aggregators and prosumers; zero where there are none
    IPortfolios public immutable portfolios;

    error NotForAnother(uint256 participant, uint256 caller);
    error NoMandate(uint256 participant, uint256 mandated, uint256 gateway);

    constructor(IPortfolios portfolios_) {
        portfolios = portfolios_;
    }

    /// @dev Who calls, as an agent
    function _agent(IParticipantRegistry registry) internal view returns (uint256) {
        if (!registry.hasRole(Roles.GATEWAY, msg.sender)) return registry.numberOf(msg.sender);
        return GATEWAY_BIT | registry.gatewayNumberOf(msg.sender);
    }

    function _requireMayAct(uint256 agent, uint256 participant, uint256 profile, uint256 period) internal view {
        if (agent == participant) return;
        if (agent & GATEWAY_BIT != 0) {
            uint256 gateway = agent ^ GATEWAY_BIT;
            if (Profile.gateway(profile) != gateway) revert NoMandate(participant, Profile.gateway(profile), gateway);
            return;
        }
        if (address(portfolios) == address(0)) revert NotForAnother(participant, agent);
        (uint256 aggregator,, bool mayTrade) = portfolios.contractOf(participant, period);
        if (aggregator != agent || !mayTrade) revert NotForAnother(participant, agent);
    }

    function _profileIn(IParticipantRegistry registry, uint256 participant) internal view returns (uint256) {
        return Lanes.get64(registry.profilesOf(Lanes.groupOf(participant)), Lanes.laneOf(participant));
    }
}
