// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {Lanes} from "../libraries/Lanes.sol";

/// @title How much of its connection a participant lets its agents promise
/// @notice Who gives a mandate, or a contract that lets an aggregator trade, gives the whole connection until it says less:
///         in each direction so much of a delivery period, over all markets and together with what it promises itself. It
///         holds at once, for what comes; what the participant orders or signs itself is not bound by it.
abstract contract AgentLimits is IParticipantRegistry {
    /// @dev Four energy lanes of a group (sell, buy), each as what it lacks of the most: a blank word is no limit
    mapping(uint256 group => uint256 fourLacks) private _lacking;

    /// @notice A participant lets its agents bring what its connection promises in a delivery period to so much
    event AgentsLimited(uint256 indexed participant, uint256 sellWh, uint256 buyWh);

    /// @notice Agents would promise more of the connection than the participant lets them
    error AboveAgentLimit(uint256 participant, uint256 reservedWh, uint256 limitWh);
    /// @notice A limit above what a lane holds
    error LimitOutOfRange(uint256 sellWh, uint256 buyWh, uint256 maximumWh);

    /// @notice Sets how far the caller's gateway or aggregator may bring what its connection promises in each period
    /// @param sellWh Energy out of the connection; 2^28 - 1: no limit
    /// @param buyWh Energy into it
    function limitAgents(uint256 sellWh, uint256 buyWh) external {
        if (sellWh > Lanes.MAX_WH || buyWh > Lanes.MAX_WH) revert LimitOutOfRange(sellWh, buyWh, Lanes.MAX_WH);
        uint256 participant = numberOf(msg.sender);
        uint256 group = Lanes.groupOf(participant);
        _lacking[group] =
            Lanes.set56(_lacking[group], Lanes.laneOf(participant), Lanes.MASK56 ^ Lanes.energy(sellWh, buyWh));
        _noteLimits(participant, sellWh < Lanes.MAX_WH || buyWh < Lanes.MAX_WH);
        emit AgentsLimited(participant, sellWh, buyWh);
    }

    /// @notice How far a participant lets its agents bring what its connection promises in a period, in Wh; 2^28 - 1: no limit
    function agentLimitsOf(uint256 participant) external view returns (uint256 sellWh, uint256 buyWh) {
        uint256 limit = _limitOf(_lacking[Lanes.groupOf(participant)], Lanes.laneOf(participant));
        return (Lanes.outOf(limit), Lanes.intoOf(limit));
    }

    /// @inheritdoc IParticipantRegistry
    function requireWithinLimits(address agent, uint256 group, uint256 promised, uint256 released, uint256 claimed)
        external
        view
    {
        uint256 lacking = _lacking[group];
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            uint256 held = Lanes.get56(promised, lane);
            uint256 before = Lanes.get56(released, lane);
            uint256 after_ = Lanes.get56(claimed, lane);
            uint256 limit = _limitOf(lacking, lane);
            if (before == after_ || accountOf(Lanes.participantAt(group, lane)) == agent) continue;
            _requireBelow(group, lane, Lanes.outOf(held), Lanes.outOf(before), Lanes.outOf(after_), Lanes.outOf(limit));
            _requireBelow(
                group, lane, Lanes.intoOf(held), Lanes.intoOf(before), Lanes.intoOf(after_), Lanes.intoOf(limit)
            );
        }
    }

    /// @dev In one direction. Less than before is never too much
    function _requireBelow(
        uint256 group,
        uint256 lane,
        uint256 heldWh,
        uint256 beforeWh,
        uint256 afterWh,
        uint256 limitWh
    ) private pure {
        if (afterWh <= beforeWh || heldWh + afterWh - beforeWh <= limitWh) return;
        revert AboveAgentLimit(Lanes.participantAt(group, lane), heldWh + afterWh - beforeWh, limitWh);
    }

    function _limitOf(uint256 lacking, uint256 lane) private pure returns (uint256) {
        return Lanes.MASK56 ^ Lanes.get56(lacking, lane);
    }

    /// @dev Notes in a participant's profile whether there is a limit: only then anybody asks for it
    function _noteLimits(uint256 participant, bool limits) internal virtual;

    /// @inheritdoc IParticipantRegistry
    function accountOf(uint256 participant) public view virtual returns (address);

    /// @inheritdoc IParticipantRegistry
    function numberOf(address account) public view virtual returns (uint256);
}
