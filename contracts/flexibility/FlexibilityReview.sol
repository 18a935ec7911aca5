// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IFlexibilityDelivery} from "../interfaces/IFlexibility.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {Commitment} from "../libraries/Commitment.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {FlexibilityRules} from "./FlexibilityRules.sol";
import {VerifiedLeg} from "./VerifiedLeg.sol";

/// @title Verified flexibility measured anew, by the reading that its period was settled on or corrected to
/// @notice Verification rests on readings that may yet be corrected. Once a period is settled anyone has a leg reviewed:
///         payment, the aggregator's part, penalty, damages and compensation change to what the reading says now, and so
///         do the energy positions, so that what was not delivered is charged as imbalance instead, never both and never
///         neither. Differences are booked as corrections are: who has to give back may come to be in debt, for which the
///         supplier stands in, and what is credited without cover waits. Tokens stay as they are: they are claims to what
///         was paid out of the margin, whoever holds them or redeemed them, and it is the seller of the leg who answers
///         for it. A leg that was ruled without a reading stays as it was ruled. The reference is
///         `gridbourse.model.flexibility.review`.
contract FlexibilityReview {
    /// @notice What a group was settled on or last corrected to, and the proof of it
    struct SettlementProof {
        Commitment.Leaf leaf;
        Commitment.Path path;
    }

    /// @dev What a leg stands at since its last review, in one slot
    struct Standing {
        bool reviewed;
        int64 meteredWh;
        uint128 compensatedMicroEur;
    }

    /// @dev What accounts receive (− pay); the supplier stands against it
    struct Changes {
        uint256[3] accounts;
        int256[3] microEur;
    }

    /// @notice Where money is
    IClearingHouse public immutable clearingHouse;
    /// @notice By whose commitment readings are proven
    ISettlement public immutable settlement;
    /// @notice By whose commitment legs are proven
    IFlexibilityDelivery public immutable delivery;

    mapping(bytes32 leg => Standing) private _standings;

    /// @notice A verified leg comes to something else by the reading that stands now. What it makes accounts receive
    ///         (− pay) is the difference to before; the positions and the money are told of by the contracts that hold them
    event LegReviewed(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed request,
        uint256 participant,
        int256 meteredWh,
        VerifiedLeg.Outcome outcome,
        uint256 compensatedMicroEur
    );

    /// @notice The leg is not what the delivery's commitment of area and period stands for; hashes of either
    error NotVerified(uint256 area, uint256 period, bytes32 committed, bytes32 proven);
    /// @notice The proof is about another period than the leg
    error OfAnotherPeriod(uint256 period, uint256 settledPeriod);
    /// @notice The participant is not of the group that the proof is about
    error OfAnotherGroup(uint256 participant, uint256 group);
    /// @notice By this reading the leg comes to what it stands at
    error NothingToReview(uint256 participant, uint256 period, int256 meteredWh);

    constructor(IClearingHouse clearingHouse_, ISettlement settlement_, IFlexibilityDelivery delivery_) {
        clearingHouse = clearingHouse_;
        settlement = settlement_;
        delivery = delivery_;
    }

    // --- reviewing -----------------------------------------------------------------------------

    /// @notice Measures a verified leg by the reading its period was settled on or corrected to; anyone may
    /// @param leg What it was verified by
    /// @param path Proof that it is what the delivery's commitment of area and period stands for
    /// @param seller Reading and position of its participant
    /// @param buyer Position of a participant that bought the energy, once the seller's is changed; else not looked at
    function review(
        VerifiedLeg.Leg calldata leg,
        Commitment.Path calldata path,
        SettlementProof calldata seller,
        SettlementProof calldata buyer
    ) external {
        VerifiedLeg.Leg memory terms = leg;
        bytes32 key = _requireVerified(terms, path);
        int256 meteredWh = _readingOf(terms, seller);
        Standing memory standing = _standingOf(terms, key);
        VerifiedLeg.Outcome memory was = VerifiedLeg.outcomeOf(terms, standing.meteredWh);
        VerifiedLeg.Outcome memory is_ = VerifiedLeg.outcomeOf(terms, meteredWh);
        // What was shared and paid follows from what was delivered, damages from that too, a penalty from `offWh`.
        if (was.deliveredWh == is_.deliveredWh && was.offWh == is_.offWh) {
            revert NothingToReview(terms.participant, terms.period, meteredWh);
        }
        uint256 compensated =
            VerifiedLeg.compensation(terms, standing.compensatedMicroEur, was.deliveredWh, is_.deliveredWh);
        Changes memory changes = _changes(terms, was, is_, int256(compensated) - int256(uint256(standing.compensatedMicroEur)));
        _standings[key] = Standing(true, int64(meteredWh), uint128(compensated));
        emit LegReviewed(
            terms.area, terms.period, terms.number, terms.participant, meteredWh, is_, compensated
        );
        _reposition(terms, int256(is_.deliveredWh) - int256(was.deliveredWh), seller, buyer);
        _book(terms.area, terms.period, changes);
    }

    function _requireVerified(VerifiedLeg.Leg memory leg, Commitment.Path calldata path)
        private
        view
        returns (bytes32 key)
    {
        key = VerifiedLeg.hash(leg);
        bytes32 committed = delivery.verifiedOf(leg.area, leg.period);
        bytes32 proven = Commitment.commitmentOf(key, path);
        if (proven != committed) revert NotVerified(leg.area, leg.period, committed, proven);
    }

    /// @dev Of the seller, what its period was settled on or corrected to
    function _readingOf(VerifiedLeg.Leg memory leg, SettlementProof calldata seller) private view returns (int256) {
        Commitment.Leaf calldata settled = seller.leaf;
        if (settled.period != leg.period) revert OfAnotherPeriod(leg.period, settled.period);
        if (settled.group != Lanes.groupOf(leg.participant)) revert OfAnotherGroup(leg.participant, settled.group);
        settlement.requireProven(leg.area, settled, seller.path);
        return Lanes.getInt64(settled.readings, Lanes.laneOf(leg.participant));
    }

    function _standingOf(VerifiedLeg.Leg memory leg, bytes32 key) private view returns (Standing memory standing) {
        standing = _standings[key];
        if (!standing.reviewed) standing = Standing(true, int64(leg.meteredWh), uint128(leg.compensatedMicroEur));
    }

    // --- energy --------------------------------------------------------------------------------

    /// @dev Delivered up is sold and delivered down is bought; a participant that buys takes the other side
    function _reposition(
        VerifiedLeg.Leg memory leg,
        int256 moreWh,
        SettlementProof calldata seller,
        SettlementProof calldata buyer
    ) private {
        if (moreWh == 0) return;
        bool up = leg.direction == FlexibilityRules.UP;
        (int256 sold, int256 bought) = up ? (moreWh, int256(0)) : (int256(0), moreWh);
        settlement.reposition(leg.area, seller.leaf, seller.path, leg.participant, sold, bought);
        if (!HouseAccounts.isParticipant(leg.buyer)) return;
        if (buyer.leaf.period != leg.period) revert OfAnotherPeriod(leg.period, buyer.leaf.period);
        settlement.reposition(leg.area, buyer.leaf, buyer.path, leg.buyer, bought, sold);
    }

    // --- money ---------------------------------------------------------------------------------

    function _changes(
        VerifiedLeg.Leg memory leg,
        VerifiedLeg.Outcome memory was,
        VerifiedLeg.Outcome memory is_,
        int256 compensated
    ) private pure returns (Changes memory) {
        int256 paid = int256(is_.paidMicroEur) - int256(was.paidMicroEur);
        int256 shared = int256(is_.sharedMicroEur) - int256(was.sharedMicroEur);
        int256 penalty = int256(is_.penaltyMicroEur) - int256(was.penaltyMicroEur);
        int256 damages = int256(is_.damagesMicroEur) - int256(was.damagesMicroEur);
        if (leg.direction == FlexibilityRules.DOWN) compensated = -compensated; // the buyer pays it
        return Changes(
            [leg.participant, leg.aggregator, leg.buyer],
            [paid - shared - penalty, shared, damages + compensated - paid]
        );
    }

    /// @dev What is to be given back first, so that cover is there for what is credited
    function _book(uint256 area, uint256 period, Changes memory changes) private {
        for (uint256 i; i < changes.accounts.length; ++i) {
            if (changes.microEur[i] < 0) _credit(area, period, changes.accounts[i], changes.microEur[i]);
        }
        for (uint256 i; i < changes.accounts.length; ++i) {
            if (changes.microEur[i] > 0) _credit(area, period, changes.accounts[i], changes.microEur[i]);
        }
    }

    function _credit(uint256 area, uint256 period, uint256 account, int256 microEur) private {
        if (HouseAccounts.isDso(account)) { // of the area: no other DSO asks there
            clearingHouse.correct(area, period, 0, 0, -microEur, microEur);
            return;
        }
        uint256 deltas = Lanes.setInt64(0, Lanes.laneOf(account), microEur);
        clearingHouse.correct(area, period, Lanes.groupOf(account), deltas, -microEur, 0);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice What a verified leg stands at, given the hash of what it was verified by
    /// @return reviewed Whether it was reviewed at all; else it stands as verified
    /// @return meteredWh The reading of its last review
    /// @return compensatedMicroEur What supplier and buyer have paid each other for it since
    function standingOf(bytes32 leg)
        external
        view
        returns (bool reviewed, int256 meteredWh, uint256 compensatedMicroEur)
    {
        Standing memory standing = _standings[leg];
        return (standing.reviewed, standing.meteredWh, standing.compensatedMicroEur);
    }
}
