// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title What flexibility delivered, what it costs to be off, and who is called
/// @notice The reference is `gridbourse.model.flexibility.market`; this is its equal.
/// @dev    Energies have 32 bits, prices and percentages 17 at most: nothing here runs over.
library FlexibilityRules {
    uint256 internal constant UP = 1;
    uint256 internal constant DOWN = 2;
    uint256 internal constant BOTH = 3;
    uint256 internal constant DECLARED_SCHEDULE = 0;

    /// @notice Penalty on energy at a price, rounded up so that no Wh is free: bonds are measured by it too
    function penaltyMicroEur(uint256 wh, uint256 microEurPerWh, uint256 percent) internal pure returns (uint256) {
        unchecked {
            return (wh * microEurPerWh * percent + 99) / 100;
        }
    }

    /// @notice What a Wh off is penalised by, and bonds are measured by: its price and, downwards, what the energy is
    ///         worth that comes with it, or who is given energy at no price would risk nothing for it
    function baseMicroEurPerWh(uint256 direction, uint256 microEurPerWh, uint256 compensationMicroEurPerWh)
        internal
        pure
        returns (uint256)
    {
        return direction == DOWN ? microEurPerWh + compensationMicroEurPerWh : microEurPerWh;
    }

    /// @notice Whether the lot calls an offer: with probability f / (1 + f), at which no false schedule pays
    /// @param seed The buyer's; committed to before anything was offered, shown before any salt
    /// @param salt Of who offers; committed to with the offer, before the seed was shown
    function called(
        bytes32 seed,
        bytes16 salt,
        uint256 area,
        uint256 period,
        uint256 number,
        uint256 participant,
        uint256 percent
    ) internal pure returns (bool) {
        uint256 drawn = uint256(keccak256(abi.encode(seed, salt, area, period, number, participant)));
        return drawn % (100 + percent) < percent;
    }

    /// @notice What an offer that is not called stands by with: the most that it could have been awarded
    /// @param mightWin Whether it would have been awarded anything
    function standsByWh(uint256 wh, uint256 askedWh, bool mightWin) internal pure returns (uint256) {
        if (!mightWin) return 0;
        return wh < askedWh ? wh : askedWh;
    }

    /// @notice Change of net injection in the direction asked for; below zero the other way
    function responseWh(uint256 direction, int256 baselineWh, int256 meteredWh) internal pure returns (int256) {
        return direction == UP ? meteredWh - baselineWh : baselineWh - meteredWh;
    }

    /// @notice The part of a response that a leg is paid for, once `creditedWh` of it went to earlier ones
    function deliveredWh(int256 response, uint256 creditedWh, uint256 awardedWh) internal pure returns (uint256) {
        int256 left = response - int256(creditedWh);
        if (left <= 0) return 0;
        return uint256(left) < awardedWh ? uint256(left) : awardedWh;
    }

    /// @notice Number of the token for flexibility of a product, needed in a zone, in a direction and period
    function tokenId(uint256 product, uint256 zone, uint256 direction, uint256 period)
        internal
        pure
        returns (uint256)
    {
        return (product << 64) | (zone << 48) | (direction << 32) | period;
    }

    function distance(int256 a, int256 b) internal pure returns (uint256) {
        return uint256(a > b ? a - b : b - a);
    }
}
