// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IExportPledges} from "../interfaces/IExportPledges.sol";
import {SettlementCurrency} from "../ledger/SettlementCurrency.sol";

/// @title How much of what an installation exports is promised to campaigns: all of it, and never more
/// @notice One of a market, for all its campaigns. A pledge stands from the opening of a campaign until it is over; a
///         later campaign's income begins after that, so that no Wh is ever promised twice.
contract ExportPledges is IExportPledges {
    uint256 private constant WHOLE = 1000;

    /// @notice Names the campaigns: contracts that the operator lets hold it
    SettlementCurrency public immutable currency;
    /// @inheritdoc IExportPledges
    mapping(uint256 installation => uint256) public pledgedPermille;
    /// @notice What a campaign has pledged, in permille
    mapping(address campaign => uint256) public pledgeOf;

    /// @notice A campaign promises a part of an installation's export
    event Pledged(uint256 indexed installation, address indexed campaign, uint256 permille);
    /// @notice It promises none of it any more
    event PledgeReleased(uint256 indexed installation, address indexed campaign, uint256 permille);

    error NoCampaign(address caller);
    error PledgedAbove(uint256 installation, uint256 permille, uint256 leftPermille);

    constructor(SettlementCurrency currency_) {
        currency = currency_;
    }

    /// @inheritdoc IExportPledges
    function pledge(uint256 installation, uint256 permille) external {
        // Anybody else could keep an owner from ever opening a campaign.
        if (!currency.systemHolder(msg.sender)) revert NoCampaign(msg.sender);
        uint256 left = WHOLE - pledgedPermille[installation];
        if (permille > left) revert PledgedAbove(installation, permille, left);
        pledgedPermille[installation] += permille;
        pledgeOf[msg.sender] += permille;
        emit Pledged(installation, msg.sender, permille);
    }

    /// @inheritdoc IExportPledges
    function release(uint256 installation) external {
        uint256 permille = pledgeOf[msg.sender];
        if (permille == 0) return;
        delete pledgeOf[msg.sender];
        pledgedPermille[installation] -= permille;
        emit PledgeReleased(installation, msg.sender, permille);
    }
}
