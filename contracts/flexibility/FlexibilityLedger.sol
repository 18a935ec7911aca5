// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IFlexibilityMarket} from "../interfaces/IFlexibility.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {TickEnergy} from "../libraries/TickEnergy.sol";
import {CheckedTrades} from "../market/CheckedTrades.sol";
import {PriceGrid} from "../market/PriceGrid.sol";
import {FlexibilityOffer} from "./FlexibilityOffer.sol";
import {FlexibilityLeg} from "./FlexibilityLeg.sol";
import {FlexibilityRules} from "./FlexibilityRules.sol";

/// @title What is asked of flexibility and what is offered, and what backs both
/// @notice A request keeps what it may come to cost in escrow; an offer keeps its energy reserved and a bond, from which
///         every penalty is paid, so that nobody ends in debt. Both are in the margin account. Who may ask and offer
///         what is for `FlexibilityRequests` to say.
abstract contract FlexibilityLedger is CheckedTrades, PriceGrid, IFlexibilityMarket {
    /// @notice Where the market is anchored and its rules
    struct Settings {
        Anchors anchors;
        uint256 floorMicroEurPerWh;
        uint256 tickMicroEurPerWh;
        uint256 ticks;
        uint256 groupSize;
    }

    /// @notice How far a request is, in one storage slot
    /// @param nextGroup The group of the area that is awarded next
    /// @param offeredWh Energy on offer; while awards are given, what came before at the marginal tick
    /// @param waiting Legs without a verdict
    /// @param open Legs that are not closed, those that stand by among them
    struct Progress {
        uint32 period;
        uint32 nextGroup;
        uint32 offeredWh;
        uint32 deliveredWh;
        uint24 waiting;
        uint24 open;
        uint64 escrowMicroEur;
    }

    /// @dev A request, and all that acting on it needs
    struct RequestState {
        uint256 area;
        uint256 period;
        uint256 number;
        uint256 key;
        Request posted;
        Rules rules;
        Progress progress;
    }

    /// @dev One slot: how many requests an area has in a period, and how many of them are over
    struct RequestCounts {
        uint32 period;
        uint16 posted;
        uint16 ended;
    }

    /// @notice The most requests of an area in a period: settlement waits for each
    uint256 public constant MAX_REQUESTS = 64;
    /// @dev Lane of what a participant promised: Wh: 28 | kind: 28, which is the direction and these bits
    uint256 private constant KIND_DECLARED = 4;
    uint256 private constant KIND_EVIDENCE = 8;

    /// @notice Who checks what is asked and offered
    address public requests;

    mapping(uint256 key => Request) private _requests;
    mapping(uint256 key => Rules) private _rules;
    mapping(uint256 key => Progress) private _progress;
    mapping(uint256 key => RequestCounts) private _requestCounts;
    /// @dev request | group => period: 32 | four lanes (see FlexibilityLeg)
    mapping(uint256 key => uint256 fourLegs) internal _legs;
    mapping(uint256 key => uint256 packedOutcome) internal _outcomes;
    /// @dev ring slot | quantity | group => period: 32 | four lanes: what is promised over all requests
    mapping(uint256 key => uint256 fourPromises) private _promises;

    /// @notice A buyer kept the seed of a lot to itself, or an agent the salt of a participant's offer: what that cost
    event LotWithheld(
        uint256 indexed area, uint256 indexed period, uint256 indexed request, uint256 account, uint256 amountMicroEur
    );

    /// @notice Only the contract for requests brings in what it has checked
    error OnlyRequests(address caller);
    /// @notice A quantity is above zero, and no more than a lane holds
    error QuantityOutOfRange(uint256 participant, uint256 wh, uint256 maximumWh);
    /// @notice The area has as many requests in the period as there may be
    error TooManyRequests(uint256 area, uint256 period, uint256 maximum);
    /// @notice The area has no request of this number in the period
    error NoRequest(uint256 area, uint256 period, uint256 request);
    /// @notice The connection is promised the other way, or by another method, or its schedule stands in another
    ///         request
    error PromisedOtherwise(uint256 participant, uint256 period);
    /// @notice All requests together would promise more than the connection carries
    error PromisedAboveCapacity(uint256 participant, uint256 promisedWh, uint256 capacityWh);
    /// @notice The offers of a request would come to more than can be added up
    error TooMuchOffered(uint256 request, uint256 offeredWh, uint256 maximumWh);

    constructor(Settings memory settings)
        CheckedTrades(settings.anchors, settings.groupSize)
        PriceGrid(
            settings.floorMicroEurPerWh,
            settings.tickMicroEurPerWh,
            settings.ticks,
            TickEnergy.MAX_TICKS
        )
    {
        if (_price(settings.ticks - 1) > type(uint16).max) {
            revert BadBand(settings.floorMicroEurPerWh, settings.tickMicroEurPerWh, settings.ticks);
        }
    }

    modifier onlyRequests() {
        if (msg.sender != requests) revert OnlyRequests(msg.sender);
        _;
    }

    // --- requests ------------------------------------------------------------------------------

    /// @inheritdoc IFlexibilityMarket
    function post(uint256 area, Request calldata posted, Rules calldata rules)
        external
        onlyRequests
        returns (uint256 number)
    {
        if (posted.wh == 0 || posted.wh > Lanes.MAX_WH) {
            revert QuantityOutOfRange(posted.buyer, posted.wh, Lanes.MAX_WH);
        }
        if (posted.tick >= ticks) revert TickOutOfBand(posted.buyer, posted.tick, ticks);
        uint32 period = posted.period;
        RequestCounts memory counts = _requestCountsOf(area, period);
        number = counts.posted;
        if (number == MAX_REQUESTS) revert TooManyRequests(area, period, MAX_REQUESTS);
        if (number == 0) _ledgers[_key(area, period)] = _enter(area, period);
        counts.posted += 1;
        _requestCounts[_key(area, period)] = counts;
        RequestState memory request;
        request.key = _requestKey(area, period, number);
        request.period = period;
        request.posted = posted;
        request.rules = rules;
        uint256 escrow = _cost(request, posted.wh);
        request.progress = Progress(period, 0, 0, 0, 0, 0, uint64(escrow));
        _store(request);
        _rules[request.key] = rules;
        _move(posted.buyer, HouseAccounts.MARGIN, escrow);
        _exchangeBuyer(request, 0, posted.wh);
    }

    // --- offers --------------------------------------------------------------------------------

    /// @inheritdoc IFlexibilityMarket
    function enter(uint256 area, uint32 period, uint256 number, uint256[] calldata offers)
        external
        onlyRequests
        returns (uint256[] memory replaced)
    {
        RequestState memory request = _requestStateOf(area, period, number);
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](offers.length);
        replaced = new uint256[](offers.length);
        for (uint256 i; i < offers.length; ++i) {
            (replaced[i], exchanges[i]) = _take(request, offers[i]);
        }
        _reserve(request, exchanges);
        _store(request);
    }

    function _take(RequestState memory request, uint256 offer)
        private
        returns (uint256 replaced, IClearingHouse.Exchange memory)
    {
        uint256 participant = FlexibilityOffer.participant(offer);
        uint256 wh = FlexibilityOffer.wh(offer);
        if (wh > Lanes.MAX_WH) revert QuantityOutOfRange(participant, wh, Lanes.MAX_WH);
        uint256 leg = FlexibilityLeg.packFor(wh, FlexibilityOffer.tick(offer), FlexibilityOffer.agent(offer));
        leg = _setLeg(request, participant, wh == 0 ? 0 : leg);
        uint256 former = FlexibilityLeg.wh(leg);
        _promise(request, participant, former, wh, FlexibilityOffer.capacityWh(offer));
        uint256 offered = request.progress.offeredWh + wh - former;
        if (offered > type(uint32).max) revert TooMuchOffered(request.number, offered, type(uint32).max);
        request.progress.offeredWh = uint32(offered);
        (uint256 before, uint256 bond) = _exchangeBond(request, participant, former, wh);
        replaced = FlexibilityOffer.packReplaced(leg, before, bond);
        return (replaced, _exchange(participant, _energy(request, former), _energy(request, wh)));
    }

    /// @dev One connection is promised once, and one way: a meter cannot show who moved it how often. Where the schedule
    ///      is the participant's own word it stands in one request a period, or a second lot would call it too often
    function _promise(RequestState memory request, uint256 participant, uint256 former, uint256 wh, uint256 capacityWh)
        internal
    {
        if (former == wh) return;
        uint256 key = ((request.period % _ringSize) << 64) | (uint256(request.rules.reactive ? 1 : 0) << 40)
            | Lanes.groupOf(participant);
        uint256 promises = Lanes.ofPeriod(_promises[key], request.period);
        uint256 lane = Lanes.get56(promises, Lanes.laneOf(participant));
        uint256 others = Lanes.outOf(lane) - former;
        uint256 kind = _kind(request);
        if (wh > former) {
            if (others != 0 && (Lanes.intoOf(lane) != kind || kind & KIND_DECLARED != 0)) {
                revert PromisedOtherwise(participant, request.period);
            }
            if (others + wh > capacityWh) revert PromisedAboveCapacity(participant, others + wh, capacityWh);
        }
        _promises[key] = Lanes.set56(promises, Lanes.laneOf(participant), Lanes.energy(others + wh, kind));
    }

    function _kind(RequestState memory request) private pure returns (uint256 kind) {
        kind = request.posted.direction;
        if (request.rules.declared) kind |= KIND_DECLARED;
        if (!request.rules.metered) kind |= KIND_EVIDENCE;
    }

    // --- clearing ------------------------------------------------------------------------------

    /// @inheritdoc IFlexibilityMarket
    function mark(uint256 area, uint32 period, uint256 number, uint256[] calldata groups, uint256[] calldata legs)
        external
        onlyRequests
    {
        uint256 key = _requestKey(area, period, number);
        for (uint256 i; i < groups.length; ++i) {
            _legs[(key << 32) | groups[i]] = legs[i];
        }
    }

    /// @inheritdoc IFlexibilityMarket
    function conclude(uint256 area, uint32 period, uint256 number, uint256 packedOutcome) external onlyRequests {
        RequestState memory request = _requestStateOf(area, period, number);
        request.posted.phase = Phase.Cleared;
        request.progress.offeredWh = 0;
        _outcomes[request.key] = packedOutcome;
        _store(request);
    }

    /// @inheritdoc IFlexibilityMarket
    function annul(uint256 area, uint32 period, uint256 number, bool withheld) external onlyRequests {
        RequestState memory request = _requestStateOf(area, period, number);
        request.posted.phase = Phase.Void;
        if (withheld) {
            uint256 wh = FlexibilityRules.standsByWh(request.progress.offeredWh, request.posted.wh, true);
            _forfeit(request, request.posted.buyer, _cost(request, wh));
        }
        request.progress.offeredWh = 0;
        _store(request);
    }

    /// @dev What a seed or salt that was not shown costs: it goes to the supplier, who balances schedules, and to neither
    ///      side of the request
    function _forfeit(RequestState memory request, uint256 account, uint256 amount) internal {
        if (account == request.posted.buyer) request.progress.escrowMicroEur -= uint64(amount);
        if (amount == 0) return;
        _move(HouseAccounts.MARGIN, HouseAccounts.SUPPLIER, amount);
        emit LotWithheld(request.area, request.period, request.number, account, amount);
    }

    // --- what offers and escrows are made of ---------------------------------------------------

    /// @dev Puts a leg in place of the one before, which it returns
    function _setLeg(RequestState memory request, uint256 participant, uint256 leg) internal returns (uint256 former) {
        uint256 key = _legKey(request.key, participant);
        uint256 legs = Lanes.ofPeriod(_legs[key], request.period);
        former = Lanes.get56(legs, Lanes.laneOf(participant));
        _legs[key] = Lanes.set56(legs, Lanes.laneOf(participant), leg);
    }

    /// @dev A bond is what missing all of it would cost at the ceiling price
    function _bond(RequestState memory request, uint256 wh) internal view returns (uint256) {
        uint256 base = FlexibilityRules.baseMicroEurPerWh(
            request.posted.direction, _price(request.posted.tick), request.rules.compensationMicroEurPerWh
        );
        return FlexibilityRules.penaltyMicroEur(wh, base, request.rules.penaltyPercent);
    }

    function _exchangeBond(RequestState memory request, uint256 participant, uint256 former, uint256 wh)
        internal
        returns (uint256 before, uint256 after_)
    {
        (before, after_) = (_bond(request, former), _bond(request, wh));
        if (after_ > before) _move(participant, HouseAccounts.MARGIN, after_ - before);
        else _move(HouseAccounts.MARGIN, participant, before - after_);
    }

    /// @dev Energy lane of a seller: out of its connection for up, into it for down, both for both
    function _energy(RequestState memory request, uint256 wh) internal pure returns (uint256) {
        uint256 direction = request.posted.direction;
        return Lanes.energy(
            direction & FlexibilityRules.UP != 0 ? wh : 0, direction & FlexibilityRules.DOWN != 0 ? wh : 0
        );
    }

    /// @dev Energy lane of a buyer: the other way
    function _buyerEnergy(RequestState memory request, uint256 wh) internal pure returns (uint256) {
        return request.posted.direction == FlexibilityRules.UP ? Lanes.energy(0, wh) : Lanes.energy(wh, 0);
    }

    /// @dev A participant that buys what the meter shows gets the energy itself
    function _exchangeBuyer(RequestState memory request, uint256 released, uint256 claimed) internal {
        if (released == claimed || !_takesEnergy(request)) return;
        IClearingHouse.Exchange[] memory one = new IClearingHouse.Exchange[](1);
        one[0] =
            _exchange(request.posted.buyer, _buyerEnergy(request, released), _buyerEnergy(request, claimed));
        clearingHouse.reserve(request.area, request.period, address(0), one);
    }

    function _takesEnergy(RequestState memory request) internal pure returns (bool) {
        return HouseAccounts.isParticipant(request.posted.buyer) && request.rules.metered;
    }

    /// @dev What so much of a request may come to cost its buyer
    function _cost(RequestState memory request, uint256 wh) internal view returns (uint256) {
        return wh * (_price(request.posted.tick) + _compensationOfBuyer(request));
    }

    /// @dev What the buyer pays the supplier for each Wh withdrawn in its interest
    function _compensationOfBuyer(RequestState memory request) internal pure returns (uint256) {
        bool house = !HouseAccounts.isParticipant(request.posted.buyer);
        bool down = request.posted.direction == FlexibilityRules.DOWN;
        return house && down ? request.rules.compensationMicroEurPerWh : 0;
    }

    /// @dev Reactive power takes nothing of what a connection may trade
    function _reserve(RequestState memory request, IClearingHouse.Exchange[] memory exchanges) internal {
        if (request.rules.reactive || exchanges.length == 0) return;
        clearingHouse.reserve(request.area, request.period, address(0), exchanges);
    }

    function _move(uint256 from, uint256 to, uint256 amountMicroEur) internal {
        if (amountMicroEur != 0) clearingHouse.transfer(from, to, amountMicroEur);
    }

    /// @dev One more request of the area and period is over
    function _oneEnded(uint256 area, uint256 period) internal {
        _requestCounts[_key(area, period)].ended += 1;
    }

    // --- questions -----------------------------------------------------------------------------

    /// @inheritdoc IFlexibilityMarket
    function requestOf(uint256 area, uint256 period, uint256 number) external view returns (Request memory) {
        return _requestOf(area, period, number);
    }

    /// @inheritdoc IFlexibilityMarket
    function rulesOf(uint256 area, uint256 period, uint256 number) external view returns (Rules memory) {
        return _requestStateOf(area, period, number).rules;
    }

    /// @notice How far a request is: legs that wait or are open, energy delivered, escrow left
    function progressOf(uint256 area, uint256 period, uint256 number) external view returns (Progress memory) {
        return _requestStateOf(area, period, number).progress;
    }

    /// @notice How many requests an area has in a period, and how many of them are over
    function boardOf(uint256 area, uint256 period) external view returns (RequestCounts memory) {
        return _requestCountsOf(area, period);
    }

    /// @inheritdoc IFlexibilityMarket
    function legWordsOf(uint256 area, uint256 period, uint256 number, uint256[] calldata groups)
        external
        view
        returns (uint256[] memory legs)
    {
        uint256 key = _requestKey(area, period, number);
        legs = new uint256[](groups.length);
        for (uint256 i; i < legs.length; ++i) {
            legs[i] = Lanes.ofPeriod(_legs[(key << 32) | groups[i]], period);
        }
    }

    function _requestCountsOf(uint256 area, uint256 period) internal view returns (RequestCounts memory counts) {
        counts = _requestCounts[_key(area, period)];
        if (counts.period != period) counts = RequestCounts(uint32(period), 0, 0);
    }

    function _requestOf(uint256 area, uint256 period, uint256 number) internal view returns (Request memory) {
        if (number >= _requestCountsOf(area, period).posted) revert NoRequest(area, period, number);
        return _requests[_requestKey(area, period, number)];
    }

    function _requestStateOf(uint256 area, uint256 period, uint256 number) internal view returns (RequestState memory request) {
        request.posted = _requestOf(area, period, number);
        request.area = area;
        request.period = period;
        request.number = number;
        request.key = _requestKey(area, period, number);
        request.rules = _rules[request.key];
        request.progress = _progress[request.key];
    }

    /// @dev Writes what became of a request
    function _store(RequestState memory request) internal {
        _requests[request.key] = request.posted;
        _progress[request.key] = request.progress;
    }

    function _requestKey(uint256 area, uint256 period, uint256 number) internal view returns (uint256) {
        return (_key(area, period) << 8) | number;
    }

    function _legKey(uint256 requestKey, uint256 participant) internal pure returns (uint256) {
        return (requestKey << 32) | Lanes.groupOf(participant);
    }
}
