// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {FlexibilityRules} from "./FlexibilityRules.sol";

/// @title A leg of flexibility that the meter verified, with all that is needed to verify it anew
/// @notice One response is paid for once: legs of a participant share it in the order in which they were verified, each
///         as much as it wanted, whatever the reading comes to be. The reference is `gridbourse.model.flexibility.market`.
library VerifiedLeg {
    /// @notice What a leg was verified by
    /// @param buyer Number of the buyer's account
    /// @param aggregator Participant number; 0 = none. It gets what is missing to 1000 of `permille`
    /// @param wh Awarded, or stood by with
    /// @param beforeWh What earlier legs of the participant in the period wanted of its response
    /// @param compensatedMicroEur What supplier and buyer paid each other for the energy moved
    struct Leg {
        uint256 area;
        uint256 period;
        uint256 number;
        uint256 participant;
        uint256 buyer;
        uint256 aggregator;
        uint256 permille;
        uint256 direction;
        bool declared;
        bool standsBy;
        uint256 penaltyPercent;
        uint256 compensationMicroEurPerWh;
        uint256 wh;
        uint256 priceMicroEurPerWh;
        uint256 bondMicroEur;
        int256 baselineWh;
        int256 meteredWh;
        uint256 beforeWh;
        uint256 compensatedMicroEur;
    }

    /// @notice What a leg comes to by a reading
    /// @param offWh What is penalised
    /// @param sharedMicroEur The aggregator's part of what is paid
    /// @param damagesMicroEur The buyer's part of the penalty
    struct Outcome {
        uint256 deliveredWh;
        uint256 offWh;
        uint256 paidMicroEur;
        uint256 sharedMicroEur;
        uint256 penaltyMicroEur;
        uint256 damagesMicroEur;
    }

    uint256 internal constant PERMILLE = 1000;
    uint256 private constant WORDS = 19;

    /// @dev 608 bytes are hashed here and 64 in an inner node, so that no node passes for a leg
    function hash(Leg memory leg) internal pure returns (bytes32 hashed) {
        uint256 size = WORDS * 32;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            hashed := keccak256(leg, size) // words in memory are what abi.encode makes of them
        }
    }

    /// @notice Of a response, what the leg is there for
    function wantedWh(Leg memory leg) internal pure returns (uint256) {
        return leg.standsBy ? 0 : leg.wh;
    }

    /// @notice What a leg comes to by a reading
    function outcomeOf(Leg memory leg, int256 meteredWh) internal pure returns (Outcome memory found) {
        int256 response = FlexibilityRules.responseWh(leg.direction, leg.baselineWh, meteredWh);
        uint256 wanted = wantedWh(leg);
        uint256 delivered = FlexibilityRules.deliveredWh(response, leg.beforeWh, wanted);
        uint256 missed = wanted - delivered;
        uint256 off = leg.declared ? FlexibilityRules.distance(response, int256(wanted)) : missed;
        return price(leg, delivered, off, missed);
    }

    /// @notice What is paid for what was delivered and lost for what was not
    /// @param missedWh By the buyer, as is shown
    function price(Leg memory leg, uint256 deliveredWh, uint256 offWh, uint256 missedWh)
        internal
        pure
        returns (Outcome memory found)
    {
        found.deliveredWh = deliveredWh;
        found.offWh = offWh;
        found.paidMicroEur = deliveredWh * leg.priceMicroEurPerWh;
        if (leg.permille < PERMILLE) {
            found.sharedMicroEur = (found.paidMicroEur * (PERMILLE - leg.permille)) / PERMILLE; // the rest is the seller's
        }
        found.penaltyMicroEur = _penalty(leg, offWh);
        found.damagesMicroEur = _penalty(leg, missedWh);
    }

    /// @dev Never beyond the bond
    function _penalty(Leg memory leg, uint256 wh) private pure returns (uint256) {
        uint256 base = FlexibilityRules.baseMicroEurPerWh(
            leg.direction, leg.priceMicroEurPerWh, leg.compensationMicroEurPerWh
        );
        uint256 penalty = FlexibilityRules.penaltyMicroEur(wh, base, leg.penaltyPercent);
        return penalty < leg.bondMicroEur ? penalty : leg.bondMicroEur;
    }

    /// @notice What supplier and buyer have paid each other once a leg comes to `nowWh` instead of `wasWh`
    /// @dev Where the supplier could not pay all of it, nothing is given back beyond what was paid
    function compensation(Leg memory leg, uint256 compensated, uint256 wasWh, uint256 nowWh)
        internal
        pure
        returns (uint256)
    {
        if (HouseAccounts.isParticipant(leg.buyer)) return 0;
        uint256 rate = leg.compensationMicroEurPerWh;
        if (nowWh >= wasWh) return compensated + (nowWh - wasWh) * rate;
        uint256 due = nowWh * rate;
        return due < compensated ? due : compensated;
    }
}
