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
import {ProfileLookup} from "../libraries/ProfileLookup.sol";
import {Roles} from "../libraries/Roles.sol";
import {FlexibilityOffer} from "./FlexibilityOffer.sol";
import {FlexibilityLeg} from "./FlexibilityLeg.sol";
import {FlexibilityLot} from "./FlexibilityLot.sol";
import {FlexibilityRules} from "./FlexibilityRules.sol";

/// @title Who may ask for which flexibility, and who may offer it: the way into the flexibility market
/// @notice DSO, TSO and participants ask, each for the products that are meant for it. Sellers are in the zone that is
///         asked for or below it; an offer is replaced by another, and taken back with 0 Wh, until the request closes. What
///         agents put at risk in a participant's name is bounded by its allowance, over all requests of a period.
///         Source: [Talari-nd] §3.2, [Khajeh2022] §2.4.
abstract contract FlexibilityAdmission is FlexibilityLot {
    /// @notice Where requests and offers are anchored
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
    struct RequestTerms {
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
    struct Offer {
        uint32 participant;
        uint16 tick;
        uint32 wh;
    }

    /// @dev What one call offers
    struct OfferBatch {
        uint256 area;
        uint256 number;
        uint256 key;
        IFlexibilityMarket.Request posted;
        IFlexibilityMarket.Rules rules;
        uint256[] offers;
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
    mapping(uint256 key => uint256) private _postedBy;
    /// @dev request | place => period: 32 | agent; place 0: how many there are
    mapping(uint256 key => uint256) private _agentAt;
    /// @dev request | agent => period: 32 | its place: 64 | Wh its offers come to: 64
    mapping(uint256 key => uint256) private _pools;
    /// @dev ring slot | group => period: 32 | four lanes: µEUR of bonds that agents put at risk over all requests
    mapping(uint256 key => uint256 fourBonds) private _atRisk;

    /// @notice A buyer asks for flexibility; what it may come to cost is in escrow
    event RequestPosted(
        uint256 indexed area, uint256 indexed period, uint256 indexed request, uint256 buyer, RequestTerms terms
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

    /// @notice The product is not meant for a buyer of this kind (see Product.buyers)
    error NotABuyer(address caller, uint256 buyer, uint256 product);
    /// @notice The product is not asked for in this direction: 1 up, 2 down, 3 both at once
    error BadDirection(uint256 product, uint256 direction);
    /// @notice The period is not open yet: it would take a ring slot that others still need
    error BeyondHorizon(uint256 period, uint256 lastOpenPeriod);
    /// @notice A request closes after now and no later than delivery leaves time for; unix seconds of market time
    error BadClosingTime(uint256 closesAt, uint256 timestamp, uint256 latest);
    /// @notice The request takes no offers any more; unix seconds of market time
    error RequestClosed(uint256 request, uint256 closesAt, uint256 timestamp);
    /// @notice A buyer cannot offer under its own request
    error OwnRequest(uint256 participant, uint256 request);
    /// @notice The participant is of another area than the request
    error OtherArea(uint256 participant, uint256 itsArea, uint256 area);
    /// @notice The participant is neither in the zone that is asked for nor below it
    error OutsideZone(uint256 participant, uint256 itsZone, uint256 zone);
    /// @notice The request is for the participant `only`
    error AskedOfAnother(uint256 participant, uint256 only);
    /// @notice The participant is no active member in this period (see Profile)
    error NotAMember(uint256 participant, uint256 status);
    /// @notice All participants together, or this one, have as many requests in the period as they may
    error TooManyRequests(uint256 area, uint256 period, uint256 maximum);
    /// @notice The price is above the ceiling of the request
    error BeyondCeiling(uint256 participant, uint256 tick, uint256 ceilingTick);
    /// @notice A participant asks for this much at least, and at the second price tick or above
    error RequestTooSmall(uint256 buyer, uint256 wh, uint256 leastWh, uint256 tick);
    /// @notice The participant offered itself under this request: its agent cannot replace that
    error OwnOffer(uint256 participant, uint256 agent);
    /// @notice The bonds of an agent's offers would come to more than the participant allows it in the period
    error BeyondAllowance(uint256 participant, uint256 agent, uint256 atRiskMicroEur, uint256 allowanceMicroEur);
    /// @notice The request has offers of as many agents as there may be
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
    function request(uint256 area, uint32 period, RequestTerms calldata terms) external returns (uint256 number) {
        Product memory product = products.productOf(terms.product);
        uint256 buyer = _buyer(area, period, terms, product);
        _requireSound(period, terms, product);
        IFlexibilityMarket.Request memory posted = IFlexibilityMarket.Request(
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
        number = market.post(area, posted, rules);
        if (terms.lot != 0) _commitSeed(_requestKey(area, period, number), terms.lot);
        emit RequestPosted(area, period, number, buyer, terms);
    }

    /// @dev Number of the account that pays
    function _buyer(uint256 area, uint256 period, RequestTerms calldata terms, Product memory product)
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
        uint256 posted = Lanes.ofPeriod(_postedBy[key], period);
        if (uint32(posted) == most) revert TooManyRequests(area, period, most);
        _postedBy[key] = posted + 1;
    }

    function _requireSound(uint256 period, RequestTerms calldata terms, Product memory product) private view {
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
    function offer(uint256 area, uint32 period, uint256 number, Offer[] calldata offers, bytes32 lot) external {
        OfferBatch memory batch;
        batch.posted = market.requestOf(area, period, number);
        uint256 time = clock.timestamp();
        if (time >= batch.posted.closesAt) revert RequestClosed(number, batch.posted.closesAt, time);
        batch.area = area;
        batch.number = number;
        batch.key = _requestKey(area, period, number);
        batch.rules = market.rulesOf(area, period, number);
        if (lot != 0 && !batch.rules.declared) revert LotMismatch(batch.posted.product, lot);
        _identify(batch, offers);
        uint256[] memory replaced = market.enter(area, period, number, batch.offers);
        if (batch.rules.declared) _fixSchedules(period, offers, replaced);
        uint256 committed;
        for (uint256 i; i < offers.length; ++i) {
            Offer calldata offered = offers[i];
            uint256 agent = offered.participant == batch.self ? batch.self : batch.agent;
            if (batch.rules.declared && offered.wh != 0 && agent != committed) {
                _commitSalt(area, batch.posted, number, agent, lot);
                committed = agent;
            }
            if (batch.rules.minimumBidWh != 0) {
                _pool(batch, offered, agent, FlexibilityOffer.formerLeg(replaced[i]));
            }
            emit FlexibilityOffered(area, period, number, offered.participant, offered.tick, offered.wh, agent);
        }
        _putAtRisk(batch, offers, replaced);
    }

    /// @dev What is offered, and by whom, who may
    function _identify(OfferBatch memory batch, Offer[] calldata offers) private {
        uint256[] memory participants = new uint256[](offers.length);
        for (uint256 i; i < offers.length; ++i) {
            participants[i] = offers[i].participant;
        }
        uint256 period = batch.posted.period;
        uint256[] memory profiles = ProfileLookup.profilesIn(registry, period, participants);
        (batch.self, batch.agent, batch.allowances) =
            agents.agentsTowards(msg.sender, period, batch.posted.buyer, participants, profiles);
        batch.offers = new uint256[](offers.length);
        uint256 place = batch.agent == 0 ? 0 : _placeOf(batch, batch.agent);
        for (uint256 i; i < offers.length; ++i) {
            Offer calldata offered = offers[i];
            if (offered.wh != 0) _requireMayOffer(batch, offered, profiles[i]);
            uint256 by = offered.participant == batch.self ? 0 : place;
            batch.offers[i] =
                FlexibilityOffer.pack(offered.participant, offered.tick, offered.wh, Profile.capacityWh(profiles[i]), by);
        }
    }

    /// @dev The place of an agent among those of a request; it gets one with its first offer
    function _placeOf(OfferBatch memory batch, uint256 agent) private returns (uint256 place) {
        uint256 period = batch.posted.period;
        uint256 key = (batch.key << 40) | agent;
        uint256 pool = Lanes.ofPeriod(_pools[key], period);
        place = uint64(pool >> 64);
        if (place != 0) return place;
        uint256 count = Lanes.ofPeriod(_agentAt[batch.key << 8], period) + 1;
        place = uint224(count);
        if (place > MAX_AGENTS) revert TooManyAgents(batch.number, MAX_AGENTS);
        _agentAt[batch.key << 8] = count;
        _agentAt[(batch.key << 8) | place] = Lanes.fresh(period) | agent;
        _pools[key] = pool | (place << 64);
    }

    /// @dev Who brought the offer that a leg is
    function _agentOf(uint256 requestKey, uint256 participant, uint256 leg) internal view returns (uint256) {
        uint256 place = FlexibilityLeg.agent(leg);
        return place == 0 ? participant : uint224(_agentAt[(requestKey << 8) | place]);
    }

    /// @dev Moves an offer from the pool of the agent that brought it to that of the agent which replaces it
    function _pool(OfferBatch memory batch, Offer calldata offered, uint256 agent, uint256 formerLeg) private {
        uint256 period = batch.posted.period;
        uint256 former = _agentOf(batch.key, offered.participant, formerLeg);
        _addToPool(batch.key, period, former, FlexibilityLeg.wh(formerLeg), 0);
        _addToPool(batch.key, period, agent, 0, offered.wh);
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
    function _putAtRisk(OfferBatch memory batch, Offer[] calldata offers, uint256[] memory replaced) private {
        uint256 period = batch.posted.period;
        uint256 group = type(uint256).max;
        uint256 key;
        uint256 four;
        for (uint256 i; i < offers.length; ++i) {
            uint256 participant = offers[i].participant;
            (uint256 freed, uint256 more) = _atStake(batch, i, participant, replaced[i]);
            if (freed == more) continue;
            if (Lanes.groupOf(participant) != group) {
                if (key != 0) _atRisk[key] = four;
                group = Lanes.groupOf(participant);
                key = ((period % _ringSize) << 64) | group;
                four = Lanes.ofPeriod(_atRisk[key], period);
            }
            uint256 atRisk = Lanes.get56(four, Lanes.laneOf(participant)) + more - freed;
            if (more > freed && atRisk > batch.allowances[i]) {
                revert BeyondAllowance(participant, batch.agent, atRisk, batch.allowances[i]);
            }
            four = Lanes.set56(four, Lanes.laneOf(participant), atRisk);
        }
        if (key != 0) _atRisk[key] = four;
    }

    /// @dev What of an offer's bonds, the former and the new one, agents put at risk
    function _atStake(OfferBatch memory batch, uint256 i, uint256 participant, uint256 replaced)
        private
        pure
        returns (uint256 freed, uint256 more)
    {
        uint256 formerLeg = FlexibilityOffer.formerLeg(replaced);
        if (FlexibilityLeg.agent(formerLeg) != 0) freed = FlexibilityOffer.formerBond(replaced);
        if (FlexibilityOffer.agent(batch.offers[i]) == 0) return (freed, 0);
        if (formerLeg != 0 && FlexibilityLeg.agent(formerLeg) == 0) revert OwnOffer(participant, batch.agent);
        more = FlexibilityOffer.bond(replaced);
    }

    /// @notice What agents put at risk in a participant's name in a period, in µEUR: bonds of their offers, less those that
    ///         were taken back before their request closed
    function atRiskOf(uint256 participant, uint256 period) external view returns (uint256) {
        uint256 four = _atRisk[((period % _ringSize) << 64) | Lanes.groupOf(participant)];
        return Lanes.get56(Lanes.ofPeriod(four, period), Lanes.laneOf(participant));
    }

    /// @dev A schedule that something is offered on stands, until that is taken back
    function _fixSchedules(uint256 period, Offer[] calldata offers, uint256[] memory replaced) private {
        for (uint256 i; i < offers.length; ++i) {
            bool offered = offers[i].wh != 0;
            if (offered == (FlexibilityOffer.formerLeg(replaced[i]) != 0)) continue;
            if (offered) schedules.fix(period, offers[i].participant);
            else schedules.release(period, offers[i].participant);
        }
    }

    function _requireMayOffer(OfferBatch memory batch, Offer calldata offered, uint256 profile) private view {
        IFlexibilityMarket.Request memory posted = batch.posted;
        uint256 participant = offered.participant;
        if (Profile.status(profile) != Profile.ACTIVE) {
            if (_lowers(batch, offered)) return;
            revert NotAMember(participant, Profile.status(profile));
        }
        _requireArea(participant, profile, batch.area);
        if (participant == posted.buyer) revert OwnRequest(participant, batch.number);
        if (posted.only != 0 && posted.only != participant) revert AskedOfAnother(participant, posted.only);
        if (offered.tick > posted.tick) revert BeyondCeiling(participant, offered.tick, posted.tick);
        uint256 zone = Profile.zone(profile);
        while (zone != posted.zone) {
            if (zone == 0) revert OutsideZone(participant, Profile.zone(profile), posted.zone);
            zone = registry.parentZone(zone);
        }
    }

    /// @dev Whether less is offered than before at the same price: that passes whoever was suspended or has left
    function _lowers(OfferBatch memory batch, Offer calldata offered) private view returns (bool) {
        uint256[] memory one = new uint256[](1);
        one[0] = Lanes.groupOf(offered.participant);
        uint256 four = market.legWordsOf(batch.area, batch.posted.period, batch.number, one)[0];
        uint256 leg = Lanes.get56(four, Lanes.laneOf(offered.participant));
        return FlexibilityLeg.wh(leg) >= offered.wh && FlexibilityLeg.tick(leg) == offered.tick;
    }

    function _requireArea(uint256 participant, uint256 profile, uint256 area) private pure {
        uint256 itsArea = Profile.area(profile);
        if (itsArea != area) revert OtherArea(participant, itsArea, area);
    }
}
