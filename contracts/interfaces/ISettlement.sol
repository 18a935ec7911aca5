// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Commitment} from "../libraries/Commitment.sol";

/// @notice What others ask the settlement
interface ISettlement {
    /// @notice Reverts unless the area and period is settled, and by this proof on this leaf
    function requireProven(uint256 area, Commitment.Leaf calldata leaf, Commitment.Path calldata path) external view;

    /// @notice Changes what a participant traded in a settled period, and books the difference that it makes; for modules
    ///         with the permission to settle
    /// @param leaf What the participant's group was settled on, or last corrected to
    /// @param path Proof that it is what the period's commitment stands for
    /// @param moreSoldWh Energy sold beyond what was booked (− less), at no price of its own
    /// @param moreBoughtWh Energy bought beyond what was booked (− less)
    function reposition(
        uint256 area,
        Commitment.Leaf calldata leaf,
        Commitment.Path calldata path,
        uint256 participant,
        int256 moreSoldWh,
        int256 moreBoughtWh
    ) external;
}
