// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

interface IPriced {
    function setEnergyPrices(
        uint256 area,
        uint32 fromPeriod,
        uint16 retailMicroEurPerWh,
        uint16 feedInMicroEurPerWh
    ) external;
}

/// @notice A supplier that announces a price for each of many periods in one transaction
contract ManyPrices {
    function announce(IPriced tariff, uint32 fromPeriod, uint256 count) external {
        for (uint32 i; i < count; ++i) {
            tariff.setEnergyPrices(0, fromPeriod + i, 300 - uint16(i % 7), 80);
        }
    }
}
