// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IFlexibilityMarket} from "../interfaces/IFlexibility.sol";
import {Contracts} from "../libraries/Contracts.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {MeritOrder} from "../libraries/MeritOrder.sol";
import {Roles} from "../libraries/Roles.sol";
import {CheckedTrades} from "../market/CheckedTrades.sol";
import {FlexibilityAwards} from "./FlexibilityAwards.sol";
import {FlexibilityLedger} from "./FlexibilityLedger.sol";
import {FlexibilityLeg} from "./FlexibilityLeg.sol";
import {FlexibilityRules} from "./FlexibilityRules.sol";

/// @title Local market for flexibility: DSO, TSO and participants ask, participants and their aggregators offer
/// @notice What was delivered is verified by `FlexibilityDelivery`, which alone ends a leg here: its payment is set aside
///         for the tokens that are minted for it, what the meter shows moves the seller's position, so that it is not paid
///         again as imbalance, and the rest of the bond goes back. Invariant: what this market has in the margin account
///         is what is left of escrows, the bonds of open legs, and the claims of all tokens. Source: seed 001 §3.2, seed
///         003 §2.4.
contract FlexibilityMarket is FlexibilityAwards {
    /// @dev What the legs of one call come to
    struct Bill {
        IClearingHouse.Exchange[] exchanges;
        uint256[] groups;
        uint256[] fills;
        uint256 deliveredWh;
        uint256 damagesMicroEur;
        uint256 deviationsMicroEur;
    }

    /// @inheritdoc IFlexibilityMarket
    address public delivery;
    /// @notice The tokens for what was delivered
    address public token;

    /// @notice Board, verification and tokens were named
    event Connected(address indexed board, address indexed delivery, address indexed token);
    /// @notice Energy was moved at the supplier's cost or to its benefit: what it pays the buyer (+), or gets from it
    event Compensated(uint256 indexed area, uint256 indexed period, uint256 indexed request, int256 microEur);

    error ConnectedBefore(address board, address delivery, address token);
    error OnlyDelivery(address caller);
    error OnlyToken(address caller);
    error VerdictsAwaited(uint256 area, uint256 period, uint256 request, uint256 legs);
    error NoLeg(uint256 participant, uint256 request);

    constructor(Settings memory settings) FlexibilityLedger(settings) {}

    /// @notice Names board, verification and tokens, once: they need this contract's address
    function connect(address board_, address delivery_, address token_) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        if (board != address(0)) revert ConnectedBefore(board, delivery, token);
        Contracts.requireCode(board_);
        Contracts.requireCode(delivery_);
        Contracts.requireCode(token_);
        (board, delivery, token) = (board_, delivery_, token_);
        emit Connected(board_, delivery_, token_);
    }

    // --- legs end ------------------------------------------------------------------------------

    /// @inheritdoc IFlexibilityMarket
    function close(uint256 area, uint32 period, uint256 number, Closing[] calldata closings)
        external
        returns (uint256 compensatedMicroEur)
    {
        if (msg.sender != delivery) revert OnlyDelivery(msg.sender);
        Tender memory tender = _tenderOf(area, period, number);
        if (tender.asked.phase != Phase.Awarded) revert WrongPhase(area, period, number, tender.asked.phase);
        if (tender.progress.waiting != 0) revert VerdictsAwaited(area, period, number, tender.progress.waiting);
        Bill memory bill;
        bill.exchanges = new IClearingHouse.Exchange[](closings.length);
        bill.groups = new uint256[](closings.length + 1);
        bill.fills = new uint256[](closings.length + 1);
        for (uint256 i; i < closings.length; ++i) {
            _closeLeg(tender, bill, closings[i], i);
        }
        tender.progress.open -= uint24(closings.length);
        tender.progress.deliveredWh += uint32(bill.deliveredWh);
        _reserve(tender, bill.exchanges);
        _move(HouseAccounts.MARGIN, tender.asked.buyer, bill.damagesMicroEur);
        _move(HouseAccounts.MARGIN, HouseAccounts.SUPPLIER, bill.deviationsMicroEur);
        if (tender.rules.metered && bill.deliveredWh != 0) {
            _shift(tender, bill);
            compensatedMicroEur = _compensate(tender, bill.deliveredWh);
        }
        _endIfDone(tender);
        _store(tender);
    }

    /// @dev Of the energy that was reserved, what was delivered and metered becomes a position, the rest is free
    function _closeLeg(Tender memory tender, Bill memory bill, Closing calldata closing, uint256 i) private {
        uint256 participant = closing.participant;
        uint256 leg = _setLeg(tender, participant, 0);
        if (leg == 0) revert NoLeg(participant, tender.number);
        uint256 wh = FlexibilityLeg.wh(leg);
        _move(HouseAccounts.MARGIN, participant, _bond(tender, wh) - closing.penaltyMicroEur);
        _move(HouseAccounts.MARGIN, closing.aggregator, closing.sharedMicroEur);
        tender.progress.escrowMicroEur -= closing.paidMicroEur;
        bill.damagesMicroEur += closing.damagesMicroEur;
        bill.deviationsMicroEur += closing.penaltyMicroEur - closing.damagesMicroEur;
        bill.deliveredWh += closing.deliveredWh;
        uint256 reserved = FlexibilityLeg.state(leg) == FlexibilityLeg.AWARDED ? wh : 0;
        uint256 moved = tender.rules.metered ? closing.deliveredWh : 0;
        bill.exchanges[i] = _exchange(participant, _energy(tender, reserved - moved), 0);
        bill.groups[i] = Lanes.groupOf(participant);
        bill.fills[i] = _energy(tender, moved) << (Lanes.laneOf(participant) * 56);
    }

    /// @dev Delivered up is sold, delivered down is bought, at no other price than the request's
    function _shift(Tender memory tender, Bill memory bill) private {
        if (_takesEnergy(tender)) {
            uint256 last = bill.groups.length - 1;
            uint256 lane = Lanes.laneOf(tender.asked.buyer);
            bill.groups[last] = Lanes.groupOf(tender.asked.buyer);
            bill.fills[last] = _buyerEnergy(tender, bill.deliveredWh) << (lane * 56);
        }
        clearingHouse.book(tender.area, tender.period, bill.groups, bill.fills, new uint256[](bill.groups.length));
    }

    /// @dev Where the supplier is on the other side: up it is paid for energy it did not send, down it sent energy
    ///      nobody pays it for. It never owes more than it has
    function _compensate(Tender memory tender, uint256 wh) private returns (uint256 amount) {
        if (HouseAccounts.isParticipant(tender.asked.buyer)) return 0;
        amount = wh * tender.rules.compensationMicroEurPerWh;
        bool up = tender.asked.direction == FlexibilityRules.UP;
        if (up) {
            uint256 most = clearingHouse.spendableOf(HouseAccounts.SUPPLIER);
            if (most < amount) amount = most;
            _move(HouseAccounts.SUPPLIER, tender.asked.buyer, amount);
        } else {
            tender.progress.escrowMicroEur -= uint64(amount);
            _move(HouseAccounts.MARGIN, HouseAccounts.SUPPLIER, amount);
        }
        if (amount != 0) {
            emit Compensated(
                tender.area, tender.period, tender.number, up ? int256(amount) : -int256(amount)
            );
        }
    }

    /// @inheritdoc IFlexibilityMarket
    function payClaim(uint256 account, uint256 amountMicroEur) external {
        if (msg.sender != token) revert OnlyToken(msg.sender);
        _move(HouseAccounts.MARGIN, account, amountMicroEur);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @inheritdoc IFlexibilityMarket
    function legsOf(uint256 area, uint256 period, uint256 number, uint256[] calldata participants)
        external
        view
        returns (Leg[] memory legs)
    {
        Tender memory tender = _tenderOf(area, period, number);
        (MeritOrder.Margin memory margin,) = _marginOf(tender);
        legs = new Leg[](participants.length);
        for (uint256 i; i < legs.length; ++i) {
            uint256 participant = participants[i];
            uint256 leg = Lanes.get56(
                Lanes.ofPeriod(_legs[_legKey(tender.key, participant)], period), Lanes.laneOf(participant)
            );
            if (leg == 0) continue;
            uint256 wh = FlexibilityLeg.wh(leg);
            legs[i] = Leg(
                wh, _priceOf(tender, margin, leg), _bond(tender, wh),
                FlexibilityLeg.state(leg) == FlexibilityLeg.STANDS_BY
            );
        }
    }

    /// @inheritdoc CheckedTrades
    function booked(uint256 area, uint256 period) public view override returns (bool) {
        Board memory counts = _boardOf(area, period);
        return counts.posted == counts.ended && super.booked(area, period);
    }
}
