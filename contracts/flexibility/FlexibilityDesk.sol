// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IFlexibilityMarket, IFlexibilityProducts, ISchedules, Product} from "../interfaces/IFlexibility.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {IPortfolios} from "../interfaces/IPortfolios.sol";
import {FlexibilityRules} from "../libraries/FlexibilityRules.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {Roles} from "../libraries/Roles.sol";
import {ActingFor} from "./ActingFor.sol";

/// @title Who may ask for which flexibility, and who may offer it: the way into the flexibility market
/// @notice DSO, TSO and participants ask, each for the products that are meant for it. Sellers are in the zone that is
///         asked for or below it; an offer is replaced by another, and taken back with 0 Wh, until the request closes.
///         Source: seed 001 §3.2, seed 003 §2.4.
abstract contract FlexibilityDesk is ActingFor {
    /// @notice Where the board is anchored
    /// @param ticks Of the market's price grid
    struct Settings {
        IParticipantRegistry registry;
        IMarketClock clock;
        IClearingHouse clearingHouse;
        IFlexibilityMarket market;
        IFlexibilityProducts products;
        ISchedules schedules;
        IPortfolios portfolios;
        uint256 ticks;
    }

    /// @notice What a buyer asks for; see IFlexibilityMarket.Request
    /// @param lot For declared schedules: keccak-256 of the seed by which it is drawn who stands by; else zero
    struct Terms {
        uint8 product;
        uint16 zone;
        uint8 direction;
        bool payAsBid;
        uint32 wh;
        uint16 tick;
        uint32 closesAt;
        uint32 only;
        bytes32 lot;
    }

    /// @notice What is offered under a request; 0 Wh takes it back
    struct Row {
        uint32 participant;
        uint16 tick;
        uint32 wh;
    }

    uint256 private constant BUYER_DSO = 1;
    uint256 private constant BUYER_TSO = 2;
    uint256 private constant BUYER_PARTICIPANT = 4;

    IParticipantRegistry public immutable registry;
    IMarketClock public immutable clock;
    IFlexibilityMarket public immutable market;
    /// @notice What may be asked for
    IFlexibilityProducts public immutable products;
    /// @notice Where schedules are declared
    ISchedules public immutable schedules;
    uint256 private immutable _ringSize;

    /// @dev keccak-256 of the seeds of lots
    mapping(uint256 key => bytes32) internal _lots;
    /// @dev request | group => period: 32 | four agents
    mapping(uint256 key => uint256 fourAgents) private _agents;
    /// @dev request | agent => period: 32 | Wh its offers come to
    mapping(uint256 key => uint256) private _pools;

    /// @notice A buyer asks for flexibility; what it may come to cost is in escrow
    event RequestPosted(
        uint256 indexed area, uint256 indexed period, uint256 indexed request, uint256 buyer, Terms terms
    );
    /// @notice Something is offered in a participant's name, in place of what was before; 0 Wh takes it back
    event FlexibilityOffered(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed request,
        uint256 participant,
        uint256 tick,
        uint256 wh,
        uint256 agent
    );

    error NotABuyer(address caller, uint256 buyer, uint256 product);
    error BadDirection(uint256 product, uint256 direction);
    error BeyondHorizon(uint256 period, uint256 lastOpenPeriod);
    error BadClosingTime(uint256 closesAt, uint256 timestamp, uint256 latest);
    error LotMismatch(uint256 product, bytes32 lot);
    error RequestClosed(uint256 request, uint256 closesAt, uint256 timestamp);
    error OwnRequest(uint256 participant, uint256 request);
    error OtherArea(uint256 participant, uint256 itsArea, uint256 area);
    error OutsideZone(uint256 participant, uint256 itsZone, uint256 zone);
    error AskedOfAnother(uint256 participant, uint256 only);
    error SellerNotActive(uint256 participant, uint256 status);
    error BeyondCeiling(uint256 participant, uint256 tick, uint256 ceilingTick);

    constructor(Settings memory settings) ActingFor(settings.portfolios) {
        registry = settings.registry;
        clock = settings.clock;
        market = settings.market;
        products = settings.products;
        schedules = settings.schedules;
        _ringSize = settings.clearingHouse.ringSize();
    }

    // --- requests ------------------------------------------------------------------------------

    /// @notice Asks for flexibility in an area and period: the DSO, the TSO, or a participant in its own name
    /// @return number Number of the request in its area and period
    function request(uint256 area, uint32 period, Terms calldata terms) external returns (uint256 number) {
        Product memory product = products.productOf(terms.product);
        uint256 buyer = _buyer(area, terms.product, product);
        _requireSound(period, terms, product);
        IFlexibilityMarket.Request memory asked = IFlexibilityMarket.Request(
            period,
            uint32(buyer),
            terms.product,
            terms.zone,
            terms.direction,
            IFlexibilityMarket.Phase.Open,
            terms.payAsBid,
            terms.wh,
            terms.tick,
            terms.closesAt,
            terms.only
        );
        IFlexibilityMarket.Rules memory rules = IFlexibilityMarket.Rules(
            product.minimumBidWh,
            product.penaltyPercent,
            product.compensationMicroEurPerWh,
            products.metered(terms.product),
            product.quantity != 0,
            _byDeclaration(product)
        );
        number = market.post(area, asked, rules);
        if (terms.lot != 0) _lots[_requestKey(area, period, number)] = terms.lot;
        emit RequestPosted(area, period, number, buyer, terms);
    }

    /// @dev Number of the account that pays
    function _buyer(uint256 area, uint256 number, Product memory product) private view returns (uint256 buyer) {
        uint256 bit = BUYER_PARTICIPANT;
        if (registry.hasRole(Roles.DSO, msg.sender)) {
            (buyer, bit) = (HouseAccounts.DSO, BUYER_DSO);
        } else if (registry.hasRole(Roles.TSO, msg.sender)) {
            (buyer, bit) = (HouseAccounts.TSO, BUYER_TSO);
        } else {
            buyer = registry.numberOf(msg.sender);
            _requireArea(buyer, _profileIn(registry, buyer), area);
        }
        if (product.buyers & bit == 0) revert NotABuyer(msg.sender, buyer, number);
    }

    function _requireSound(uint256 period, Terms calldata terms, Product memory product) private view {
        uint256 direction = terms.direction;
        bool one = direction == FlexibilityRules.UP || direction == FlexibilityRules.DOWN;
        if (product.symmetric ? direction != FlexibilityRules.BOTH : !one || direction & product.directions == 0) {
            revert BadDirection(terms.product, direction);
        }
        registry.parentZone(terms.zone); // refuses an unknown zone
        uint256 last = clock.lastOpenPeriod();
        if (period > last) revert BeyondHorizon(period, last); // it would take a ring slot others still need
        uint256 time = clock.timestamp();
        uint256 start = period * clock.mtuSeconds();
        uint256 latest = start < product.fullActivationSeconds ? 0 : start - product.fullActivationSeconds;
        if (terms.closesAt <= time || terms.closesAt > latest) revert BadClosingTime(terms.closesAt, time, latest);
        if ((terms.lot != 0) != _byDeclaration(product)) revert LotMismatch(terms.product, terms.lot);
    }

    function _byDeclaration(Product memory product) private pure returns (bool) {
        return product.method == FlexibilityRules.DECLARED_SCHEDULE;
    }

    // --- offers --------------------------------------------------------------------------------

    /// @notice Offers flexibility under a request in the names of participants, each in place of what was offered for it
    ///         before; all rows or none. Each one itself may, the gateway with its mandate, or its aggregator
    function offer(uint256 area, uint32 period, uint256 number, Row[] calldata rows) external {
        IFlexibilityMarket.Request memory asked = market.requestOf(area, period, number);
        uint256 time = clock.timestamp();
        if (time >= asked.closesAt) revert RequestClosed(number, asked.closesAt, time);
        uint256 agent = _agent(registry);
        IFlexibilityMarket.Entry[] memory entries = new IFlexibilityMarket.Entry[](rows.length);
        for (uint256 i; i < rows.length; ++i) {
            Row calldata row = rows[i];
            uint256 profile = _profileIn(registry, row.participant);
            _requireMayAct(agent, row.participant, profile, period);
            if (row.wh != 0) _requireMayOffer(area, asked, number, row, profile);
            entries[i] = IFlexibilityMarket.Entry(
                row.participant, row.tick, row.wh, uint32(Profile.capacityWh(profile))
            );
        }
        uint256[] memory formerWh = market.enter(area, period, number, entries);
        IFlexibilityMarket.Rules memory rules = market.rulesOf(area, period, number);
        if (rules.declared) _fixSchedules(period, rows, formerWh);
        uint256 key = _requestKey(area, period, number);
        for (uint256 i; i < rows.length; ++i) {
            Row calldata row = rows[i];
            if (rules.minimumBidWh != 0) _pool(key, period, row, agent, formerWh[i]);
            emit FlexibilityOffered(area, period, number, row.participant, row.tick, row.wh, agent);
        }
    }

    /// @dev Moves an offer from the pool of the agent that brought it to that of the agent which replaces it
    function _pool(uint256 requestKey, uint256 period, Row calldata row, uint256 agent, uint256 formerWh) private {
        uint256 key = (requestKey << 32) | Lanes.groupOf(row.participant);
        uint256 lane = Lanes.laneOf(row.participant);
        uint256 agents = Lanes.ofPeriod(_agents[key], period);
        _agents[key] = Lanes.set56(agents, lane, agent);
        _addToPool(requestKey, period, Lanes.get56(agents, lane), formerWh, 0);
        _addToPool(requestKey, period, agent, 0, row.wh);
    }

    function _addToPool(uint256 requestKey, uint256 period, uint256 agent, uint256 released, uint256 claimed) private {
        if (released == claimed) return;
        uint256 key = (requestKey << 40) | agent;
        _pools[key] = Lanes.ofPeriod(_pools[key], period) + claimed - released;
    }

    /// @dev What the offers of a participant's agent together come to
    function _pooledWh(uint256 requestKey, uint256 period, uint256 participant) internal view returns (uint256) {
        uint256 agents = Lanes.ofPeriod(_agents[(requestKey << 32) | Lanes.groupOf(participant)], period);
        uint256 agent = Lanes.get56(agents, Lanes.laneOf(participant));
        return uint224(Lanes.ofPeriod(_pools[(requestKey << 40) | agent], period));
    }

    /// @dev A schedule that something is offered on stands, until that is taken back
    function _fixSchedules(uint256 period, Row[] calldata rows, uint256[] memory formerWh) private {
        for (uint256 i; i < rows.length; ++i) {
            bool offered = rows[i].wh != 0;
            if (offered == (formerWh[i] != 0)) continue;
            if (offered) schedules.fix(period, rows[i].participant);
            else schedules.release(period, rows[i].participant);
        }
    }

    function _requireMayOffer(
        uint256 area,
        IFlexibilityMarket.Request memory asked,
        uint256 number,
        Row calldata row,
        uint256 profile
    ) private view {
        uint256 participant = row.participant;
        _requireArea(participant, profile, area);
        if (Profile.status(profile) != Profile.ACTIVE) revert SellerNotActive(participant, Profile.status(profile));
        if (participant == asked.buyer) revert OwnRequest(participant, number);
        if (asked.only != 0 && asked.only != participant) revert AskedOfAnother(participant, asked.only);
        if (row.tick > asked.tick) revert BeyondCeiling(participant, row.tick, asked.tick);
        uint256 zone = Profile.zone(profile);
        while (zone != asked.zone) {
            if (zone == 0) revert OutsideZone(participant, Profile.zone(profile), asked.zone);
            zone = registry.parentZone(zone);
        }
    }

    function _requireArea(uint256 participant, uint256 profile, uint256 area) private pure {
        uint256 itsArea = Profile.area(profile);
        if (itsArea != area) revert OtherArea(participant, itsArea, area);
    }

    function _requestKey(uint256 area, uint256 period, uint256 number) internal view returns (uint256) {
        return ((((period % _ringSize) << 64) | area) << 8) | number;
    }
}
