// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Keys of what an area has in a slot of the ring of periods
/// @dev   An area that took bits of the slot would be another number of an area there is, and one without groups: with it
///        anyone could end what has not begun.
library AreaKey {
    /// @notice Areas are numbered from 0 to 255
    error AreaOutOfRange(uint256 area);

    /// @notice The key of an area, or of something narrower than 64 bits in it
    function inSlot(uint256 slot, uint256 area) internal pure returns (uint256) {
        if (area > type(uint32).max) revert AreaOutOfRange(area);
        return (slot << 64) | area;
    }

    /// @notice The key of what an area has under a number of 32 bits
    /// @dev `area` was checked before, as by `inSlot`
    function numbered(uint256 slot, uint256 area, uint256 number) internal pure returns (uint256) {
        return (slot << 64) | (area << 32) | number;
    }
}
