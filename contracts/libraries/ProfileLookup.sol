// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {Lanes} from "./Lanes.sol";

/// @notice Profiles of participants that are named one by one
library ProfileLookup {
    /// @dev Its profile (see Profile) as it is now; zero for a number that was never given
    function profileOf(IParticipantRegistry registry, uint256 participant) internal view returns (uint256) {
        return Lanes.get64(registry.profilesOf(Lanes.groupOf(participant)), Lanes.laneOf(participant));
    }

    /// @dev Their profiles (see Profile) in a period, in one call; zero for who is no member then
    function profilesIn(IParticipantRegistry registry, uint256 period, uint256[] memory participants)
        internal
        view
        returns (uint256[] memory profiles)
    {
        uint256[] memory groups = new uint256[](participants.length);
        for (uint256 i; i < groups.length; ++i) {
            groups[i] = Lanes.groupOf(participants[i]);
        }
        profiles = registry.profilesOfGroups(period, groups);
        for (uint256 i; i < profiles.length; ++i) {
            profiles[i] = Lanes.get64(profiles[i], Lanes.laneOf(participants[i]));
        }
    }
}
