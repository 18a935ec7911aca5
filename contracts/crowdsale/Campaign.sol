// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {SettlementCurrency} from "../ledger/SettlementCurrency.sol";
import {Purposes} from "../libraries/Purposes.sol";
import {Roles} from "../libraries/Roles.sol";

/// @title Money for one project from many: all of it or nothing, released by milestones, given back if it fails
/// @notice One token is one µEUR given; a refund burns it. What the token is beside that, each kind of campaign says.
///         Invariant, after every transaction: currency held here = funded − refunded − withdrawn (and, of equity,
///         + collected − claimed). Pull, never push: money leaves only to who calls for it.
abstract contract Campaign is ERC20 {
    using SafeERC20 for IERC20;

    enum Phase {
        Draft,
        Open,
        Succeeded,
        Failed,
        Built,
        Operating,
        Closed,
        Abandoned
    }

    /// @notice Contracts a campaign stands on
    struct Anchors {
        IParticipantRegistry registry;
        IMarketClock clock;
        IERC20 currency;
    }

    /// @notice What does not change over the life of a campaign; money in µEUR, times in unix seconds of block time
    /// @param installation Participant at whose metering point the project is, the property owner
    /// @param project Hash of what is to be built, as the owner published it
    /// @param minimum Least that one funder gives in all, unless it fills the cap; `maximum`: most
    /// @param start Funding from this time on, until before `end`
    /// @param operateBy From this time on, anyone may abandon what does not operate yet
    /// @param termPeriods Delivery periods from the first one of operation until the campaign may be closed
    struct CampaignTerms {
        uint32 installation;
        bytes32 project;
        uint64 goal;
        uint64 cap;
        uint64 minimum;
        uint64 maximum;
        uint40 start;
        uint40 end;
        uint40 operateBy;
        uint32 termPeriods;
    }

    /// @notice The most milestones
    uint256 public constant MAX_MILESTONES = 16;
    /// @dev Above it, sums could leave their types
    uint256 private constant MAX_MONEY = type(uint56).max;

    /// @notice Who may do what
    IParticipantRegistry public immutable registry;
    /// @notice Market time, by which delivery periods are counted; deadlines follow block time
    IMarketClock public immutable clock;
    /// @notice What is funded, released and given back
    IERC20 public immutable currency;
    /// @notice The metering point the project is at
    bytes32 public immutable meteringPoint;

    CampaignTerms private _terms;
    /// @notice Where the campaign stands
    Phase public phase;
    /// @notice How many milestones are confirmed
    uint256 public confirmed;
    /// @notice The first delivery period of operation; 0 before
    uint256 public firstPeriod;
    /// @notice Money ever given, in µEUR
    uint256 public fundedMicroEur;
    /// @notice Of it, what milestones have released to the beneficiary
    uint256 public releasedMicroEur;
    /// @notice Of that, what the beneficiary has taken out
    uint256 public withdrawnMicroEur;
    /// @notice What went back to those who gave it
    uint256 public refundedMicroEur;
    /// @notice What an abandoned project gives back in all, and the tokens it is given back on
    uint256 public refundPoolMicroEur;
    /// @notice Tokens there were when the project was abandoned
    uint256 public refundTokens;
    uint64[] private _milestones;

    /// @notice The owner opened the campaign: these amounts are released as milestones are reached
    event Opened(uint64[] milestonesMicroEur);
    /// @notice Somebody gave money; `fundedMicroEur`: all there is with it
    event Funded(address indexed funder, uint256 amountMicroEur, uint256 fundedMicroEur);
    /// @notice The funding is over
    event Concluded(Phase phase, uint256 fundedMicroEur);
    /// @notice A milestone was reached; `evidence` is the hash of what shows it
    event MilestoneConfirmed(uint256 indexed milestone, uint256 amountMicroEur, bytes32 evidence);
    /// @notice The beneficiary took out what was released
    event Released(address indexed beneficiary, uint256 amountMicroEur);
    /// @notice It is built
    event Built(bytes32 evidence);
    /// @notice It operates from this delivery period on
    event Operating(uint256 firstPeriod, bytes32 evidence);
    /// @notice The term is over
    event Closed();
    /// @notice The project is not carried on: what was not released goes back, pro rata of the tokens
    event Abandoned(address indexed by, Phase phase, uint256 poolMicroEur, uint256 tokens, bytes32 evidence);
    /// @notice A funder, or who holds its tokens, got money back for them
    event Refunded(address indexed holder, uint256 tokens, uint256 amountMicroEur);
    /// @notice All was refunded; what rounding left over goes to the beneficiary
    event RemainderReleased(uint256 amountMicroEur);

    /// @notice A term breaks the rule that is named; `value` and `limit` in the unit of that term: µEUR, unix seconds
    ///         or periods
    error BadTerms(string rule, uint256 value, uint256 limit);
    /// @notice The campaign is in a phase in which this cannot be done
    error WrongPhase(Phase phase);
    /// @notice Only the owner of the project may do this
    error OnlyOwner(address caller, address owner);
    /// @notice The currency does not know the campaign as a system holder, so it could not always pay back
    error NoSystemHolder(address campaign);
    /// @notice Only the beneficiary is paid what is confirmed
    error OnlyBeneficiary(address caller, address beneficiary);
    /// @notice The registry does not let this account do it: neither a participant, nor opened to anyone for this
    ///         purpose
    error NotPermitted(address account, bytes32 purpose);
    /// @notice Funding has not begun or is over; unix seconds of block time, `end` the first no longer in it
    error OutsideFunding(uint256 timestamp, uint256 start, uint256 end);
    /// @notice More is given than there is room for under the cap
    error AboveCap(uint256 amountMicroEur, uint256 roomMicroEur);
    /// @notice A funder would have given less in all than the least that one gives
    error BelowMinimum(address funder, uint256 givenMicroEur, uint256 minimumMicroEur);
    /// @notice A funder would have given more in all than the most that one gives
    error AboveMaximum(address funder, uint256 givenMicroEur, uint256 maximumMicroEur);
    /// @notice The amounts of the milestones do not add up to the goal
    error MilestonesDiffer(uint256 sumMicroEur, uint256 goalMicroEur);
    /// @notice Milestones are confirmed one after the other; `next` is the one that is due, `milestones` how many there
    ///         are
    error MilestoneOutOfTurn(uint256 milestone, uint256 next, uint256 milestones);
    /// @notice It is too early: unix seconds of block time for the funding, numbers of delivery periods for the term
    error NotOver(uint256 now_, uint256 from);
    /// @notice There is nothing to give, pay or take here for this account
    error NothingToMove(address account);
    /// @notice The market's clock has not begun to run: a term cannot be counted from it
    error ClockNotBegun();
    /// @notice These tokens stay with who has them at this time
    error NotTransferable(address from, address to);

    constructor(Anchors memory anchors, CampaignTerms memory terms_) {
        registry = anchors.registry;
        clock = anchors.clock;
        currency = anchors.currency;
        meteringPoint = anchors.registry.meteringPointOf(terms_.installation);
        address account = anchors.registry.accountOf(terms_.installation);
        _require(account != address(0), "installation is registered", terms_.installation, 0);
        _require(terms_.goal > 0, "goal above zero", terms_.goal, 0);
        _require(terms_.cap >= terms_.goal, "cap not below goal", terms_.cap, terms_.goal);
        _require(terms_.cap <= MAX_MONEY, "cap not above", terms_.cap, MAX_MONEY);
        _require(terms_.maximum >= terms_.minimum, "maximum not below minimum", terms_.maximum, terms_.minimum);
        _require(terms_.maximum > 0, "maximum above zero", terms_.maximum, 0);
        _require(terms_.end > terms_.start, "end after start", terms_.end, terms_.start);
        _require(terms_.end > block.timestamp, "end after now", terms_.end, block.timestamp);
        _require(terms_.operateBy > terms_.end, "operateBy after end", terms_.operateBy, terms_.end);
        _terms = terms_;
    }

    function _require(bool holds, string memory rule, uint256 value, uint256 limit) internal pure {
        if (!holds) revert BadTerms(rule, value, limit);
    }

    modifier onlyOwner() {
        if (msg.sender != owner()) revert OnlyOwner(msg.sender, owner());
        _;
    }

    modifier onlyAttester() {
        registry.requireRole(Roles.ATTESTER, msg.sender);
        _;
    }

    modifier onlyIn(Phase needed) {
        if (phase != needed) revert WrongPhase(phase);
        _;
    }

    // --- funding -------------------------------------------------------------------------------

    /// @notice Opens the campaign with its milestones, which add up to the goal; what is given above it is released
    ///         with the last of them
    /// @dev Only a system contract can give money back whatever the registry has opened and closed by then
    function open(uint64[] calldata milestonesMicroEur) public virtual onlyOwner onlyIn(Phase.Draft) {
        if (!SettlementCurrency(address(currency)).systemHolder(address(this))) revert NoSystemHolder(address(this));
        if (block.timestamp >= _terms.end) revert OutsideFunding(block.timestamp, _terms.start, _terms.end);
        uint256 count = milestonesMicroEur.length;
        _require(count <= MAX_MILESTONES, "milestones not above", count, MAX_MILESTONES);
        uint256 sum;
        for (uint256 i; i < count; ++i) {
            sum += milestonesMicroEur[i];
        }
        if (sum != _terms.goal) revert MilestonesDiffer(sum, _terms.goal);
        _milestones = milestonesMicroEur;
        phase = Phase.Open;
        emit Opened(milestonesMicroEur);
    }

    /// @notice Gives money of the caller's, which it has approved for this contract
    function fund(uint256 amountMicroEur) external onlyIn(Phase.Open) {
        CampaignTerms memory rules = _terms;
        if (block.timestamp < rules.start || block.timestamp >= rules.end) {
            revert OutsideFunding(block.timestamp, rules.start, rules.end);
        }
        _requirePermitted(Purposes.FUND, msg.sender);
        if (amountMicroEur == 0) revert NothingToMove(msg.sender);
        uint256 room = rules.cap - fundedMicroEur;
        if (amountMicroEur > room) revert AboveCap(amountMicroEur, room);
        uint256 given = balanceOf(msg.sender) + amountMicroEur; // tokens do not move before the funding is over
        if (given < rules.minimum && amountMicroEur != room) revert BelowMinimum(msg.sender, given, rules.minimum);
        if (given > rules.maximum) revert AboveMaximum(msg.sender, given, rules.maximum);
        fundedMicroEur += amountMicroEur;
        _mint(msg.sender, amountMicroEur);
        emit Funded(msg.sender, amountMicroEur, fundedMicroEur);
        currency.safeTransferFrom(msg.sender, address(this), amountMicroEur);
    }

    /// @notice Ends the funding, once its end has come or the cap is reached; anyone may
    function conclude() external onlyIn(Phase.Open) {
        if (block.timestamp < _terms.end && fundedMicroEur < _terms.cap) revert NotOver(block.timestamp, _terms.end);
        if (fundedMicroEur < _terms.goal) _end(Phase.Failed);
        else phase = Phase.Succeeded;
        emit Concluded(phase, fundedMicroEur);
    }

    // --- building ------------------------------------------------------------------------------

    /// @notice Confirms that the next milestone is reached; its amount is the beneficiary's
    function confirmMilestone(uint256 milestone, bytes32 evidence) external onlyAttester {
        if (phase != Phase.Succeeded && phase != Phase.Built) revert WrongPhase(phase);
        uint256 count = _milestones.length;
        if (milestone != confirmed || milestone >= count) revert MilestoneOutOfTurn(milestone, confirmed, count);
        confirmed = milestone + 1;
        uint256 amount = _milestones[milestone];
        if (confirmed == count) amount += fundedMicroEur - _terms.goal;
        releasedMicroEur += amount;
        emit MilestoneConfirmed(milestone, amount, evidence);
    }

    /// @notice Takes out what was released; the beneficiary's call
    function withdraw() external {
        address payee = beneficiary();
        if (msg.sender != payee) revert OnlyBeneficiary(msg.sender, payee);
        uint256 amount = releasedMicroEur - withdrawnMicroEur;
        withdrawnMicroEur = releasedMicroEur;
        emit Released(payee, amount);
        _pay(payee, amount);
    }

    /// @notice Confirms that the project is built
    function confirmBuilt(bytes32 evidence) external onlyAttester onlyIn(Phase.Succeeded) {
        phase = Phase.Built;
        emit Built(evidence);
    }

    /// @notice Confirms that it operates from the next delivery period on; every milestone is confirmed by then
    function startOperating(bytes32 evidence) external onlyAttester onlyIn(Phase.Built) {
        if (confirmed != _milestones.length) revert MilestoneOutOfTurn(_milestones.length, confirmed, _milestones.length);
        uint256 current = clock.currentPeriod();
        if (current == 0) revert ClockNotBegun(); // else the term would be over as soon as it begins
        phase = Phase.Operating;
        firstPeriod = current + 1;
        emit Operating(firstPeriod, evidence);
    }

    /// @notice Closes a campaign whose term is over; anyone may
    function close() external onlyIn(Phase.Operating) {
        uint256 current = clock.currentPeriod();
        uint256 until = untilPeriod();
        if (current < until) revert NotOver(current, until);
        _end(Phase.Closed);
        emit Closed();
    }

    // --- giving back ---------------------------------------------------------------------------

    /// @notice Gives a project up. Before the funding is over, and while nothing is released, the owner may; afterwards
    ///         the attester, or anyone if it does not operate in time: no owner keeps what it got by giving up
    /// @param evidence Hash of what shows why
    function abandon(bytes32 evidence) external {
        Phase before = phase;
        if (before != Phase.Open && before != Phase.Succeeded && before != Phase.Built) revert WrongPhase(before);
        if (!(msg.sender == owner() && releasedMicroEur == 0)) _requireMayGiveUp(before);
        if (before == Phase.Open) {
            _end(Phase.Failed);
        } else {
            refundPoolMicroEur = fundedMicroEur - releasedMicroEur;
            if (refundPoolMicroEur == 0) revert NothingToMove(msg.sender);
            refundTokens = totalSupply();
            _end(Phase.Abandoned);
        }
        emit Abandoned(msg.sender, before, refundPoolMicroEur, refundTokens, evidence);
    }

    function _requireMayGiveUp(Phase before) private view {
        bool overdue = before != Phase.Open && block.timestamp >= _terms.operateBy;
        if (!overdue) registry.requireRole(Roles.ATTESTER, msg.sender);
    }

    /// @notice Gives the caller's money back: all of it when the funding failed, else its part of what was not released
    ///         when the project was abandoned. At any time, in any order
    function refund() public virtual {
        uint256 tokens = balanceOf(msg.sender);
        if (phase != Phase.Failed && phase != Phase.Abandoned) revert WrongPhase(phase);
        if (tokens == 0) revert NothingToMove(msg.sender);
        uint256 amount = refundOf(msg.sender);
        refundedMicroEur += amount;
        _burn(msg.sender, tokens);
        emit Refunded(msg.sender, tokens, amount);
        if (totalSupply() == 0) _releaseRemainder();
        if (amount != 0) _pay(msg.sender, amount);
    }

    /// @dev Only an abandoned project leaves one: less than one µEUR a holder
    function _releaseRemainder() private {
        uint256 remainder = fundedMicroEur - releasedMicroEur - refundedMicroEur;
        if (remainder == 0) return;
        releasedMicroEur += remainder;
        emit RemainderReleased(remainder);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice The property owner: the present account of the participant the project was made for
    function owner() public view returns (address) {
        return registry.accountOf(_terms.installation);
    }

    /// @notice Who gets what milestones release: the property owner, unless a kind of campaign names another
    function beneficiary() public view virtual returns (address) {
        return owner();
    }

    /// @notice What a holder would get back now, in µEUR
    function refundOf(address holder) public view returns (uint256) {
        if (phase == Phase.Failed) return balanceOf(holder);
        if (phase != Phase.Abandoned) return 0;
        return (balanceOf(holder) * refundPoolMicroEur) / refundTokens;
    }

    /// @notice What the campaign was made with
    function terms() external view returns (CampaignTerms memory) {
        return _terms;
    }

    /// @notice What each milestone releases, in µEUR; the last one also what is given above the goal
    function milestones() external view returns (uint64[] memory) {
        return _milestones;
    }

    /// @notice The first delivery period after the term
    function untilPeriod() public view returns (uint256) {
        return firstPeriod + _terms.termPeriods;
    }

    /// @notice Six decimals: one token is one µEUR given
    function decimals() public pure virtual override returns (uint8) {
        return 6;
    }

    // -------------------------------------------------------------------------------------------

    function _update(address from, address to, uint256 value) internal virtual override {
        if (from != address(0) && to != address(0)) _requireMayMove(from, to);
        super._update(from, to, value);
    }

    /// @dev Tokens stay with who gave, unless a kind of campaign says otherwise
    function _requireMayMove(address from, address to) internal view virtual {
        revert NotTransferable(from, to);
    }

    /// @dev In which it earns nothing more
    function _end(Phase last) internal virtual {
        phase = last;
    }

    function _installation() internal view returns (uint256) {
        return _terms.installation;
    }

    function _requirePermitted(bytes32 purpose, address account) internal view {
        if (!registry.permits(purpose, account)) revert NotPermitted(account, purpose);
    }

    /// @dev To the caller only, and last of all: what it is paid for is written down by then
    function _pay(address caller, uint256 amountMicroEur) internal {
        if (amountMicroEur == 0) revert NothingToMove(caller);
        currency.safeTransfer(caller, amountMicroEur);
    }
}
