// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {AreaKey} from "../libraries/AreaKey.sol";
import {Lanes} from "../libraries/Lanes.sol";

/// @title In which delivery periods a participant trades, is metered and is settled
/// @notice A membership is the periods from its first to the one before its end; a seat, once taken, is never given
///         to somebody else.
abstract contract Memberships is IParticipantRegistry {
    /// @dev Four memberships to a word, 64 bits each: first period: 32 | first period no more: 32
    mapping(uint256 group => uint256 fourMemberships) private _memberships;
    /// @dev area | 256 seats => one bit each
    mapping(uint256 key => uint256 bits) private _seats;
    /// @dev The latest first period of any membership
    uint32 private _latestJoin;
    /// @dev Who was registered at a metering point last, and before whom else: each begins at or after the end of the one
    ///      before
    mapping(bytes32 meteringPoint => uint256 participant) internal _lastAt;
    mapping(uint256 participant => uint256) private _formerOf;

    /// @inheritdoc IParticipantRegistry
    function membershipOf(uint256 participant) public view returns (uint32, uint32) {
        uint256 membership = Lanes.get64(_memberships[Lanes.groupOf(participant)], Lanes.laneOf(participant));
        return (uint32(membership >> 32), uint32(membership));
    }

    /// @inheritdoc IParticipantRegistry
    function seatsTaken(uint256 area, uint256 word) external view returns (uint256) {
        return _seats[AreaKey.inSlot(word, area)];
    }

    /// @inheritdoc IParticipantRegistry
    /// @dev From the last of them back: as many steps as the point changed hands since
    function holderAt(bytes32 meteringPoint, uint256 period) external view returns (uint256 participant) {
        participant = _lastAt[meteringPoint];
        while (participant != 0) {
            (uint32 begins, uint32 ends) = membershipOf(participant);
            if (begins <= period && period < ends) return participant;
            participant = _formerOf[participant];
        }
    }

    function _join(uint256 area, uint256 participant, bytes32 meteringPoint, uint32 fromPeriod) internal {
        uint256 former = _lastAt[meteringPoint];
        if (former != 0) _formerOf[participant] = former;
        _lastAt[meteringPoint] = participant;
        _seats[AreaKey.inSlot(participant >> 8, area)] |= 1 << (participant & 0xff);
        if (fromPeriod > _latestJoin) _latestJoin = fromPeriod;
        _set(participant, (uint256(fromPeriod) << 32) | type(uint32).max);
    }

    function _leave(uint256 participant, uint32 untilPeriod) internal {
        uint256 membership = Lanes.get64(_memberships[Lanes.groupOf(participant)], Lanes.laneOf(participant));
        _set(participant, ((membership >> 32) << 32) | untilPeriod);
    }

    /// @dev Somebody of a group who is a member in the period or in a later one; 0 = nobody
    function _memberFrom(uint256 group, uint256 period) internal view returns (uint256 participant) {
        uint256 memberships = _memberships[group];
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            if (uint32(Lanes.get64(memberships, lane)) > period) return Lanes.participantAt(group, lane);
        }
    }

    /// @dev Whether every membership has begun in the period: who has not left is then a member, and nobody has to look
    function _allJoinedBy(uint256 period) internal view returns (bool) {
        return period >= _latestJoin;
    }

    /// @dev The profiles of a group without those who are no members in the period
    function _membersIn(uint256 period, uint256 group, uint256 profiles) internal view returns (uint256) {
        uint256 memberships = _memberships[group];
        unchecked {
            for (uint256 shift; shift < 256; shift += 64) {
                uint256 membership = memberships >> shift;
                if (uint32(membership >> 32) <= period && period < uint32(membership)) continue;
                profiles &= ~(uint256(type(uint64).max) << shift);
            }
        }
        return profiles;
    }

    function _set(uint256 participant, uint256 membership) private {
        uint256 group = Lanes.groupOf(participant);
        _memberships[group] = Lanes.set64(_memberships[group], Lanes.laneOf(participant), membership);
    }
}
