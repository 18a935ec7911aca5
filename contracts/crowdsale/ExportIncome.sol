// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISettlement} from "../interfaces/ISettlement.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {Commitment} from "../libraries/Commitment.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {ProfileLookup} from "../libraries/ProfileLookup.sol";
import {Campaign} from "./Campaign.sol";

/// @title What a metering point earns by exporting: metered and settled by the market, proven period by period
/// @notice Whoever is at the point in a period has earned what was exported in it, and owes of it. Each settled period counts once, as its reading stands: after a correction it is recorded again. Its export
///         is valued at the feed-in tariff, which every sale earns at least; what the market paid above that the
///         attester states, at most up to the retail price.
abstract contract ExportIncome is Campaign {
    uint256 private constant PER_WORD = 3;
    uint256 private constant RECORDED = 1 << 28;
    uint256 private constant ATTESTED = 1 << 29;
    uint256 private constant PREMIUM_AT = 30;
    uint256 private constant BITS = 80;
    uint256 private constant PERMILLE = 1000;

    /// @notice By whose commitment an export is proven
    ISettlement public immutable settlement;
    /// @notice Prices by which an export is valued
    ITariff public immutable tariff;
    /// @notice How much of the export counts: by installed power, the project's part of all panels behind the meter
    uint256 public immutable panelPermille;

    /// @dev Three periods to a word, 80 bits each: export in Wh: 28 | recorded: 1 | premium attested: 1 | premium: 50
    mapping(uint256 word => uint256) private _periods;
    /// @notice What the export that counts has earned who was at the metering point, in thousandths of a µEUR
    mapping(uint256 participant => uint256) public incomeThousandthsOf;

    /// @notice The export of a settled period was proven; `valueMicroEur`: all of it at the feed-in tariff. Again after a
    ///         correction, in the place of what was recorded and attested before
    event ExportRecorded(uint256 indexed period, uint256 exportWh, uint256 valueMicroEur);
    /// @notice What the market paid for the export of a period above the feed-in tariff
    event PremiumAttested(uint256 indexed period, uint256 premiumMicroEur);

    /// @notice The period is not in the term of the campaign; `untilPeriod` is the first one after it
    error OutsideTerm(uint256 period, uint256 firstPeriod, uint256 untilPeriod);
    /// @notice The export of this period is recorded already
    error RecordedBefore(uint256 period);
    /// @notice The export of this period is not recorded yet
    error NotRecorded(uint256 period);
    /// @notice The premium of this period is stated already
    error AttestedBefore(uint256 period);
    /// @notice The leaf is of another group than that of the participant at the metering point
    error OtherGroup(uint256 group, uint256 groupOfHolder);
    /// @notice No participant was at the metering point in this period
    error NobodyAtThePoint(bytes32 meteringPoint, uint256 period);
    /// @notice The premium is above retail price less feed-in tariff on all that was exported
    error PremiumOutOfRange(uint256 period, uint256 premiumMicroEur, uint256 maximumMicroEur);
    /// @notice Two lists that belong together differ in length
    error ListsDiffer(uint256 a, uint256 b);

    constructor(ISettlement settlement_, ITariff tariff_, uint256 panelPermille_) {
        _require(panelPermille_ > 0 && panelPermille_ <= PERMILLE, "permille of the panel", panelPermille_, PERMILLE);
        settlement = settlement_;
        tariff = tariff_;
        panelPermille = panelPermille_;
    }

    /// @notice Records what the installation exported in settled periods, or has exported by a correction; anyone may.
    ///         What was attested of a corrected period is void, and is attested anew
    /// @param leaves What its group of four was settled on, a period each
    /// @param paths Proof of each
    function recordExports(Commitment.Leaf[] calldata leaves, Commitment.Path[] calldata paths) external {
        _requireOperated();
        if (leaves.length != paths.length) revert ListsDiffer(leaves.length, paths.length);
        for (uint256 i; i < leaves.length; ++i) {
            _record(leaves[i], paths[i]);
        }
    }

    function _record(Commitment.Leaf calldata leaf, Commitment.Path calldata path) private {
        uint256 period = leaf.period;
        if (period < firstPeriod || period >= untilPeriod()) revert OutsideTerm(period, firstPeriod, untilPeriod());
        uint256 holder = _holderAt(period);
        if (leaf.group != Lanes.groupOf(holder)) revert OtherGroup(leaf.group, Lanes.groupOf(holder));
        uint256 lane = Lanes.laneOf(holder);
        uint256 area = Profile.area(Lanes.get64(leaf.profiles, lane));
        settlement.requireProven(area, leaf, path);
        uint256 exported = _exportIn(leaf, lane);
        uint256 known = _periodOf(period);
        uint256 before = known & Lanes.MAX_WH;
        if (known != 0 && exported == before) revert RecordedBefore(period);
        _write(period, exported | RECORDED);
        (, uint256 feedIn) = tariff.energyPrices(area, period);
        incomeThousandthsOf[holder] += exported * feedIn * panelPermille;
        incomeThousandthsOf[holder] -= (before * feedIn + (known >> PREMIUM_AT)) * panelPermille;
        emit ExportRecorded(period, exported, exported * feedIn);
    }

    /// @dev Who is at the metering point in a period: it is one participant's then, if anyone's
    function _holderAt(uint256 period) private view returns (uint256 holder) {
        holder = registry.holderAt(meteringPoint, period);
        if (holder == 0) revert NobodyAtThePoint(meteringPoint, period);
    }

    /// @dev In Wh; what was injected above a cap is not paid for
    function _exportIn(Commitment.Leaf calldata leaf, uint256 lane) private pure returns (uint256) {
        int256 wh = Lanes.getInt64(leaf.readings, lane);
        uint256 cap = Lanes.outOf(Lanes.get56(leaf.caps, lane));
        if (wh <= 0) return 0;
        return uint256(wh) < cap ? uint256(wh) : cap;
    }

    /// @notice States what the market paid above the feed-in tariff for the export of recorded periods, once each
    function attestPremiums(uint256[] calldata periods, uint256[] calldata premiumsMicroEur) external onlyAttester {
        if (periods.length != premiumsMicroEur.length) revert ListsDiffer(periods.length, premiumsMicroEur.length);
        for (uint256 i; i < periods.length; ++i) {
            _attest(periods[i], premiumsMicroEur[i]);
        }
    }

    function _attest(uint256 period, uint256 premium) private {
        uint256 known = _periodOf(period);
        if (known & RECORDED == 0) revert NotRecorded(period);
        if (known & ATTESTED != 0) revert AttestedBefore(period);
        uint256 holder = _holderAt(period);
        uint256 area = Profile.area(ProfileLookup.profileOf(registry, holder));
        (uint256 retail, uint256 feedIn) = tariff.energyPrices(area, period);
        uint256 most = (known & Lanes.MAX_WH) * (retail - feedIn);
        if (premium > most) revert PremiumOutOfRange(period, premium, most);
        _write(period, known | ATTESTED | (premium << PREMIUM_AT));
        incomeThousandthsOf[holder] += premium * panelPermille;
        emit PremiumAttested(period, premium);
    }

    /// @notice What is on record of a period
    function exportOf(uint256 period) external view returns (uint256 exportWh, bool recorded, bool attested) {
        uint256 known = _periodOf(period);
        return (known & Lanes.MAX_WH, known & RECORDED != 0, known & ATTESTED != 0);
    }

    function _requireOperated() internal view {
        if (phase != Phase.Operating && phase != Phase.Closed) revert WrongPhase(phase);
    }

    function _periodOf(uint256 period) private view returns (uint256) {
        return (_periods[period / PER_WORD] >> (BITS * (period % PER_WORD))) & ((1 << BITS) - 1);
    }

    function _write(uint256 period, uint256 known) private {
        uint256 word = _periods[period / PER_WORD];
        uint256 shift = BITS * (period % PER_WORD);
        _periods[period / PER_WORD] = (word & ~(((1 << BITS) - 1) << shift)) | (known << shift);
    }
}
