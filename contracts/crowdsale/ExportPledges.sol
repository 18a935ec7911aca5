// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IExportPledges} from "../interfaces/IExportPledges.sol";
import {SettlementCurrency} from "../ledger/SettlementCurrency.sol";

/// @title How much of what a metering point exports is promised to campaigns: all of it, and never more
/// @notice One of a market, for all its campaigns. A pledge stands from the opening of a campaign until it is over; a
///         later campaign's income begins after that, so that no Wh is ever promised twice. It binds the metering point,
///         like a charge on land: who holds the point does not leave by itself, and who comes to it later has said
///         before that it takes the pledge over.
contract ExportPledges is IExportPledges {
    uint256 private constant WHOLE = 1000;

    /// @notice Names the campaigns: contracts that the operator lets hold it
    SettlementCurrency public immutable currency;
    /// @inheritdoc IExportPledges
    mapping(bytes32 meteringPoint => uint256) public pledgedPermille;
    /// @notice What a campaign has pledged, in permille
    mapping(address campaign => uint256) public pledgeOf;
    /// @notice Whether an account has said that it takes over what is pledged of a metering point
    mapping(bytes32 meteringPoint => mapping(address account => bool)) public takesOver;

    /// @notice A campaign promises a part of a metering point's export
    event Pledged(bytes32 indexed meteringPoint, address indexed campaign, uint256 permille);
    /// @notice It promises none of it any more
    event PledgeReleased(bytes32 indexed meteringPoint, address indexed campaign, uint256 permille);
    /// @notice An account says whether it takes over what is pledged of a metering point, should it come to be there
    event TakeOverStated(bytes32 indexed meteringPoint, address indexed account, bool takesOver);

    /// @notice Only a campaign that the currency knows as a system holder pledges export
    error NoCampaign(address caller);
    /// @notice More of a point's export would be pledged than there is
    error PledgedAbove(bytes32 meteringPoint, uint256 permille, uint256 leftPermille);
    /// @notice Some of the point's export is pledged, so that this cannot be done
    error ExportPledged(bytes32 meteringPoint, uint256 permille);
    /// @notice The account has not said that it takes over the pledge of this metering point
    error PledgeNotTakenOver(bytes32 meteringPoint, address account, uint256 permille);

    constructor(SettlementCurrency currency_) {
        currency = currency_;
    }

    /// @inheritdoc IExportPledges
    function pledge(bytes32 meteringPoint, uint256 permille) external {
        // Anybody else could keep an owner from ever opening a campaign.
        if (!currency.systemHolder(msg.sender)) revert NoCampaign(msg.sender);
        uint256 left = WHOLE - pledgedPermille[meteringPoint];
        if (permille > left) revert PledgedAbove(meteringPoint, permille, left);
        pledgedPermille[meteringPoint] += permille;
        pledgeOf[msg.sender] += permille;
        emit Pledged(meteringPoint, msg.sender, permille);
    }

    /// @inheritdoc IExportPledges
    function release(bytes32 meteringPoint) external {
        uint256 permille = pledgeOf[msg.sender];
        if (permille == 0) return;
        delete pledgeOf[msg.sender];
        pledgedPermille[meteringPoint] -= permille;
        emit PledgeReleased(meteringPoint, msg.sender, permille);
    }

    /// @notice Says whether the caller takes over what is pledged of a metering point: without it nobody is registered
    ///         where something is
    function stateTakeOver(bytes32 meteringPoint, bool takesOver_) external {
        takesOver[meteringPoint][msg.sender] = takesOver_;
        emit TakeOverStated(meteringPoint, msg.sender, takesOver_);
    }

    /// @inheritdoc IExportPledges
    function requireFree(bytes32 meteringPoint) external view {
        uint256 permille = pledgedPermille[meteringPoint];
        if (permille != 0) revert ExportPledged(meteringPoint, permille);
    }

    /// @inheritdoc IExportPledges
    function requireMayTake(bytes32 meteringPoint, address account) external view {
        uint256 permille = pledgedPermille[meteringPoint];
        if (permille == 0 || takesOver[meteringPoint][account]) return;
        revert PledgeNotTakenOver(meteringPoint, account, permille);
    }
}
