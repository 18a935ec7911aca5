// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Commitment} from "../libraries/Commitment.sol";

/// @notice What others ask the settlement
interface ISettlement {
    /// @notice Reverts unless the area and period is settled, and by this proof on this leaf
    function requireProven(uint256 area, Commitment.Leaf calldata leaf, Commitment.Path calldata path) external view;
}
