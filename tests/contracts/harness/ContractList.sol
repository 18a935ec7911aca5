// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Contracts between aggregators and prosumers that say whatever a test wants them to
contract ContractList {
    struct Contract {
        uint256 aggregator;
        uint256 permille;
        bool mayTrade;
    }

    mapping(uint256 participant => Contract) private _contracts;

    function set(uint256 participant, uint256 aggregator, uint256 permille, bool mayTrade) external {
        _contracts[participant] = Contract(aggregator, permille, mayTrade);
    }

    function contractOf(uint256 participant, uint256) external view returns (uint256, uint256, bool) {
        Contract memory found = _contracts[participant];
        return (found.aggregator, found.permille, found.mayTrade);
    }
}
