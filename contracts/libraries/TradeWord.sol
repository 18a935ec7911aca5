// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice One trade between two participants, in 108 bits
/// @dev   seller: 32 | buyer: 32 | Wh: 28 | price in µEUR per Wh: 16, the price lowest
library TradeWord {
    function pack(uint256 fromSeller, uint256 toBuyer, uint256 energyWh, uint256 atMicroEurPerWh)
        internal
        pure
        returns (uint256)
    {
        return (fromSeller << 76) | (toBuyer << 44) | (energyWh << 16) | atMicroEurPerWh;
    }

    function seller(uint256 trade) internal pure returns (uint256) {
        return (trade >> 76) & type(uint32).max;
    }

    function buyer(uint256 trade) internal pure returns (uint256) {
        return (trade >> 44) & type(uint32).max;
    }

    function wh(uint256 trade) internal pure returns (uint256) {
        return (trade >> 16) & ((1 << 28) - 1);
    }

    function price(uint256 trade) internal pure returns (uint256) {
        return trade & type(uint16).max;
    }

    /// @dev What the buyer pays the seller
    function paymentMicroEur(uint256 trade) internal pure returns (uint256) {
        return wh(trade) * price(trade);
    }
}
