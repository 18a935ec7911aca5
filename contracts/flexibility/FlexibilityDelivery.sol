// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {
    IFlexibilityDelivery,
    IFlexibilityMarket,
    IFlexibilityProducts,
    IFlexibilityToken,
    ISchedules,
    Product
} from "../interfaces/IFlexibility.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IMeterOracle} from "../interfaces/IOracles.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {IPortfolios} from "../interfaces/IPortfolios.sol";
import {Commitment} from "../libraries/Commitment.sol";
import {FlexibilityRules} from "./FlexibilityRules.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {MeterReading} from "../libraries/MeterReading.sol";
import {Profile} from "../libraries/Profile.sol";
import {Roles} from "../libraries/Roles.sol";
import {VerifiedLeg} from "./VerifiedLeg.sol";
import {CheckedTrades} from "../market/CheckedTrades.sol";
import {RingTime} from "../registry/RingTime.sol";

/// @title What was delivered, measured against a baseline: what it pays, what missing it costs, tokens for it
/// @notice Baselines are computed off the chain by an agreed method and committed with the hash of method and evidence,
///         so that anyone recomputes them; a declared schedule stands on the chain, and then anyone verifies. The buyer gets
///         damages for what it was sold and is shown not to have got; whatever else is lost of a bond is the supplier's, who
///         balances what deviates. A reading that alone does not come in time is nothing delivered, to nobody's gain who
///         buys; where those of the whole area are missing, as what is not verified in time, everything is given back. The
///         reference is `gridbourse.model.flexibility.market`.
contract FlexibilityDelivery is IFlexibilityDelivery {
    /// @notice Where verification is anchored and its rules
    struct Settings {
        IParticipantRegistry registry;
        IMarketClock clock;
        IClearingHouse clearingHouse;
        IMeterOracle meterOracle;
        IFlexibilityMarket market;
        IFlexibilityProducts products;
        ISchedules schedules;
        IPortfolios portfolios;
        IFlexibilityToken token;
        uint256 readingWindowSeconds;
        uint256 verificationWindowSeconds;
    }

    /// @notice What the verifier says of one seller
    /// @param wh Its baseline, net (+ injects); of a product no meter proves, all the evidence shows was delivered, which
    ///        is paid for once
    /// @param evidenceSeconds Resolution of the evidence
    /// @param evidence keccak-256 of method and evidence in their canonical form
    struct Report {
        uint32 participant;
        int32 wh;
        uint16 evidenceSeconds;
        bytes32 evidence;
    }

    /// @notice What verification found; `meteredWh` is type(int32).min for a missing reading, or where none is asked
    /// @param penaltyMicroEur All that is lost of the bond
    /// @param damagesMicroEur The buyer's part of it
    struct LegResult {
        uint32 participant;
        bool stoodBy;
        int256 baselineWh;
        int256 meteredWh;
        uint256 deliveredWh;
        uint256 offWh;
        uint256 paidMicroEur;
        uint256 sharedMicroEur;
        uint256 penaltyMicroEur;
        uint16 evidenceSeconds;
        bytes32 evidence;
        uint256 damagesMicroEur;
    }

    /// @dev What stays the same over the legs of one call
    struct Case {
        uint256 area;
        uint32 period;
        uint256 number;
        uint256 deadline;
        IFlexibilityMarket.Request posted;
        Product product;
        bool metered;
        bool declared;
    }

    /// @dev Groups whose readings are asked for at once when the whole area's seem to be missing
    uint256 private constant PAGE = 64;
    int256 private constant MISSING_WH = MeterReading.MISSING;

    IParticipantRegistry public immutable registry;
    IMarketClock public immutable clock;
    IMeterOracle public immutable meterOracle;
    IFlexibilityMarket public immutable market;
    /// @notice What may be asked for
    IFlexibilityProducts public immutable products;
    /// @notice Where schedules are declared
    ISchedules public immutable schedules;
    /// @notice Contracts between aggregators and prosumers; zero where there are none
    IPortfolios public immutable portfolios;
    /// @notice Tokens for what was delivered
    IFlexibilityToken public immutable token;
    /// @notice Seconds of block time readings may still come once they are awaited
    uint256 public immutable readingWindowSeconds;
    /// @notice Seconds of block time after that in which delivery may still be verified
    uint256 public immutable verificationWindowSeconds;
    uint256 private immutable _ringSize;

    mapping(uint256 area => mapping(uint256 period => uint256)) private _deadlines;
    /// @dev ring slot | quantity | group => period: 32 | four lanes: of the response, what legs wanted; of what evidence
    ///      shows, what they were paid for
    mapping(uint256 key => uint256 fourEnergies) private _credited;
    /// @inheritdoc IFlexibilityDelivery
    mapping(uint256 area => mapping(uint256 period => bytes32)) public verifiedOf;

    /// @notice Readings and verification of the period are awaited until these times (block time)
    event VerificationAwaited(uint256 indexed area, uint256 indexed period, uint256 readingsUntil, uint256 until);
    /// @notice A leg was verified
    event LegVerified(uint256 indexed area, uint256 indexed period, uint256 indexed request, LegResult result);
    /// @notice Nobody verified a leg in time: nothing is paid, nothing is owed
    event LegLapsed(uint256 indexed area, uint256 indexed period, uint256 indexed request, uint256 participant);

    /// @notice The delivery period is not over
    error NotDelivered(uint256 period);
    /// @notice The product is measured by another baseline method: 0 the declared schedule, else by the verifier
    error OtherMethod(uint256 product, uint256 method);
    /// @notice The evidence resolves less finely than the product needs
    error EvidenceTooCoarse(uint256 participant, uint256 evidenceSeconds, uint256 neededSeconds);
    /// @notice The hash of the evidence is zero
    error NoEvidence(uint256 participant);
    /// @notice The reading is missing, and may still come until this unix second of block time; 0 = not yet asked for
    error ReadingMissing(uint256 participant, uint256 period, uint256 deadline);
    /// @notice The verifier still has time, until this unix second of block time
    error VerificationAwaitedStill(uint256 area, uint256 period, uint256 until);

    constructor(Settings memory settings) {
        registry = settings.registry;
        clock = settings.clock;
        meterOracle = settings.meterOracle;
        market = settings.market;
        products = settings.products;
        schedules = settings.schedules;
        portfolios = settings.portfolios;
        token = settings.token;
        readingWindowSeconds = settings.readingWindowSeconds;
        verificationWindowSeconds = settings.verificationWindowSeconds;
        _ringSize = settings.clearingHouse.ringSize();
        uint256 afterDelivery = readingWindowSeconds + verificationWindowSeconds;
        RingTime.requireFits(clock, _ringSize, CheckedTrades(address(market)).verdictWindowSeconds() + afterDelivery);
    }

    // --- verification --------------------------------------------------------------------------

    /// @notice Verifies legs against baselines of an agreed method, or evidence of the product's resolution
    function verify(uint256 area, uint32 period, uint256 number, Report[] calldata reports) external {
        registry.requireRole(Roles.inArea(Roles.VERIFIER, area), msg.sender);
        Case memory of_ = _caseOf(area, period, number);
        if (of_.declared) revert OtherMethod(of_.posted.product, of_.product.method);
        uint256 needed = of_.product.evidenceSeconds;
        for (uint256 i; i < reports.length; ++i) {
            Report calldata report = reports[i];
            if (report.evidenceSeconds == 0 || report.evidenceSeconds > needed) {
                revert EvidenceTooCoarse(report.participant, report.evidenceSeconds, needed);
            }
            if (report.evidence == 0) revert NoEvidence(report.participant);
        }
        _verify(of_, reports);
    }

    /// @notice Verifies legs against the schedules their participants declared; anyone may
    function verifyDeclared(uint256 area, uint32 period, uint256 number, uint32[] calldata participants) external {
        Case memory of_ = _caseOf(area, period, number);
        if (!of_.declared) revert OtherMethod(of_.posted.product, of_.product.method);
        Report[] memory reports = new Report[](participants.length);
        for (uint256 i; i < reports.length; ++i) {
            (, int256 wh) = schedules.scheduleOf(period, participants[i]);
            reports[i] = Report(participants[i], int32(wh), of_.product.evidenceSeconds, bytes32(0));
        }
        _verify(of_, reports);
    }

    function _caseOf(uint256 area, uint32 period, uint256 number) private view returns (Case memory of_) {
        if (!clock.delivered(period)) revert NotDelivered(period);
        of_.area = area;
        of_.period = period;
        of_.number = number;
        of_.deadline = _deadlines[area][period];
        of_.posted = market.requestOf(area, period, number);
        of_.product = products.productOf(of_.posted.product);
        of_.metered = products.metered(of_.posted.product);
        of_.declared = of_.product.method == FlexibilityRules.DECLARED_SCHEDULE;
    }

    function _verify(Case memory of_, Report[] memory reports) private {
        uint256[] memory participants = new uint256[](reports.length);
        for (uint256 i; i < reports.length; ++i) {
            participants[i] = reports[i].participant;
        }
        IFlexibilityMarket.Leg[] memory legs =
            market.legsOf(of_.area, of_.period, of_.number, participants);
        int256[] memory readings = _readingsOf(of_, participants);
        IFlexibilityMarket.Closing[] memory closings = new IFlexibilityMarket.Closing[](reports.length);
        VerifiedLeg.Leg[] memory verified = new VerifiedLeg.Leg[](reports.length);
        for (uint256 i; i < reports.length; ++i) {
            verified[i] = _termsOf(of_, legs[i], reports[i], readings[i]);
            closings[i] = _find(of_, verified[i], reports[i]);
        }
        uint256 compensated = market.close(of_.area, of_.period, of_.number, closings);
        if (of_.metered) _commit(of_, verified, closings, compensated);
        _mint(of_, closings);
    }

    /// @dev Missing where no meter proves anything, and where it says more than the connection carries
    function _readingsOf(Case memory of_, uint256[] memory participants)
        private
        view
        returns (int256[] memory readings)
    {
        readings = new int256[](participants.length);
        if (!of_.metered) {
            for (uint256 i; i < readings.length; ++i) {
                readings[i] = MISSING_WH;
            }
            return readings;
        }
        uint256[] memory words = new uint256[](participants.length);
        for (uint256 i; i < words.length; ++i) {
            words[i] = Lanes.groupOf(participants[i]);
        }
        uint256[] memory profiles = registry.profilesOfGroups(of_.period, words);
        words = meterOracle.readingsOfGroups(of_.area, of_.period, words);
        for (uint256 i; i < words.length; ++i) {
            uint256 lane = Lanes.laneOf(participants[i]);
            int256 wh = Lanes.getInt64(words[i], lane);
            bool usable = MeterReading.isUsable(wh, Profile.capacityWh(Lanes.get64(profiles[i], lane)));
            readings[i] = usable ? wh : MISSING_WH;
        }
    }

    function _termsOf(
        Case memory of_,
        IFlexibilityMarket.Leg memory leg,
        Report memory report,
        int256 meteredWh
    ) private view returns (VerifiedLeg.Leg memory terms) {
        terms.area = of_.area;
        terms.period = of_.period;
        terms.number = of_.number;
        terms.participant = report.participant;
        terms.buyer = of_.posted.buyer;
        terms.direction = of_.posted.direction;
        terms.declared = of_.declared;
        terms.standsBy = leg.standsBy;
        terms.penaltyPercent = of_.product.penaltyPercent;
        terms.compensationMicroEurPerWh = of_.product.compensationMicroEurPerWh;
        terms.wh = leg.wh;
        terms.priceMicroEurPerWh = leg.priceMicroEurPerWh;
        terms.bondMicroEur = leg.bondMicroEur;
        terms.baselineWh = report.wh;
        terms.meteredWh = meteredWh;
        terms.permille = VerifiedLeg.PERMILLE;
        if (address(portfolios) == address(0) || VerifiedLeg.wantedWh(terms) == 0) return terms;
        (uint256 aggregator, uint256 permille,) = portfolios.contractOf(report.participant, of_.period);
        if (aggregator != 0) (terms.aggregator, terms.permille) = (aggregator, permille);
    }

    /// @dev What a leg comes to; told, and as the market closes it
    function _find(Case memory of_, VerifiedLeg.Leg memory leg, Report memory report)
        private
        returns (IFlexibilityMarket.Closing memory)
    {
        VerifiedLeg.Outcome memory found;
        if (!of_.metered) found = _byEvidence(of_, leg, report.wh);
        else if (leg.meteredWh == MISSING_WH) found = _missing(of_, leg);
        else found = _measure(of_, leg);
        emit LegVerified(
            of_.area,
            of_.period,
            of_.number,
            LegResult(
                report.participant,
                leg.standsBy,
                leg.baselineWh,
                leg.meteredWh,
                found.deliveredWh,
                found.offWh,
                found.paidMicroEur,
                found.sharedMicroEur,
                found.penaltyMicroEur,
                report.evidenceSeconds,
                report.evidence,
                found.damagesMicroEur
            )
        );
        return IFlexibilityMarket.Closing(
            report.participant,
            uint32(leg.aggregator),
            uint32(found.deliveredWh),
            uint64(found.paidMicroEur),
            uint64(found.sharedMicroEur),
            uint64(found.penaltyMicroEur),
            uint64(found.damagesMicroEur)
        );
    }

    /// @dev Of what the evidence shows, what no earlier leg was paid for; reactive energy is another one
    function _byEvidence(Case memory of_, VerifiedLeg.Leg memory leg, int256 shownWh)
        private
        returns (VerifiedLeg.Outcome memory)
    {
        uint256 key = _creditKey(of_, leg.participant);
        uint256 credited = _creditedBefore(key, leg);
        uint256 delivered = FlexibilityRules.deliveredWh(shownWh, credited, leg.wh);
        _credit(key, leg, credited + delivered);
        return VerifiedLeg.price(leg, delivered, leg.wh - delivered, leg.wh - delivered);
    }

    /// @dev Nothing delivered, and nothing that the buyer is shown to have missed
    function _missing(Case memory of_, VerifiedLeg.Leg memory leg)
        private
        view
        returns (VerifiedLeg.Outcome memory)
    {
        if (of_.deadline == 0 || block.timestamp <= of_.deadline) {
            revert ReadingMissing(leg.participant, of_.period, of_.deadline);
        }
        return VerifiedLeg.price(leg, 0, _isSilent(of_.area, of_.period) ? 0 : leg.wh, 0);
    }

    /// @dev By the meter, of what earlier legs left of the response
    function _measure(Case memory of_, VerifiedLeg.Leg memory leg) private returns (VerifiedLeg.Outcome memory) {
        uint256 key = _creditKey(of_, leg.participant);
        leg.beforeWh = _creditedBefore(key, leg);
        _credit(key, leg, leg.beforeWh + VerifiedLeg.wantedWh(leg));
        return VerifiedLeg.outcomeOf(leg, leg.meteredWh);
    }

    /// @dev Whether there is no reading of a period in a whole area: nobody unplugs all of its meters
    function _isSilent(uint256 area, uint256 period) private view returns (bool silent) {
        for (uint256 from;; from += PAGE) {
            uint256[] memory groups = registry.groupsOf(area, from, PAGE);
            if (groups.length == 0) return true;
            uint256[] memory readings = meterOracle.readingsOfGroups(area, period, groups);
            for (uint256 i; i < readings.length; ++i) {
                for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
                    if (Lanes.getInt64(readings[i], lane) != MISSING_WH) return false;
                }
            }
        }
    }

    function _creditKey(Case memory of_, uint256 participant) private view returns (uint256) {
        return ((of_.period % _ringSize) << 64) | (uint256(of_.product.quantity) << 40) | Lanes.groupOf(participant);
    }

    function _creditedBefore(uint256 key, VerifiedLeg.Leg memory leg) private view returns (uint256) {
        return Lanes.get56(Lanes.ofPeriod(_credited[key], leg.period), Lanes.laneOf(leg.participant));
    }

    function _credit(uint256 key, VerifiedLeg.Leg memory leg, uint256 wh) private {
        if (wh == 0) return;
        _credited[key] =
            Lanes.set56(Lanes.ofPeriod(_credited[key], leg.period), Lanes.laneOf(leg.participant), wh);
    }

    /// @dev Adds what the meter verified to the period's commitment. What was ruled without a reading is not reviewed
    function _commit(
        Case memory of_,
        VerifiedLeg.Leg[] memory verified,
        IFlexibilityMarket.Closing[] memory closings,
        uint256 compensated
    ) private {
        bytes32[] memory leaves = new bytes32[](verified.length);
        uint256 count;
        for (uint256 i; i < verified.length; ++i) {
            VerifiedLeg.Leg memory leg = verified[i];
            if (leg.meteredWh == MISSING_WH) continue;
            uint256 due = VerifiedLeg.compensation(leg, 0, 0, closings[i].deliveredWh);
            leg.compensatedMicroEur = due < compensated ? due : compensated;
            compensated -= leg.compensatedMicroEur;
            leaves[count++] = VerifiedLeg.hash(leg);
        }
        if (count == 0) return;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(leaves, count) // only ever shorter than it was made
        }
        verifiedOf[of_.area][of_.period] = Commitment.extend(verifiedOf[of_.area][of_.period], leaves);
    }

    function _mint(Case memory of_, IFlexibilityMarket.Closing[] memory closings) private {
        uint256 id = FlexibilityRules.tokenId(
            of_.posted.product, of_.posted.zone, of_.posted.direction, of_.period
        );
        for (uint256 i; i < closings.length; ++i) {
            IFlexibilityMarket.Closing memory closing = closings[i];
            if (closing.deliveredWh == 0) continue;
            token.mint(
                registry.accountOf(closing.participant),
                id,
                closing.deliveredWh,
                closing.paidMicroEur - closing.sharedMicroEur
            );
        }
    }

    // --- deadlines -----------------------------------------------------------------------------

    /// @notice Starts the windows for readings and verification of a delivered period; anyone may
    function awaitVerification(uint256 area, uint32 period) external {
        if (!clock.delivered(period)) revert NotDelivered(period);
        if (_deadlines[area][period] != 0) return;
        uint256 deadline = block.timestamp + readingWindowSeconds;
        _deadlines[area][period] = deadline;
        emit VerificationAwaited(area, period, deadline, deadline + verificationWindowSeconds);
    }

    /// @notice Ends legs that nobody verified in time: what backs them is given back; anyone may
    function lapse(uint256 area, uint32 period, uint256 number, uint32[] calldata participants) external {
        uint256 deadline = _deadlines[area][period];
        uint256 until = deadline + verificationWindowSeconds;
        if (deadline == 0 || block.timestamp <= until) revert VerificationAwaitedStill(area, period, until);
        IFlexibilityMarket.Closing[] memory closings = new IFlexibilityMarket.Closing[](participants.length);
        for (uint256 i; i < closings.length; ++i) {
            closings[i].participant = participants[i];
            emit LegLapsed(area, period, number, participants[i]);
        }
        market.close(area, period, number, closings);
    }

    /// @notice Seconds of block time after which nothing of a delivered period waits for verification any more, when both
    ///         windows are started at once; the verdict window of the market runs beside them
    function longestWaitSeconds() external view returns (uint256) {
        return readingWindowSeconds + verificationWindowSeconds;
    }

    /// @notice Block time until which readings of a period are awaited; 0 = not yet asked for
    function deadlineOf(uint256 area, uint256 period) external view returns (uint256) {
        return _deadlines[area][period];
    }
}
