// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {SettlementCurrency} from "../ledger/SettlementCurrency.sol";
import {Campaign} from "./Campaign.sol";

/// @title Who gives gets a receipt that stays its own
/// @notice A token is the receipt for one µEUR and cannot be transferred; what milestones release, and on which
///         evidence, is on the record. Somebody other than the property owner may be the one to get it.
contract DonationCampaign is Campaign {
    address private immutable _beneficiary;

    /// @notice Makes a campaign
    /// @param beneficiary_ Who gets what milestones release; zero: the property owner
    constructor(Anchors memory anchors, CampaignTerms memory terms_, address beneficiary_)
        ERC20("gridbourse donation receipt", "gDONATION")
        Campaign(anchors, terms_)
    {
        // A system contract takes no money it has not asked for.
        bool takes = !SettlementCurrency(address(anchors.currency)).systemHolder(beneficiary_);
        _require(takes, "beneficiary is no system contract", uint160(beneficiary_), 0);
        _beneficiary = beneficiary_;
    }

    /// @inheritdoc Campaign
    function beneficiary() public view override returns (address) {
        return _beneficiary == address(0) ? owner() : _beneficiary;
    }
}
