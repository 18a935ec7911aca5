// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";

/// @title Market areas and grid zones
/// @notice An area nobody is a member of any more can be closed: from then on it has no more periods.
abstract contract Places is IParticipantRegistry {
    struct Zone {
        uint16 parent;
        bytes32 name;
    }

    uint256 private constant MAX_AREAS = 256;
    uint256 private constant MAX_ZONES = 4095;

    bytes32[] private _areas;
    Zone[] private _zones;
    /// @inheritdoc IParticipantRegistry
    mapping(uint256 area => uint256 period) public closedFrom;

    /// @notice A market area was opened
    event AreaAdded(uint256 indexed area, bytes32 name);
    /// @notice An area without members is no part of the periods from `fromPeriod` on
    event AreaEnded(uint256 indexed area, uint256 fromPeriod);
    /// @notice A grid zone was added below a parent (0 = none)
    event ZoneAdded(uint256 indexed zone, uint256 indexed parent, bytes32 name);

    /// @notice No grid zone has this number
    error UnknownZone(uint256 zone);
    /// @notice As many of these as there can be, are there
    error TooMany(string what, uint256 limit);

    constructor() {
        _zones.push(Zone(0, "flat"));
    }

    function _addArea(bytes32 name) internal returns (uint256 area) {
        area = _areas.length;
        if (area == MAX_AREAS) revert TooMany("areas", MAX_AREAS);
        _areas.push(name);
        emit AreaAdded(area, name);
    }

    function _closeArea(uint256 area, uint256 fromPeriod) internal {
        _requireArea(area);
        closedFrom[area] = fromPeriod;
        emit AreaEnded(area, fromPeriod);
    }

    function _addZone(bytes32 name, uint16 parent) internal returns (uint256 zone) {
        zone = _zones.length;
        if (zone > MAX_ZONES) revert TooMany("zones", MAX_ZONES);
        if (parent >= zone) revert UnknownZone(parent);
        _zones.push(Zone(parent, name));
        emit ZoneAdded(zone, parent, name);
    }

    function _requireArea(uint256 area) internal view {
        if (area >= _areas.length) revert UnknownArea(area);
        if (closedFrom[area] != 0) revert AreaClosed(area, closedFrom[area]);
    }

    function _requireZone(uint256 zone) internal view {
        if (zone >= _zones.length) revert UnknownZone(zone);
    }

    /// @inheritdoc IParticipantRegistry
    function areaCount() public view returns (uint256) {
        return _areas.length;
    }

    /// @inheritdoc IParticipantRegistry
    function requireAreaIn(uint256 area, uint256 period) external view {
        if (area >= _areas.length) revert UnknownArea(area);
        uint256 closed = closedFrom[area];
        if (closed != 0 && period >= closed) revert AreaClosed(area, closed);
    }

    /// @inheritdoc IParticipantRegistry
    function parentZone(uint256 zone) external view returns (uint256) {
        _requireZone(zone);
        return _zones[zone].parent;
    }
}
