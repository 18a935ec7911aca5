// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {IPortfolios} from "../interfaces/IPortfolios.sol";
import {Roles} from "../libraries/Roles.sol";
import {GatewayOrders} from "../market/GatewayOrders.sol";

/// @title Contracts between aggregators and prosumers
/// @notice An aggregator proposes terms, the prosumer accepts them by its own transaction or by a signature somebody
///         brings. A participant has one contract at a time: each begins at or after the end of the one before. Either
///         side ends it with notice: from the next period whose gate is open, or a later one. Contracts are never
///         erased, so that whose portfolio a participant was in can be asked of any period. The reference is
///         `gridbourse.model.portfolio_contract`; this is its equal. Source: [Talari-nd] §2.2, §2.3.
contract Portfolios is IPortfolios, GatewayOrders {
    /// @notice Terms of a contract, in one storage slot
    /// @param untilPeriod The first period no longer under contract
    /// @param resources What the aggregator may call on, one bit each: 1 battery, 2 electric vehicle, 4 heat pump,
    ///        8 shiftable load, 16 photovoltaics
    /// @param control 0 direct (it dispatches), 1 indirect (it sends a price), 2 mixed
    /// @param permille Share of flexibility revenue that goes to the prosumer
    /// @param mayTrade Whether the aggregator may trade for the prosumer
    struct ContractTerms {
        uint32 aggregator;
        uint32 participant;
        uint32 fromPeriod;
        uint32 untilPeriod;
        uint8 resources;
        uint8 control;
        uint16 permille;
        bool mayTrade;
    }

    /// @notice What a prosumer signs to accept a proposal (EIP-712)
    bytes32 public constant ACCEPTANCE_TYPEHASH = keccak256(
        "Acceptance(uint256 proposal,uint32 aggregator,uint32 participant,uint32 fromPeriod,uint32 untilPeriod,uint8 resources,uint8 control,uint16 permille,bool mayTrade,uint40 expiry)"
    );
    uint256 private constant ALL_RESOURCES = 31;
    uint256 private constant LAST_CONTROL = 2;
    uint256 private constant WHOLE = 1_000;

    /// @notice Who there is
    IParticipantRegistry public immutable registry;
    /// @notice Market time, by which notice is given
    IMarketClock public immutable clock;
    /// @notice How many proposals were ever made; they are numbered from 0
    uint256 public proposalCount;

    mapping(uint256 proposal => ContractTerms) private _proposals;
    /// @dev In the order of their periods
    mapping(uint256 participant => ContractTerms[]) private _contracts;

    /// @notice An aggregator proposes terms to a participant
    event ContractProposed(
        uint256 indexed proposal, uint256 indexed aggregator, uint256 indexed participant, ContractTerms terms
    );
    /// @notice An aggregator takes back what nobody has accepted
    event ProposalWithdrawn(uint256 indexed proposal);
    /// @notice A participant accepted a proposal: its contract of that number, counted from 0
    event ContractAccepted(uint256 indexed proposal, uint256 indexed participant, uint256 number);
    /// @notice The party `by` ended a contract: `untilPeriod` is the first period no longer under it
    event ContractEnded(uint256 indexed participant, uint256 indexed number, uint256 untilPeriod, uint256 by);

    /// @notice Only an aggregator proposes contracts
    error NotAnAggregator(uint256 participant);
    /// @notice No participant has this number
    error NoParticipant(uint256 participant);
    /// @notice An aggregator has no contract with itself
    error OwnPortfolio(uint256 aggregator);
    /// @notice A contract has periods; `untilPeriod` is the first no longer in it
    error NoPeriods(uint256 fromPeriod, uint256 untilPeriod);
    /// @notice A contract names resources, of those known; one bit each
    error UnknownResources(uint256 resources, uint256 all);
    /// @notice No way of control has this number
    error UnknownControl(uint256 control);
    /// @notice A share of more than the whole
    error PermilleOutOfRange(uint256 permille);
    /// @notice The contract begins in a period whose gate is closed already
    error PeriodClosed(uint256 period, uint256 nextOpenPeriod);
    /// @notice No proposal of this number is open
    error NoProposal(uint256 proposal);
    /// @notice Only a party of the contract may do this
    error NotAParty(address caller);
    /// @notice The participant has a contract in these periods already; `untilPeriod` is the first free of it
    error ContractRuns(uint256 participant, uint256 number, uint256 untilPeriod);
    /// @notice The participant has no contract of this number
    error NoContract(uint256 participant, uint256 number);
    /// @notice A contract under way is ended from the next open period on at the earliest
    error NoticeTooShort(uint256 untilPeriod, uint256 earliest);
    /// @notice The contract ends no later than that already
    error EndsBefore(uint256 participant, uint256 number, uint256 untilPeriod);

    constructor(IParticipantRegistry registry_, IMarketClock clock_) EIP712("gridbourse Portfolios", "1") {
        registry = registry_;
        clock = clock_;
    }

    // --- proposals -----------------------------------------------------------------------------

    /// @notice Proposes a contract of the caller, an aggregator, with a participant for the periods from `fromPeriod` to
    ///         the one before `untilPeriod`; see `Terms`
    /// @return proposal Its number
    function propose(
        uint32 participant,
        uint32 fromPeriod,
        uint32 untilPeriod,
        uint8 resources,
        uint8 control,
        uint16 permille,
        bool mayTrade
    ) external returns (uint256 proposal) {
        uint256 aggregator = registry.numberOf(msg.sender);
        _requireAggregator(aggregator, msg.sender);
        if (registry.accountOf(participant) == address(0)) revert NoParticipant(participant);
        if (participant == aggregator) revert OwnPortfolio(aggregator);
        if (fromPeriod >= untilPeriod) revert NoPeriods(fromPeriod, untilPeriod);
        if (resources == 0 || resources > ALL_RESOURCES) revert UnknownResources(resources, ALL_RESOURCES);
        if (control > LAST_CONTROL) revert UnknownControl(control);
        if (permille > WHOLE) revert PermilleOutOfRange(permille);
        _requireOpen(fromPeriod);
        ContractTerms memory terms = ContractTerms(
            uint32(aggregator), participant, fromPeriod, untilPeriod, resources, control, permille, mayTrade
        );
        proposal = proposalCount++;
        _proposals[proposal] = terms;
        emit ContractProposed(proposal, aggregator, participant, terms);
    }

    /// @notice Takes back a proposal of the caller that nobody has accepted
    function withdraw(uint256 proposal) external {
        ContractTerms memory terms = _proposalOf(proposal);
        if (registry.accountOf(terms.aggregator) != msg.sender) revert NotAParty(msg.sender);
        delete _proposals[proposal];
        emit ProposalWithdrawn(proposal);
    }

    // --- contracts -----------------------------------------------------------------------------

    /// @notice Accepts a proposal made to the caller
    /// @return number Of the contract, among the participant's
    function accept(uint256 proposal) external returns (uint256 number) {
        ContractTerms memory terms = _proposalOf(proposal);
        if (registry.accountOf(terms.participant) != msg.sender) revert NotAParty(msg.sender);
        return _conclude(proposal, terms);
    }

    /// @notice Accepts a proposal by the participant's signature; anyone may bring it, the aggregator as a rule
    /// @param expiry Unix seconds of block time until which the signature may be used
    /// @return number Of the contract, among the participant's
    function acceptSigned(uint256 proposal, uint40 expiry, bytes32 r, bytes32 vs) external returns (uint256 number) {
        ContractTerms memory terms = _proposalOf(proposal);
        _requireFresh(terms.participant, expiry);
        bytes32 signed = keccak256(abi.encode(ACCEPTANCE_TYPEHASH, proposal, terms, expiry));
        _requireSigner(registry, terms.participant, _domainSeparatorV4(), signed, r, vs);
        return _conclude(proposal, terms);
    }

    function _conclude(uint256 proposal, ContractTerms memory terms) private returns (uint256 number) {
        _requireAggregator(terms.aggregator, registry.accountOf(terms.aggregator));
        _requireOpen(terms.fromPeriod);
        ContractTerms[] storage all = _contracts[terms.participant];
        number = all.length;
        if (number != 0) {
            uint256 until = all[number - 1].untilPeriod;
            if (until > terms.fromPeriod) revert ContractRuns(terms.participant, number - 1, until);
        }
        delete _proposals[proposal];
        all.push(terms);
        emit ContractAccepted(proposal, terms.participant, number);
    }

    /// @notice Ends a contract of the caller, one of its two sides, before its time
    /// @param untilPeriod The first period no longer under contract: one whose gate is open, not before its first
    function end(uint256 participant, uint256 number, uint32 untilPeriod) external {
        ContractTerms memory terms = contractAt(participant, number);
        bool byAggregator = registry.accountOf(terms.aggregator) == msg.sender;
        if (!byAggregator && registry.accountOf(participant) != msg.sender) revert NotAParty(msg.sender);
        uint256 earliest = clock.nextOpenPeriod();
        if (terms.fromPeriod > earliest) earliest = terms.fromPeriod;
        if (untilPeriod >= terms.untilPeriod) revert EndsBefore(participant, number, terms.untilPeriod);
        if (untilPeriod < earliest) revert NoticeTooShort(untilPeriod, earliest);
        _contracts[participant][number].untilPeriod = untilPeriod;
        emit ContractEnded(participant, number, untilPeriod, byAggregator ? terms.aggregator : participant);
    }

    function _requireAggregator(uint256 participant, address account) private view {
        if (!registry.hasRole(Roles.AGGREGATOR, account)) revert NotAnAggregator(participant);
    }

    function _requireOpen(uint256 fromPeriod) private view {
        uint256 next = clock.nextOpenPeriod();
        if (fromPeriod < next) revert PeriodClosed(fromPeriod, next);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @inheritdoc IPortfolios
    function contractOf(uint256 participant, uint256 period) external view returns (uint256, uint256, bool) {
        ContractTerms[] storage all = _contracts[participant];
        uint256 after_ = _firstAfter(all, period);
        if (after_ == 0) return (0, 0, false);
        ContractTerms memory terms = all[after_ - 1];
        if (period >= terms.untilPeriod) return (0, 0, false);
        return (terms.aggregator, terms.permille, terms.mayTrade);
    }

    /// @notice A contract of a participant by its number; one that was ended has the period it ended with
    function contractAt(uint256 participant, uint256 number) public view returns (ContractTerms memory) {
        ContractTerms[] storage all = _contracts[participant];
        if (number >= all.length) revert NoContract(participant, number);
        return all[number];
    }

    /// @notice How many contracts a participant has, those that are over among them
    function contractCount(uint256 participant) external view returns (uint256) {
        return _contracts[participant].length;
    }

    /// @notice The terms of a proposal that waits for its participant
    function proposalOf(uint256 proposal) external view returns (ContractTerms memory) {
        return _proposalOf(proposal);
    }

    function _proposalOf(uint256 proposal) private view returns (ContractTerms memory terms) {
        terms = _proposals[proposal];
        if (terms.aggregator == 0) revert NoProposal(proposal);
    }

    /// @dev How many contracts begin at or before a period, by bisection: they are in the order of their periods
    function _firstAfter(ContractTerms[] storage all, uint256 period) private view returns (uint256 low) {
        uint256 high = all.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (all[middle].fromPeriod <= period) low = middle + 1;
            else high = middle;
        }
    }
}
