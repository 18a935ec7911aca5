// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What markets ask before somebody acts in a participant's name
/// @dev    An agent is a participant's number, or 2^32 and a gateway's. Who acts for itself is its own agent.
interface IAgents {
    /// @notice As what an account acts for participants in a delivery period; reverts where it may not act for one
    /// @param profiles Of the participants, as of the period (see Profile)
    /// @return self The participant that the account itself is; 0 = none
    /// @return agent The one agent it acts as for all others of them; 0 where there are no others
    function agentsFor(
        address caller,
        uint256 period,
        uint256[] calldata participants,
        uint256[] calldata profiles
    ) external view returns (uint256 self, uint256 agent);

    /// @notice As `agentsFor`; reverts too where the agent would deal with itself, with another of those it acts for, or
    ///         with the account it holds for the house
    /// @param counterparty Number of the account on the other side
    /// @return self The participant that the account itself is; 0 = none
    /// @return agent The one agent it acts as for all others of them; 0 where there are no others
    function agentsFacing(
        address caller,
        uint256 period,
        uint256 counterparty,
        uint256[] calldata participants,
        uint256[] calldata profiles
    ) external view returns (uint256 self, uint256 agent);

    /// @notice As `agentsFacing`, and what each participant lets that agent put at risk
    /// @param counterparty Number of the account on the other side
    /// @return self The participant that the account itself is; 0 = none
    /// @return agent The one agent it acts as for all others of them; 0 where there are no others
    /// @return microEur Allowance a period, of each; of no meaning where the participant acts itself
    function agentsTowards(
        address caller,
        uint256 period,
        uint256 counterparty,
        uint256[] calldata participants,
        uint256[] calldata profiles
    ) external view returns (uint256 self, uint256 agent, uint256[] memory microEur);
}
