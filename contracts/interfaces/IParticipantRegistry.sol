// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IClearingHouse} from "./IClearingHouse.sol";

/// @notice What the other contracts ask the registry
interface IParticipantRegistry is IAccessControl {
    /// @notice A role this call needs is missing
    error MissingRole(address account, bytes32 role);

    /// @notice There is no area of that number
    error UnknownArea(uint256 area);

    /// @notice The area is no part of the periods from `fromPeriod` on
    error AreaClosed(uint256 area, uint256 fromPeriod);

    /// @notice Where promises are kept, and whose seal ends the setting up; zero before both are connected
    function clearingHouse() external view returns (IClearingHouse);

    /// @notice Reverts with MissingRole unless `account` holds `role`
    function requireRole(bytes32 role, address account) external view;

    /// @notice Number of the participant behind an account; reverts when there is none
    function numberOf(address account) external view returns (uint256);

    /// @notice Number and profile (see Profile) of the participant behind an account; reverts when there is none
    function memberOf(address account) external view returns (uint256 number, uint256 profile);

    /// @notice Account of a participant; zero when the number was never given
    function accountOf(uint256 participant) external view returns (address);

    /// @notice The participant whose account this was before another took its place; 0 = nobody's. It is never
    ///         anybody's account again
    function formerlyOf(address account) external view returns (uint256 participant);

    /// @notice Who is at a metering point in a delivery period; 0 = nobody
    function holderAt(bytes32 meteringPoint, uint256 period) external view returns (uint256 participant);

    /// @notice The pseudonymous id of a participant's metering point
    function meteringPointOf(uint256 participant) external view returns (bytes32);

    /// @notice Number of a gateway; reverts when the account is none, or its role was taken
    function gatewayNumberOf(address account) external view returns (uint256);

    /// @notice Four packed profiles (see Profile)
    function profilesOf(uint256 group) external view returns (uint256);

    /// @notice Four packed profiles of each group, as of a delivery period: blank for who is no member in it
    function profilesOfGroups(uint256 period, uint256[] calldata groups)
        external
        view
        returns (uint256[] memory profiles);

    /// @notice Reverts where an agent would bring what a connection of the group promises in a delivery period beyond what
    ///         its participant lets it: energy lanes (sell, buy) of what is promised, and of what is exchanged for what
    function requireWithinLimits(address agent, uint256 group, uint256 promised, uint256 released, uint256 claimed)
        external
        view;

    /// @notice Groups of an area, as `groupsOf`, with their profiles as of a delivery period
    function membersOf(uint256 area, uint256 period, uint256 from, uint256 count)
        external
        view
        returns (uint256[] memory groups, uint256[] memory profiles);

    /// @notice How many groups of four the area has
    function groupCount(uint256 area) external view returns (uint256);

    /// @notice Groups `from` .. `from + count - 1` of the area in participant order, fewer at its end
    function groupsOf(uint256 area, uint256 from, uint256 count) external view returns (uint256[] memory);

    /// @notice How many market areas there are; they are numbered from 0
    function areaCount() external view returns (uint256);

    /// @notice Reverts unless an area is there and open in a period
    function requireAreaIn(uint256 area, uint256 period) external view;

    /// @notice The first period an area is no part of; 0 = it is open
    function closedFrom(uint256 area) external view returns (uint256);

    /// @notice 256 seats from number 256 × `word` on, one bit each: set where a participant of the area was ever
    ///         registered
    function seatsTaken(uint256 area, uint256 word) external view returns (uint256);

    /// @notice One above the highest participant number a seat exists for
    function seatLimit() external view returns (uint256);

    /// @notice The zone above a zone; 0 = none
    function parentZone(uint256 zone) external view returns (uint256);

    /// @notice What a participant's energy is made from, one bit a source, as attested
    function sourcesOf(uint256 participant) external view returns (uint256);

    /// @notice Number of the clearing house account of an area's DSO, by the account that holds that role: of the lowest such
    ///         area; 0 = it is no area's DSO
    function dsoAccountOf(address account) external view returns (uint256);

    /// @notice Whether an account is a participant's
    function isParticipant(address account) external view returns (bool);

    /// @notice Whether anyone may do what a purpose stands for (see Purposes)
    function isOpen(bytes32 purpose) external view returns (bool);

    /// @notice Whether an account may do what a purpose stands for: who is registered or in service may, and anyone
    ///         while the purpose is open (see Purposes)
    function permits(bytes32 purpose, address account) external view returns (bool);

    /// @notice Whether an account may hold the settlement currency
    function mayHoldCurrency(address account) external view returns (bool);

    /// @notice The first delivery period in which a reading of the participant is awaited, and the first in which
    ///         none is any more
    function membershipOf(uint256 participant) external view returns (uint32 fromPeriod, uint32 untilPeriod);
}
