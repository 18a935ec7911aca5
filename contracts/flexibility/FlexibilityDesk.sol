// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAgents} from "../interfaces/IAgents.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IFlexibilityMarket, IFlexibilityProducts, ISchedules, Product} from "../interfaces/IFlexibility.sol";
import {IMarketClock} from "../interfaces/IMarketClock.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {AreaKey} from "../libraries/AreaKey.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {Profile} from "../libraries/Profile.sol";
import {Roles} from "../libraries/Roles.sol";
import {FlexibilityEntry} from "./FlexibilityEntry.sol";
import {FlexibilityLeg} from "./FlexibilityLeg.sol";
import {FlexibilityLot} from "./FlexibilityLot.sol";
import {FlexibilityRules} from "./FlexibilityRules.sol";
import {ProfileLookup} from "./ProfileLookup.sol";

/// @title Who may ask for which flexibility, and who may offer it: the way into the flexibility market
/// @notice DSO, TSO and participants ask, each for the products that are meant for it. Sellers are in the zone that is
///         asked for or below it; an offer is replaced by another, and taken back with 0 Wh, until the request closes. What
///         agents put at risk in a participant's name is bounded by its allowance, over all requests of a period.
///         Source: seed 001 §3.2, seed 003 §2.4.
abstract contract FlexibilityDesk is FlexibilityLot {
    /// @notice Where the board is anchored
    /// @param ticks Of the market's price grid
    /// @param revealSeconds Of market time in which the seed of a lot is shown, and then its salts
    struct Settings {
        IParticipantRegistry registry;
        IMarketClock clock;
        IClearingHouse clearingHouse;
        IFlexibilityMarket market;
        IFlexibilityProducts products;
        ISchedules schedules;
        IAgents agents;
        uint256 ticks;
        uint256 revealSeconds;
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

    /// @dev What one call offers
    struct Bringing {
        uint256 area;
        uint256 number;
        uint256 key;
        IFlexibilityMarket.Request asked;
        IFlexibilityMarket.Rules rules;
        uint256[] entries;
        uint256 self;
        uint256 agent;
        uint256[] allowances;
    }

    uint256 private constant BUYER_DSO = 1;
    uint256 private constant BUYER_TSO = 2;
    uint256 private constant BUYER_PARTICIPANT = 4;

    /// @notice The most requests of all participants of an area in a period: half of what there may be
    uint256 public constant MAX_OF_PARTICIPANTS = 32;
    /// @notice The most requests of one participant in a period
    uint256 public constant MAX_OF_ONE = 2;
    /// @notice The least a participant asks for, in Wh, and at the second price tick or above: settlement waits for it
    uint256 public constant LEAST_WH = 100;
    /// @dev The most agents whose offers stand under one request: gateways and aggregators, others act for themselves
    uint256 private constant MAX_AGENTS = 255;

    IParticipantRegistry public immutable registry;
    /// @notice Who may act for whom, and for how much
    IAgents public immutable agents;
    /// @notice What may be asked for
    IFlexibilityProducts public immutable products;
    /// @notice Where schedules are declared
    ISchedules public immutable schedules;

    /// @dev ring slot | area | buyer, or 0 for all participants => period: 32 | how many requests
    mapping(uint256 key => uint256) private _asked;
    /// @dev request | place => period: 32 | agent; place 0: how many there are
    mapping(uint256 key => uint256) private _agentAt;
    /// @dev request | agent => period: 32 | its place: 64 | Wh its offers come to: 64
    mapping(uint256 key => uint256) private _pools;
    /// @dev ring slot | group => period: 32 | four lanes: µEUR of bonds that agents put at risk over all requests
    mapping(uint256 key => uint256 fourBonds) private _atRisk;

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
    error RequestClosed(uint256 request, uint256 closesAt, uint256 timestamp);
    error OwnRequest(uint256 participant, uint256 request);
    error OtherArea(uint256 participant, uint256 itsArea, uint256 area);
    error OutsideZone(uint256 participant, uint256 itsZone, uint256 zone);
    error AskedOfAnother(uint256 participant, uint256 only);
    error NotAMember(uint256 participant, uint256 status);
    error TooManyRequests(uint256 area, uint256 period, uint256 maximum);
    error BeyondCeiling(uint256 participant, uint256 tick, uint256 ceilingTick);
    error RequestTooSmall(uint256 buyer, uint256 wh, uint256 leastWh, uint256 tick);
    error OwnOffer(uint256 participant, uint256 agent);
    error BeyondAllowance(uint256 participant, uint256 agent, uint256 atRiskMicroEur, uint256 allowanceMicroEur);
    error TooManyAgents(uint256 request, uint256 maximum);

    constructor(Settings memory settings)
        FlexibilityLot(settings.clock, settings.market, settings.clearingHouse, settings.revealSeconds)
    {
        registry = settings.registry;
        agents = settings.agents;
        products = settings.products;
        schedules = settings.schedules;
    }

    // --- requests ------------------------------------------------------------------------------

    /// @notice Asks for flexibility in an area and period: the DSO, the TSO, or a participant in its own name
    /// @return number Number of the request in its area and period
    function request(uint256 area, uint32 period, Terms calldata terms) external returns (uint256 number) {
        Product memory product = products.productOf(terms.product);
        uint256 buyer = _buyer(area, period, terms, product);
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
        if (terms.lot != 0) _commitSeed(_requestKey(area, period, number), terms.lot);
        emit RequestPosted(area, period, number, buyer, terms);
    }

    /// @dev Number of the account that pays
    function _buyer(uint256 area, uint256 period, Terms calldata terms, Product memory product)
        private
        returns (uint256 buyer)
    {
        uint256 bit = BUYER_PARTICIPANT;
        if (registry.hasRole(Roles.inArea(Roles.DSO, area), msg.sender)) {
            (buyer, bit) = (HouseAccounts.dsoOf(area), BUYER_DSO);
        } else if (registry.hasRole(Roles.TSO, msg.sender)) {
            (buyer, bit) = (HouseAccounts.TSO, BUYER_TSO);
        } else {
            buyer = registry.numberOf(msg.sender);
        }
        if (product.buyers & bit == 0) revert NotABuyer(msg.sender, buyer, terms.product);
        if (bit != BUYER_PARTICIPANT) return buyer;
        if (terms.wh < LEAST_WH || terms.tick == 0) revert RequestTooSmall(buyer, terms.wh, LEAST_WH, terms.tick);
        _countOne(area, period, buyer);
    }

    /// @dev Settlement waits for each request: participants do not take the place of DSO and TSO, nor a few of them that of
    ///      all
    function _countOne(uint256 area, uint256 period, uint256 buyer) private {
        uint256[] memory one = new uint256[](1);
        one[0] = buyer;
        uint256 profile = ProfileLookup.profilesIn(registry, period, one)[0];
        if (Profile.status(profile) != Profile.ACTIVE) revert NotAMember(buyer, Profile.status(profile));
        _requireArea(buyer, profile, area);
        uint256 key = AreaKey.inSlot(period % _ringSize, area) << 32;
        _count(key, area, period, MAX_OF_PARTICIPANTS);
        _count(key | buyer, area, period, MAX_OF_ONE);
    }

    function _count(uint256 key, uint256 area, uint256 period, uint256 most) private {
        uint256 asked = Lanes.ofPeriod(_asked[key], period);
        if (uint32(asked) == most) revert TooManyRequests(area, period, most);
        _asked[key] = asked + 1;
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
        bool declared = _byDeclaration(product);
        uint256 needed = product.fullActivationSeconds + (declared ? 2 * revealSeconds : 0);
        uint256 latest = start < needed ? 0 : start - needed;
        if (terms.closesAt <= time || terms.closesAt > latest) revert BadClosingTime(terms.closesAt, time, latest);
        if ((terms.lot != 0) != declared) revert LotMismatch(terms.product, terms.lot);
    }

    function _byDeclaration(Product memory product) private pure returns (bool) {
        return product.method == FlexibilityRules.DECLARED_SCHEDULE;
    }

    // --- offers --------------------------------------------------------------------------------

    /// @notice Offers flexibility under a request in the names of participants, each in place of what was offered for it
    ///         before; all rows or none. Each one itself may, the gateway with its mandate, or its aggregator: agents within
    ///         the allowance of each, never where the buyer is one with them, and not over what it offered itself
    /// @param lot For declared schedules: keccak-256 of the salt (16 bytes, abi-encoded) by which the lot of the caller's
    ///        offers is drawn; zero keeps the one before. Else zero
    function offer(uint256 area, uint32 period, uint256 number, Row[] calldata rows, bytes32 lot) external {
        Bringing memory brought;
        brought.asked = market.requestOf(area, period, number);
        uint256 time = clock.timestamp();
        if (time >= brought.asked.closesAt) revert RequestClosed(number, brought.asked.closesAt, time);
        brought.area = area;
        brought.number = number;
        brought.key = _requestKey(area, period, number);
        brought.rules = market.rulesOf(area, period, number);
        if (lot != 0 && !brought.rules.declared) revert LotMismatch(brought.asked.product, lot);
        _identify(brought, rows);
        uint256[] memory replaced = market.enter(area, period, number, brought.entries);
        if (brought.rules.declared) _fixSchedules(period, rows, replaced);
        uint256 committed;
        for (uint256 i; i < rows.length; ++i) {
            Row calldata row = rows[i];
            uint256 agent = row.participant == brought.self ? brought.self : brought.agent;
            if (brought.rules.declared && row.wh != 0 && agent != committed) {
                _commitSalt(area, brought.asked, number, agent, lot);
                committed = agent;
            }
            if (brought.rules.minimumBidWh != 0) {
                _pool(brought, row, agent, FlexibilityEntry.formerLeg(replaced[i]));
            }
            emit FlexibilityOffered(area, period, number, row.participant, row.tick, row.wh, agent);
        }
        _putAtRisk(brought, rows, replaced);
    }

    /// @dev What is offered, and by whom, who may
    function _identify(Bringing memory brought, Row[] calldata rows) private {
        uint256[] memory participants = new uint256[](rows.length);
        for (uint256 i; i < rows.length; ++i) {
            participants[i] = rows[i].participant;
        }
        uint256 period = brought.asked.period;
        uint256[] memory profiles = ProfileLookup.profilesIn(registry, period, participants);
        (brought.self, brought.agent, brought.allowances) =
            agents.agentsTowards(msg.sender, period, brought.asked.buyer, participants, profiles);
        brought.entries = new uint256[](rows.length);
        uint256 place = brought.agent == 0 ? 0 : _placeOf(brought, brought.agent);
        for (uint256 i; i < rows.length; ++i) {
            Row calldata row = rows[i];
            if (row.wh != 0) _requireMayOffer(brought, row, profiles[i]);
            uint256 by = row.participant == brought.self ? 0 : place;
            brought.entries[i] =
                FlexibilityEntry.pack(row.participant, row.tick, row.wh, Profile.capacityWh(profiles[i]), by);
        }
    }

    /// @dev The place of an agent among those of a request; it gets one with its first offer
    function _placeOf(Bringing memory brought, uint256 agent) private returns (uint256 place) {
        uint256 period = brought.asked.period;
        uint256 key = (brought.key << 40) | agent;
        uint256 pool = Lanes.ofPeriod(_pools[key], period);
        place = uint64(pool >> 64);
        if (place != 0) return place;
        uint256 count = Lanes.ofPeriod(_agentAt[brought.key << 8], period) + 1;
        place = uint224(count);
        if (place > MAX_AGENTS) revert TooManyAgents(brought.number, MAX_AGENTS);
        _agentAt[brought.key << 8] = count;
        _agentAt[(brought.key << 8) | place] = Lanes.fresh(period) | agent;
        _pools[key] = pool | (place << 64);
    }

    /// @dev Who brought the offer that a leg is
    function _agentOf(uint256 requestKey, uint256 participant, uint256 leg) internal view returns (uint256) {
        uint256 place = FlexibilityLeg.agent(leg);
        return place == 0 ? participant : uint224(_agentAt[(requestKey << 8) | place]);
    }

    /// @dev Moves an offer from the pool of the agent that brought it to that of the agent which replaces it
    function _pool(Bringing memory brought, Row calldata row, uint256 agent, uint256 formerLeg) private {
        uint256 period = brought.asked.period;
        uint256 former = _agentOf(brought.key, row.participant, formerLeg);
        _addToPool(brought.key, period, former, FlexibilityLeg.wh(formerLeg), 0);
        _addToPool(brought.key, period, agent, 0, row.wh);
    }

    function _addToPool(uint256 requestKey, uint256 period, uint256 agent, uint256 released, uint256 claimed) private {
        if (released == claimed) return;
        uint256 key = (requestKey << 40) | agent;
        _pools[key] = Lanes.ofPeriod(_pools[key], period) + claimed - released;
    }

    /// @dev What the offers of an agent together come to
    function _pooledWh(uint256 requestKey, uint256 period, uint256 agent) internal view returns (uint256) {
        return uint64(Lanes.ofPeriod(_pools[(requestKey << 40) | agent], period));
    }

    /// @dev Counts bonds against what each participant allows who brought them; what it offered itself stands and is its own
    function _putAtRisk(Bringing memory brought, Row[] calldata rows, uint256[] memory replaced) private {
        uint256 period = brought.asked.period;
        uint256 group = type(uint256).max;
        uint256 key;
        uint256 four;
        for (uint256 i; i < rows.length; ++i) {
            uint256 participant = rows[i].participant;
            (uint256 freed, uint256 more) = _atStake(brought, i, participant, replaced[i]);
            if (freed == more) continue;
            if (Lanes.groupOf(participant) != group) {
                if (key != 0) _atRisk[key] = four;
                group = Lanes.groupOf(participant);
                key = ((period % _ringSize) << 64) | group;
                four = Lanes.ofPeriod(_atRisk[key], period);
            }
            uint256 atRisk = Lanes.get56(four, Lanes.laneOf(participant)) + more - freed;
            if (more > freed && atRisk > brought.allowances[i]) {
                revert BeyondAllowance(participant, brought.agent, atRisk, brought.allowances[i]);
            }
            four = Lanes.set56(four, Lanes.laneOf(participant), atRisk);
        }
        if (key != 0) _atRisk[key] = four;
    }

    /// @dev What of an offer's bonds, the former and the new one, agents put at risk
    function _atStake(Bringing memory brought, uint256 i, uint256 participant, uint256 replaced)
        private
        pure
        returns (uint256 freed, uint256 more)
    {
        uint256 formerLeg = FlexibilityEntry.formerLeg(replaced);
        if (FlexibilityLeg.agent(formerLeg) != 0) freed = FlexibilityEntry.formerBond(replaced);
        if (FlexibilityEntry.agent(brought.entries[i]) == 0) return (freed, 0);
        if (formerLeg != 0 && FlexibilityLeg.agent(formerLeg) == 0) revert OwnOffer(participant, brought.agent);
        more = FlexibilityEntry.bond(replaced);
    }

    /// @notice What agents put at risk in a participant's name in a period, in µEUR: bonds of their offers, less those that
    ///         were taken back before their request closed
    function atRiskOf(uint256 participant, uint256 period) external view returns (uint256) {
        uint256 four = _atRisk[((period % _ringSize) << 64) | Lanes.groupOf(participant)];
        return Lanes.get56(Lanes.ofPeriod(four, period), Lanes.laneOf(participant));
    }

    /// @dev A schedule that something is offered on stands, until that is taken back
    function _fixSchedules(uint256 period, Row[] calldata rows, uint256[] memory replaced) private {
        for (uint256 i; i < rows.length; ++i) {
            bool offered = rows[i].wh != 0;
            if (offered == (FlexibilityEntry.formerLeg(replaced[i]) != 0)) continue;
            if (offered) schedules.fix(period, rows[i].participant);
            else schedules.release(period, rows[i].participant);
        }
    }

    function _requireMayOffer(Bringing memory brought, Row calldata row, uint256 profile) private view {
        IFlexibilityMarket.Request memory asked = brought.asked;
        uint256 participant = row.participant;
        if (Profile.status(profile) != Profile.ACTIVE) {
            if (_lowers(brought, row)) return;
            revert NotAMember(participant, Profile.status(profile));
        }
        _requireArea(participant, profile, brought.area);
        if (participant == asked.buyer) revert OwnRequest(participant, brought.number);
        if (asked.only != 0 && asked.only != participant) revert AskedOfAnother(participant, asked.only);
        if (row.tick > asked.tick) revert BeyondCeiling(participant, row.tick, asked.tick);
        uint256 zone = Profile.zone(profile);
        while (zone != asked.zone) {
            if (zone == 0) revert OutsideZone(participant, Profile.zone(profile), asked.zone);
            zone = registry.parentZone(zone);
        }
    }

    /// @dev Whether less is offered than before at the same price: that passes whoever was suspended or has left
    function _lowers(Bringing memory brought, Row calldata row) private view returns (bool) {
        uint256[] memory one = new uint256[](1);
        one[0] = Lanes.groupOf(row.participant);
        uint256 four = market.legWordsOf(brought.area, brought.asked.period, brought.number, one)[0];
        uint256 leg = Lanes.get56(four, Lanes.laneOf(row.participant));
        return FlexibilityLeg.wh(leg) >= row.wh && FlexibilityLeg.tick(leg) == row.tick;
    }

    function _requireArea(uint256 participant, uint256 profile, uint256 area) private pure {
        uint256 itsArea = Profile.area(profile);
        if (itsArea != area) revert OtherArea(participant, itsArea, area);
    }
}
