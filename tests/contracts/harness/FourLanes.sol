// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {SignedLanes} from "../libraries/SignedLanes.sol";

/// @title What is done to four lanes of a word at once
/// @notice For tests only; it is compiled beside a copy of `contracts/libraries`.
contract FourLanes {
    function signed(uint256 a, uint256 b)
        external
        pure
        returns (uint256 added, bool within, uint256 less, uint256 least, uint256 positive, bool anyBelow0, int256 sum)
    {
        added = SignedLanes.add(a, b);
        within = SignedLanes.within(a, b, added);
        less = SignedLanes.sub(a, b);
        least = SignedLanes.min(a, b);
        positive = SignedLanes.positive(a);
        anyBelow0 = SignedLanes.anyBelow0(a);
        sum = SignedLanes.sum(a);
    }

    function fromInt32s(uint256 word) external pure returns (uint256) {
        return SignedLanes.fromInt32s(word);
    }

    function energies(uint256 a, uint256 b)
        external
        pure
        returns (uint256 outs, uint256 intos, uint256 nets, bool outsAbove)
    {
        outs = Lanes.widen(Lanes.outs(a));
        intos = Lanes.widen(Lanes.intos(a));
        nets = Lanes.nets(a);
        outsAbove = Lanes.anyAbove(Lanes.outs(a), Lanes.outs(b));
    }

    function profiles(uint256 four, uint256 zone)
        external
        pure
        returns (uint256 members, uint256 ofZone, bool anyLeft)
    {
        members = Profile.members(four);
        ofZone = Profile.ofZone(four, zone);
        anyLeft = Profile.anyLeft(four);
    }
}
