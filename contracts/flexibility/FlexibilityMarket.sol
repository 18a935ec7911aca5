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
///         is what is left of escrows, the bonds of open legs, and the claims of all tokens. Source:
///         [Talari-nd] §3.2, [Khajeh2022] §2.4.
contract FlexibilityMarket is FlexibilityAwards {
    /// @dev What the legs of one call come to
    struct LegTotals {
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

    /// @notice The contracts for requests, verification and tokens were named
    event Connected(address indexed requests, address indexed delivery, address indexed token);
    /// @notice Energy was moved at the supplier's cost or to its benefit: what it pays the buyer (+), or gets from it
    event Compensated(uint256 indexed area, uint256 indexed period, uint256 indexed request, int256 microEur);

    /// @notice The contracts for requests, verification and tokens are named already, once and for all
    error ConnectedBefore(address requests, address delivery, address token);
    /// @notice Only the contract that verifies delivery ends legs
    error OnlyDelivery(address caller);
    /// @notice Only the tokens have claims paid
    error OnlyToken(address caller);
    /// @notice This many legs of the request still wait for the DSO's verdict
    error VerdictsAwaited(uint256 area, uint256 period, uint256 request, uint256 legs);
    /// @notice The participant has no open leg under the request
    error NoLeg(uint256 participant, uint256 request);

    constructor(Settings memory settings) FlexibilityLedger(settings) {}

    /// @notice Names the contracts for requests, verification and tokens, once: they need this contract's address
    function connect(address requests_, address delivery_, address token_) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        if (requests != address(0)) revert ConnectedBefore(requests, delivery, token);
        Contracts.requireCode(requests_);
        Contracts.requireCode(delivery_);
        Contracts.requireCode(token_);
        (requests, delivery, token) = (requests_, delivery_, token_);
        emit Connected(requests_, delivery_, token_);
    }

    // --- legs end ------------------------------------------------------------------------------

    /// @inheritdoc IFlexibilityMarket
    function close(uint256 area, uint32 period, uint256 number, Closing[] calldata closings)
        external
        returns (uint256 compensatedMicroEur)
    {
        if (msg.sender != delivery) revert OnlyDelivery(msg.sender);
        RequestState memory request = _requestStateOf(area, period, number);
        if (request.posted.phase != Phase.Awarded) revert WrongPhase(area, period, number, request.posted.phase);
        if (request.progress.waiting != 0) revert VerdictsAwaited(area, period, number, request.progress.waiting);
        LegTotals memory totals;
        totals.exchanges = new IClearingHouse.Exchange[](closings.length);
        totals.groups = new uint256[](closings.length + 1);
        totals.fills = new uint256[](closings.length + 1);
        for (uint256 i; i < closings.length; ++i) {
            _closeLeg(request, totals, closings[i], i);
        }
        request.progress.open -= uint24(closings.length);
        request.progress.deliveredWh += uint32(totals.deliveredWh);
        _reserve(request, totals.exchanges);
        _move(HouseAccounts.MARGIN, request.posted.buyer, totals.damagesMicroEur);
        _move(HouseAccounts.MARGIN, HouseAccounts.SUPPLIER, totals.deviationsMicroEur);
        if (request.rules.metered && totals.deliveredWh != 0) {
            _shift(request, totals);
            compensatedMicroEur = _compensate(request, totals.deliveredWh);
        }
        _endIfDone(request);
        _store(request);
    }

    /// @dev Of the energy that was reserved, what was delivered and metered becomes a position, the rest is free
    function _closeLeg(RequestState memory request, LegTotals memory totals, Closing calldata closing, uint256 i) private {
        uint256 participant = closing.participant;
        uint256 leg = _setLeg(request, participant, 0);
        if (leg == 0) revert NoLeg(participant, request.number);
        uint256 wh = FlexibilityLeg.wh(leg);
        _move(HouseAccounts.MARGIN, participant, _bond(request, wh) - closing.penaltyMicroEur);
        _move(HouseAccounts.MARGIN, closing.aggregator, closing.sharedMicroEur);
        request.progress.escrowMicroEur -= closing.paidMicroEur;
        totals.damagesMicroEur += closing.damagesMicroEur;
        totals.deviationsMicroEur += closing.penaltyMicroEur - closing.damagesMicroEur;
        totals.deliveredWh += closing.deliveredWh;
        uint256 reserved = FlexibilityLeg.state(leg) == FlexibilityLeg.AWARDED ? wh : 0;
        uint256 moved = request.rules.metered ? closing.deliveredWh : 0;
        totals.exchanges[i] = _exchange(participant, _energy(request, reserved - moved), 0);
        totals.groups[i] = Lanes.groupOf(participant);
        totals.fills[i] = _energy(request, moved) << (Lanes.laneOf(participant) * 56);
    }

    /// @dev Delivered up is sold, delivered down is bought, at no other price than the request's
    function _shift(RequestState memory request, LegTotals memory totals) private {
        if (_takesEnergy(request)) {
            uint256 last = totals.groups.length - 1;
            uint256 lane = Lanes.laneOf(request.posted.buyer);
            totals.groups[last] = Lanes.groupOf(request.posted.buyer);
            totals.fills[last] = _buyerEnergy(request, totals.deliveredWh) << (lane * 56);
        }
        clearingHouse.book(request.area, request.period, totals.groups, totals.fills, new uint256[](totals.groups.length));
    }

    /// @dev Where the supplier is on the other side: up it is paid for energy it did not send, down it sent energy
    ///      nobody pays it for. It never owes more than it has
    function _compensate(RequestState memory request, uint256 wh) private returns (uint256 amount) {
        if (HouseAccounts.isParticipant(request.posted.buyer)) return 0;
        amount = wh * request.rules.compensationMicroEurPerWh;
        bool up = request.posted.direction == FlexibilityRules.UP;
        if (up) {
            uint256 most = clearingHouse.spendableOf(HouseAccounts.SUPPLIER);
            if (most < amount) amount = most;
            _move(HouseAccounts.SUPPLIER, request.posted.buyer, amount);
        } else {
            request.progress.escrowMicroEur -= uint64(amount);
            _move(HouseAccounts.MARGIN, HouseAccounts.SUPPLIER, amount);
        }
        if (amount != 0) {
            emit Compensated(
                request.area, request.period, request.number, up ? int256(amount) : -int256(amount)
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
        RequestState memory request = _requestStateOf(area, period, number);
        (MeritOrder.Margin memory margin,) = _marginOf(request);
        legs = new Leg[](participants.length);
        for (uint256 i; i < legs.length; ++i) {
            uint256 participant = participants[i];
            uint256 leg = Lanes.get56(
                Lanes.ofPeriod(_legs[_legKey(request.key, participant)], period), Lanes.laneOf(participant)
            );
            if (leg == 0) continue;
            uint256 wh = FlexibilityLeg.wh(leg);
            legs[i] = Leg(
                wh, _priceOf(request, margin, leg), _bond(request, wh),
                FlexibilityLeg.state(leg) == FlexibilityLeg.STANDS_BY
            );
        }
    }

    /// @inheritdoc CheckedTrades
    function booked(uint256 area, uint256 period) public view override returns (bool) {
        RequestCounts memory counts = _requestCountsOf(area, period);
        return counts.posted == counts.ended && super.booked(area, period);
    }
}
