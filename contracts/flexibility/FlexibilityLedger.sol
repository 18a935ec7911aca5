// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IFlexibilityMarket} from "../interfaces/IFlexibility.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {TickEnergy} from "../libraries/TickEnergy.sol";
import {CheckedTrades} from "../market/CheckedTrades.sol";
import {PriceGrid} from "../market/PriceGrid.sol";
import {FlexibilityEntry} from "./FlexibilityEntry.sol";
import {FlexibilityLeg} from "./FlexibilityLeg.sol";
import {FlexibilityRules} from "./FlexibilityRules.sol";

/// @title What is asked of flexibility and what is offered, and what backs both
/// @notice A request keeps what it may come to cost in escrow; an offer keeps its energy reserved and a bond, from which
///         every penalty is paid, so that nobody ends in debt. Both are in the margin account. Who may ask and offer
///         what is for `FlexibilityBoard` to say.
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
    struct Tender {
        uint256 area;
        uint256 period;
        uint256 number;
        uint256 key;
        Request asked;
        Rules rules;
        Progress progress;
    }

    /// @dev One slot: how many requests an area has in a period, and how many of them are over
    struct Board {
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
    address public board;

    mapping(uint256 key => Request) private _requests;
    mapping(uint256 key => Rules) private _rules;
    mapping(uint256 key => Progress) private _progress;
    mapping(uint256 key => Board) private _boards;
    /// @dev request | group => period: 32 | four lanes (see FlexibilityLeg)
    mapping(uint256 key => uint256 fourLegs) internal _legs;
    mapping(uint256 key => uint256 packedOutcome) internal _outcomes;
    /// @dev ring slot | quantity | group => period: 32 | four lanes: what is promised over all requests
    mapping(uint256 key => uint256 fourPromises) private _promises;

    /// @notice A buyer kept the seed of a lot to itself, or an agent the salt of a participant's offer: what that cost
    event LotWithheld(
        uint256 indexed area, uint256 indexed period, uint256 indexed request, uint256 account, uint256 amountMicroEur
    );

    error OnlyBoard(address caller);
    error QuantityOutOfRange(uint256 participant, uint256 wh, uint256 maximumWh);
    error TooManyRequests(uint256 area, uint256 period, uint256 maximum);
    error NoRequest(uint256 area, uint256 period, uint256 request);
    error PromisedOtherwise(uint256 participant, uint256 period);
    error PromisedAboveCapacity(uint256 participant, uint256 promisedWh, uint256 capacityWh);
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

    modifier onlyBoard() {
        if (msg.sender != board) revert OnlyBoard(msg.sender);
        _;
    }

    // --- requests ------------------------------------------------------------------------------

    /// @inheritdoc IFlexibilityMarket
    function post(uint256 area, Request calldata asked, Rules calldata rules)
        external
        onlyBoard
        returns (uint256 number)
    {
        if (asked.wh == 0 || asked.wh > Lanes.MAX_WH) {
            revert QuantityOutOfRange(asked.buyer, asked.wh, Lanes.MAX_WH);
        }
        if (asked.tick >= ticks) revert TickOutOfBand(asked.buyer, asked.tick, ticks);
        uint32 period = asked.period;
        Board memory counts = _boardOf(area, period);
        number = counts.posted;
        if (number == MAX_REQUESTS) revert TooManyRequests(area, period, MAX_REQUESTS);
        if (number == 0) _ledgers[_key(area, period)] = _enter(area, period);
        counts.posted += 1;
        _boards[_key(area, period)] = counts;
        Tender memory tender;
        tender.key = _requestKey(area, period, number);
        tender.period = period;
        tender.asked = asked;
        tender.rules = rules;
        uint256 escrow = _cost(tender, asked.wh);
        tender.progress = Progress(period, 0, 0, 0, 0, 0, uint64(escrow));
        _store(tender);
        _rules[tender.key] = rules;
        _move(asked.buyer, HouseAccounts.MARGIN, escrow);
        _exchangeBuyer(tender, 0, asked.wh);
    }

    // --- offers --------------------------------------------------------------------------------

    /// @inheritdoc IFlexibilityMarket
    function enter(uint256 area, uint32 period, uint256 number, uint256[] calldata entries)
        external
        onlyBoard
        returns (uint256[] memory replaced)
    {
        Tender memory tender = _tenderOf(area, period, number);
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](entries.length);
        replaced = new uint256[](entries.length);
        for (uint256 i; i < entries.length; ++i) {
            (replaced[i], exchanges[i]) = _take(tender, entries[i]);
        }
        _reserve(tender, exchanges);
        _store(tender);
    }

    function _take(Tender memory tender, uint256 entry)
        private
        returns (uint256 replaced, IClearingHouse.Exchange memory)
    {
        uint256 participant = FlexibilityEntry.participant(entry);
        uint256 wh = FlexibilityEntry.wh(entry);
        if (wh > Lanes.MAX_WH) revert QuantityOutOfRange(participant, wh, Lanes.MAX_WH);
        uint256 leg = FlexibilityLeg.packFor(wh, FlexibilityEntry.tick(entry), FlexibilityEntry.agent(entry));
        leg = _setLeg(tender, participant, wh == 0 ? 0 : leg);
        uint256 former = FlexibilityLeg.wh(leg);
        _promise(tender, participant, former, wh, FlexibilityEntry.capacityWh(entry));
        uint256 offered = tender.progress.offeredWh + wh - former;
        if (offered > type(uint32).max) revert TooMuchOffered(tender.number, offered, type(uint32).max);
        tender.progress.offeredWh = uint32(offered);
        (uint256 before, uint256 bond) = _exchangeBond(tender, participant, former, wh);
        replaced = FlexibilityEntry.packReplaced(leg, before, bond);
        return (replaced, _exchange(participant, _energy(tender, former), _energy(tender, wh)));
    }

    /// @dev One connection is promised once, and one way: a meter cannot show who moved it how often. Where the schedule
    ///      is the participant's own word it stands in one request a period, or a second lot would call it too often
    function _promise(Tender memory tender, uint256 participant, uint256 former, uint256 wh, uint256 capacityWh)
        internal
    {
        if (former == wh) return;
        uint256 key = ((tender.period % _ringSize) << 64) | (uint256(tender.rules.reactive ? 1 : 0) << 40)
            | Lanes.groupOf(participant);
        uint256 promises = Lanes.ofPeriod(_promises[key], tender.period);
        uint256 lane = Lanes.get56(promises, Lanes.laneOf(participant));
        uint256 others = Lanes.outOf(lane) - former;
        uint256 kind = _kind(tender);
        if (wh > former) {
            if (others != 0 && (Lanes.intoOf(lane) != kind || kind & KIND_DECLARED != 0)) {
                revert PromisedOtherwise(participant, tender.period);
            }
            if (others + wh > capacityWh) revert PromisedAboveCapacity(participant, others + wh, capacityWh);
        }
        _promises[key] = Lanes.set56(promises, Lanes.laneOf(participant), Lanes.energy(others + wh, kind));
    }

    function _kind(Tender memory tender) private pure returns (uint256 kind) {
        kind = tender.asked.direction;
        if (tender.rules.declared) kind |= KIND_DECLARED;
        if (!tender.rules.metered) kind |= KIND_EVIDENCE;
    }

    // --- clearing ------------------------------------------------------------------------------

    /// @inheritdoc IFlexibilityMarket
    function mark(uint256 area, uint32 period, uint256 number, uint256[] calldata groups, uint256[] calldata legs)
        external
        onlyBoard
    {
        uint256 key = _requestKey(area, period, number);
        for (uint256 i; i < groups.length; ++i) {
            _legs[(key << 32) | groups[i]] = legs[i];
        }
    }

    /// @inheritdoc IFlexibilityMarket
    function conclude(uint256 area, uint32 period, uint256 number, uint256 packedOutcome) external onlyBoard {
        Tender memory tender = _tenderOf(area, period, number);
        tender.asked.phase = Phase.Cleared;
        tender.progress.offeredWh = 0;
        _outcomes[tender.key] = packedOutcome;
        _store(tender);
    }

    /// @inheritdoc IFlexibilityMarket
    function annul(uint256 area, uint32 period, uint256 number, bool withheld) external onlyBoard {
        Tender memory tender = _tenderOf(area, period, number);
        tender.asked.phase = Phase.Void;
        if (withheld) {
            uint256 wh = FlexibilityRules.standsByWh(tender.progress.offeredWh, tender.asked.wh, true);
            _forfeit(tender, tender.asked.buyer, _cost(tender, wh));
        }
        tender.progress.offeredWh = 0;
        _store(tender);
    }

    /// @dev What a seed or salt that was not shown costs: it goes to the supplier, who balances schedules, and to neither
    ///      side of the request
    function _forfeit(Tender memory tender, uint256 account, uint256 amount) internal {
        if (account == tender.asked.buyer) tender.progress.escrowMicroEur -= uint64(amount);
        if (amount == 0) return;
        _move(HouseAccounts.MARGIN, HouseAccounts.SUPPLIER, amount);
        emit LotWithheld(tender.area, tender.period, tender.number, account, amount);
    }

    // --- what offers and escrows are made of ---------------------------------------------------

    /// @dev Puts a leg in place of the one before, which it returns
    function _setLeg(Tender memory tender, uint256 participant, uint256 leg) internal returns (uint256 former) {
        uint256 key = _legKey(tender.key, participant);
        uint256 legs = Lanes.ofPeriod(_legs[key], tender.period);
        former = Lanes.get56(legs, Lanes.laneOf(participant));
        _legs[key] = Lanes.set56(legs, Lanes.laneOf(participant), leg);
    }

    /// @dev A bond is what missing all of it would cost at the ceiling price
    function _bond(Tender memory tender, uint256 wh) internal view returns (uint256) {
        uint256 base = FlexibilityRules.baseMicroEurPerWh(
            tender.asked.direction, _price(tender.asked.tick), tender.rules.compensationMicroEurPerWh
        );
        return FlexibilityRules.penaltyMicroEur(wh, base, tender.rules.penaltyPercent);
    }

    function _exchangeBond(Tender memory tender, uint256 participant, uint256 former, uint256 wh)
        internal
        returns (uint256 before, uint256 after_)
    {
        (before, after_) = (_bond(tender, former), _bond(tender, wh));
        if (after_ > before) _move(participant, HouseAccounts.MARGIN, after_ - before);
        else _move(HouseAccounts.MARGIN, participant, before - after_);
    }

    /// @dev Energy lane of a seller: out of its connection for up, into it for down, both for both
    function _energy(Tender memory tender, uint256 wh) internal pure returns (uint256) {
        uint256 direction = tender.asked.direction;
        return Lanes.energy(
            direction & FlexibilityRules.UP != 0 ? wh : 0, direction & FlexibilityRules.DOWN != 0 ? wh : 0
        );
    }

    /// @dev Energy lane of a buyer: the other way
    function _buyerEnergy(Tender memory tender, uint256 wh) internal pure returns (uint256) {
        return tender.asked.direction == FlexibilityRules.UP ? Lanes.energy(0, wh) : Lanes.energy(wh, 0);
    }

    /// @dev A participant that buys what the meter shows gets the energy itself
    function _exchangeBuyer(Tender memory tender, uint256 released, uint256 claimed) internal {
        if (released == claimed || !_takesEnergy(tender)) return;
        IClearingHouse.Exchange[] memory one = new IClearingHouse.Exchange[](1);
        one[0] =
            _exchange(tender.asked.buyer, _buyerEnergy(tender, released), _buyerEnergy(tender, claimed));
        clearingHouse.reserve(tender.area, tender.period, address(0), one);
    }

    function _takesEnergy(Tender memory tender) internal pure returns (bool) {
        return HouseAccounts.isParticipant(tender.asked.buyer) && tender.rules.metered;
    }

    /// @dev What so much of a request may come to cost its buyer
    function _cost(Tender memory tender, uint256 wh) internal view returns (uint256) {
        return wh * (_price(tender.asked.tick) + _compensationOfBuyer(tender));
    }

    /// @dev What the buyer pays the supplier for each Wh withdrawn in its interest
    function _compensationOfBuyer(Tender memory tender) internal pure returns (uint256) {
        bool house = !HouseAccounts.isParticipant(tender.asked.buyer);
        bool down = tender.asked.direction == FlexibilityRules.DOWN;
        return house && down ? tender.rules.compensationMicroEurPerWh : 0;
    }

    /// @dev Reactive power takes nothing of what a connection may trade
    function _reserve(Tender memory tender, IClearingHouse.Exchange[] memory exchanges) internal {
        if (tender.rules.reactive || exchanges.length == 0) return;
        clearingHouse.reserve(tender.area, tender.period, address(0), exchanges);
    }

    function _move(uint256 from, uint256 to, uint256 amountMicroEur) internal {
        if (amountMicroEur != 0) clearingHouse.transfer(from, to, amountMicroEur);
    }

    /// @dev One more request of the area and period is over
    function _oneEnded(uint256 area, uint256 period) internal {
        _boards[_key(area, period)].ended += 1;
    }

    // --- questions -----------------------------------------------------------------------------

    /// @inheritdoc IFlexibilityMarket
    function requestOf(uint256 area, uint256 period, uint256 number) external view returns (Request memory) {
        return _requestOf(area, period, number);
    }

    /// @inheritdoc IFlexibilityMarket
    function rulesOf(uint256 area, uint256 period, uint256 number) external view returns (Rules memory) {
        return _tenderOf(area, period, number).rules;
    }

    /// @notice How far a request is: legs that wait or are open, energy delivered, escrow left
    function progressOf(uint256 area, uint256 period, uint256 number) external view returns (Progress memory) {
        return _tenderOf(area, period, number).progress;
    }

    /// @notice How many requests an area has in a period, and how many of them are over
    function boardOf(uint256 area, uint256 period) external view returns (Board memory) {
        return _boardOf(area, period);
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

    function _boardOf(uint256 area, uint256 period) internal view returns (Board memory counts) {
        counts = _boards[_key(area, period)];
        if (counts.period != period) counts = Board(uint32(period), 0, 0);
    }

    function _requestOf(uint256 area, uint256 period, uint256 number) internal view returns (Request memory) {
        if (number >= _boardOf(area, period).posted) revert NoRequest(area, period, number);
        return _requests[_requestKey(area, period, number)];
    }

    function _tenderOf(uint256 area, uint256 period, uint256 number) internal view returns (Tender memory tender) {
        tender.asked = _requestOf(area, period, number);
        tender.area = area;
        tender.period = period;
        tender.number = number;
        tender.key = _requestKey(area, period, number);
        tender.rules = _rules[tender.key];
        tender.progress = _progress[tender.key];
    }

    /// @dev Writes what became of a request
    function _store(Tender memory tender) internal {
        _requests[tender.key] = tender.asked;
        _progress[tender.key] = tender.progress;
    }

    function _requestKey(uint256 area, uint256 period, uint256 number) internal view returns (uint256) {
        return (_key(area, period) << 8) | number;
    }

    function _legKey(uint256 requestKey, uint256 participant) internal pure returns (uint256) {
        return (requestKey << 32) | Lanes.groupOf(participant);
    }
}
