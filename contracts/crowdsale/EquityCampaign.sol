// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IExportPledges} from "../interfaces/IExportPledges.sol";
import {IPayments} from "../interfaces/IPayments.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {SettlementCurrency} from "../ledger/SettlementCurrency.sol";
import {Purposes} from "../libraries/Purposes.sol";
import {Campaign} from "./Campaign.sol";
import {Dividends} from "./Dividends.sol";
import {ExportIncome} from "./ExportIncome.sol";

/// @title Investors get a part of what the panel earns by exporting, or a rent
/// @notice Either side may offer, before the campaign opens: an investor a part or a rent that the owner accepts or
///         declines, or the owner one that investors accept by funding. A token is a share; who holds it, is paid.
///         What was agreed binds the metering point: whoever holds it in a period owes for that period, the owner or who
///         came to the point after it and has said that it takes the pledge over. What is due is taken from its account
///         in the clearing house, as far as there is free money in it; the rest is in arrears and taken later.
contract EquityCampaign is ExportIncome, Dividends {
    enum Form {
        None,
        ProfitShare,
        Rent
    }

    /// @notice What somebody offers; `value`: permille of the income, or µEUR a delivery period
    struct ShareOffer {
        address by;
        Form form;
        uint64 value;
        bool declined;
    }

    /// @notice The part of all income that 1,000 permille of the income of 1,000 permille of the panel are
    uint256 private constant WHOLE = 1_000_000;

    /// @notice Where the owner's account is; this contract is a payment module of it
    IPayments public immutable clearingHouse;
    /// @notice Where it is written down how much of the export which campaign shares
    IExportPledges public immutable pledges;
    /// @notice What was agreed on
    Form public form;
    /// @notice Permille of the income, or µEUR a delivery period
    uint256 public value;
    /// @notice What came in from accounts over all time, in µEUR
    uint256 public collectedMicroEur;
    ShareOffer[] private _offers;

    /// @notice Somebody made an offer
    event Offered(uint256 indexed offer, address indexed by, Form form, uint256 value);
    /// @notice The owner declined an offer
    event Declined(uint256 indexed offer);
    /// @notice The campaign goes by this offer
    event Agreed(uint256 indexed offer, Form form, uint256 value);
    /// @notice Money due was taken from the account of who holds or held the metering point; it comes in after the clearing
    ///         house's dispute window
    event Collected(uint256 indexed participant, uint256 amountMicroEur, uint256 arrearsMicroEur);
    /// @notice What was taken came in, less what its account then owed: from now on it is the shares', for all alike
    event Distributed(uint256 amountMicroEur);
    /// @notice A holder took out what its shares have earned
    event Claimed(address indexed holder, uint256 amountMicroEur);

    /// @notice No offer has this number; `offers` is how many there are
    error NoSuchOffer(uint256 offer, uint256 offers);
    /// @notice The owner declined this offer
    error OfferDeclined(uint256 offer);
    /// @notice No offer was agreed on yet
    error NothingAgreed();
    /// @notice An offer without a form, or whose value is zero or too much: permille of the income, or µEUR a delivery
    ///         period
    error BadOffer(Form form, uint256 value, uint256 maximum);

    constructor(
        Anchors memory anchors,
        CampaignTerms memory terms_,
        IPayments clearingHouse_,
        ISettlement settlement_,
        ITariff tariff_,
        IExportPledges pledges_,
        uint256 panelPermille_
    )
        ERC20("gridbourse share", "gSHARE")
        Campaign(anchors, terms_)
        ExportIncome(settlement_, tariff_, panelPermille_)
    {
        clearingHouse = clearingHouse_;
        pledges = pledges_;
    }

    // --- what is agreed ------------------------------------------------------------------------

    /// @notice Offers a part of the income (permille) or a rent (µEUR a delivery period). The owner's offer is what
    ///         the campaign goes by, until it accepts another; an investor's waits for the owner
    function offer(Form form_, uint64 value_) external onlyIn(Phase.Draft) returns (uint256 number) {
        uint256 most = form_ == Form.ProfitShare ? 1000 : type(uint40).max;
        if (form_ == Form.None || value_ == 0 || value_ > most) revert BadOffer(form_, value_, most);
        if (msg.sender != owner()) _requirePermitted(Purposes.FUND, msg.sender);
        number = _offers.length;
        _offers.push(ShareOffer(msg.sender, form_, value_, false));
        emit Offered(number, msg.sender, form_, value_);
        if (msg.sender == owner()) _agree(number);
    }

    /// @notice Accepts an offer: the campaign goes by it, unless another is accepted before it opens
    function accept(uint256 number) external onlyOwner onlyIn(Phase.Draft) {
        if (_offerOf(number).declined) revert OfferDeclined(number);
        _agree(number);
    }

    /// @notice Declines an offer
    function decline(uint256 number) external onlyOwner onlyIn(Phase.Draft) {
        if (_offerOf(number).declined) revert OfferDeclined(number);
        _offers[number].declined = true;
        emit Declined(number);
    }

    function _agree(uint256 number) private {
        (form, value) = (_offers[number].form, _offers[number].value);
        emit Agreed(number, form, value);
    }

    /// @inheritdoc Campaign
    /// @dev Refused while other campaigns share more of the metering point's export than leaves room for this one
    function open(uint64[] calldata milestonesMicroEur) public override {
        if (form == Form.None) revert NothingAgreed();
        super.open(milestonesMicroEur);
        pledges.pledge(meteringPoint, panelPermille);
    }

    function _end(Phase last) internal override {
        super._end(last);
        pledges.release(meteringPoint);
    }

    // --- what is paid --------------------------------------------------------------------------

    /// @notice Takes what a participant owes from its account, as far as there is free money in it, and then out of what
    ///         it has announced to withdraw; anyone may. It is for the shares once it is here, after the clearing
    ///         house's dispute window
    /// @param announced Withdrawals of the participant that are still on their way, if its free money may not suffice:
    ///        who owes does not take its money out first
    /// @return amount What was taken: zero is no failure
    function collect(uint256 participant, uint256[] calldata announced) external returns (uint256 amount) {
        _requireOperated();
        _distributeArrived();
        amount = _collectFree(participant);
        for (uint256 i; i < announced.length; ++i) {
            amount += _collectAnnounced(participant, announced[i]);
        }
        uint256 arrears = arrearsOf(participant);
        if (amount != 0) emit Collected(participant, amount, arrears);
        _distributeArrived();
    }

    function _collectFree(uint256 participant) private returns (uint256 amount) {
        int256 free = clearingHouse.balanceOf(participant);
        if (free <= 0) return 0;
        amount = _least(arrearsOf(participant), uint256(free));
        if (amount != 0) clearingHouse.collect(participant, amount);
    }

    function _collectAnnounced(uint256 participant, uint256 withdrawal) private returns (uint256) {
        return clearingHouse.collectAnnounced(withdrawal, participant, arrearsOf(participant));
    }

    /// @dev What came in since the last look
    function _distributeArrived() private {
        uint256 arrived = clearingHouse.receivedBy(address(this));
        if (arrived == collectedMicroEur) return;
        uint256 more = arrived - collectedMicroEur;
        collectedMicroEur = arrived;
        _distribute(more);
        emit Distributed(more);
    }

    /// @notice Takes out what the caller's shares have earned, those it has given away included
    function claim() external {
        _distributeArrived();
        uint256 amount = _noteClaim(msg.sender);
        emit Claimed(msg.sender, amount);
        _pay(msg.sender, amount);
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice What a participant owed over all time, in µEUR, for the periods in which it held the metering point: the
    ///         part of the income on record, rounded down once, or the rent of those that are over. A correction may take
    ///         it below what was collected: that then counts for what comes
    function dueOf(uint256 participant) public view returns (uint256) {
        if (form == Form.ProfitShare) return (incomeThousandthsOf[participant] * value) / WHOLE;
        if (firstPeriod == 0 || registry.meteringPointOf(participant) != meteringPoint) return 0;
        (uint256 begins, uint256 ends) = registry.membershipOf(participant);
        if (begins < firstPeriod) begins = firstPeriod;
        ends = _least(ends, _least(clock.currentPeriod(), untilPeriod()));
        return ends > begins ? (ends - begins) * value : 0;
    }

    /// @notice What of that was taken from its account, here or on its way, in µEUR
    function collectedFrom(uint256 participant) public view returns (uint256) {
        return clearingHouse.takenFrom(address(this), participant);
    }

    /// @notice What a participant owes and was not taken yet, in µEUR
    function arrearsOf(uint256 participant) public view returns (uint256) {
        (uint256 due, uint256 taken) = (dueOf(participant), collectedFrom(participant));
        return due > taken ? due - taken : 0;
    }

    /// @notice How many offers there are; they are numbered from 0
    function offers() external view returns (uint256) {
        return _offers.length;
    }

    /// @notice An offer
    function offerOf(uint256 number) external view returns (ShareOffer memory) {
        return _offerOf(number);
    }

    function _offerOf(uint256 number) private view returns (ShareOffer storage) {
        if (number >= _offers.length) revert NoSuchOffer(number, _offers.length);
        return _offers[number];
    }

    /// @inheritdoc Campaign
    function decimals() public pure override(Campaign, ERC20) returns (uint8) {
        return super.decimals();
    }

    // --- who may hold a share ------------------------------------------------------------------

    function _update(address from, address to, uint256 amount) internal override(Campaign, Dividends) {
        super._update(from, to, amount);
    }

    /// @dev Once the funding is over and as long as there is something to get for a share
    function _requireMayMove(address from, address to) internal view override {
        if (phase == Phase.Draft || phase == Phase.Open || phase == Phase.Failed) revert NotTransferable(from, to);
        // A contract that never calls could neither claim nor be refunded.
        if (to == address(this) || SettlementCurrency(address(currency)).systemHolder(to)) {
            revert NotTransferable(from, to);
        }
        _requirePermitted(Purposes.HOLD_SHARES, to);
    }
}
