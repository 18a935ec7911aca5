// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAgents} from "../../interfaces/IAgents.sol";
import {IClearingHouse} from "../../interfaces/IClearingHouse.sol";
import {ITariff} from "../../interfaces/ITariff.sol";
import {Lanes} from "../../libraries/Lanes.sol";
import {OrderLane, OrderLaneLib} from "../../libraries/OrderLane.sol";
import {Profile} from "../../libraries/Profile.sol";
import {Roles} from "../../libraries/Roles.sol";
import {TickEnergy} from "../../libraries/TickEnergy.sol";
import {CheckedTrades} from "../CheckedTrades.sol";
import {InParts} from "../InParts.sol";
import {PriceBand} from "../PriceBand.sol";

/// @title What aggregators ask for, and what prosumers answer: the board of the aggregator auctions
/// @notice A posted auction keeps the aggregator's money or energy reserved, an answer that of who gave it. Answers are
///         open, or sealed (see `SealedAnswers`). Open answers come from the participant, from the gateway with its
///         mandate, or from the aggregator its contract lets trade for it.
abstract contract AuctionBoard is CheckedTrades, PriceBand, InParts {
    using TickEnergy for TickEnergy.Book;

    enum Phase {
        Open,
        Cleared,
        Ended
    }

    /// @notice Where the auctions are anchored and their rules
    /// @param agents Who may act for whom
    /// @param revealSeconds Length of the time before gate closure in which sealed answers are revealed
    /// @param bondMicroEur What a sealed answer is bonded with
    /// @param minWh The least energy of an auction
    /// @param maxPosted The most auctions of an aggregator in a period
    struct Settings {
        Anchors anchors;
        ITariff tariff;
        IAgents agents;
        uint256 floorMicroEurPerWh;
        uint256 tickMicroEurPerWh;
        uint256 ticks;
        uint256 groupSize;
        uint256 revealSeconds;
        uint256 bondMicroEur;
        uint256 minWh;
        uint256 maxPosted;
    }

    /// @notice An auction, in one storage slot: `buys` = bid auction; `tick` is the ceiling of it, or the floor of an
    ///         offer auction; `ticks` are those of the band that the period uses
    struct Auction {
        uint32 period;
        uint32 aggregator;
        bool buys;
        bool payAsBid;
        bool isSealed;
        Phase phase;
        uint32 wh;
        uint16 tick;
        uint16 ticks;
    }

    /// @dev One slot: how many auctions an area has in a period, how many of them are over, and the ticks the period uses
    struct Board {
        uint32 period;
        uint16 posted;
        uint16 ended;
        uint16 ticks;
    }

    /// @notice The most auctions of an area in a period: settlement waits for each
    uint256 public constant MAX_AUCTIONS = 256;
    /// @dev A reveal takes some blocks: with less time nobody could answer under seal but by losing the bond
    uint256 private constant LEAST_REVEAL_SECONDS = 60;

    /// @notice Who may answer for whom
    IAgents public immutable agents;
    /// @notice Seconds before gate closure from which sealed answers are revealed
    uint256 public immutable revealSeconds;
    /// @notice What a sealed answer is bonded with
    uint256 public immutable bondMicroEur;
    /// @notice The least energy of an auction
    uint256 public immutable minWh;
    /// @notice The most auctions of an aggregator in a period, so that no one takes the room of all
    uint256 public immutable maxPosted;

    mapping(uint256 key => Auction) internal _auctions;
    mapping(uint256 key => TickEnergy.Book) internal _books;
    /// @dev auction | group => period: 32 | four answers as order lanes
    mapping(uint256 key => uint256 fourAnswers) internal _answers;
    mapping(uint256 key => Board) private _boards;
    /// @dev ring slot | aggregator => period: 32 | auctions it posted
    mapping(uint256 key => uint256) private _posted;
    /// @notice An aggregator asks for `wh`: to buy up to the price of a tick, or to sell down to it
    event AuctionPosted(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed auction,
        uint256 aggregator,
        bool buys,
        uint256 wh,
        uint256 tick,
        bool payAsBid,
        bool isSealed
    );
    /// @notice A participant answers, in place of what it answered before; 0 Wh takes the answer back
    event Answered(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed auction,
        uint256 participant,
        uint256 tick,
        uint256 wh
    );
    /// @notice A gateway, or an aggregator for its prosumers, brings answers: words of a group (32 bits) and four order
    ///         lanes (56 bits each), each in place of what its participant answered before
    event AnswersBrought(
        uint256 indexed area, uint256 indexed period, uint256 indexed auction, address by, uint256[] groups
    );
    /// @notice An answer of a batch may not go in and was left out: word of a group (32 bits) and one order lane, and the
    ///         error that refuses it
    event AnswerLeftOut(
        uint256 indexed area, uint256 indexed period, uint256 indexed auction, uint256 word, bytes reason
    );
    /// @notice Only an aggregator holds auctions
    error NotAnAggregator(uint256 participant);
    /// @notice The area has as many auctions in the period as there may be
    error TooManyAuctions(uint256 area, uint256 period, uint256 maximum);
    /// @notice An auction is for no less and no more than this, in Wh of the period
    error QuantityOutOfRange(uint256 participant, uint256 wh, uint256 minimumWh, uint256 maximumWh);
    /// @notice Least energy and most auctions are above zero, and within what the words hold
    error BadLimits(uint256 minWh, uint256 maxPosted);
    /// @notice The aggregator has as many auctions in the period as one may have
    error TooManyOfOne(uint256 aggregator, uint256 period, uint256 maximum);
    /// @notice This market leaves too little time to reveal sealed answers: it holds no sealed auctions
    error NoTimeToReveal(uint256 revealSeconds, uint256 leastSeconds);
    /// @notice The area has no auction of this number in the period
    error NoAuction(uint256 area, uint256 period, uint256 auction);
    /// @notice An aggregator cannot answer its own auction
    error OwnAuction(uint256 participant, uint256 auction);
    /// @notice The participant is of another area than the auction
    error OtherArea(uint256 participant, uint256 itsArea, uint256 area);
    /// @notice The participant is suspended or has left (see Profile)
    error ParticipantNotActive(uint256 participant, uint256 status);
    /// @notice The lane holds more than energy and tick (see OrderLane)
    error MalformedAnswer(uint256 participant, uint256 lane);
    /// @notice The price is above the ceiling of a bid auction, or below the floor of an offer auction
    error BeyondLimit(uint256 participant, uint256 tick, uint256 limitTick);
    /// @notice A sealed auction takes commitments, an open one answers
    error UnderSeal(uint256 auction, bool isSealed);
    /// @notice Gate closure of the period has not come yet
    error GateStillOpen(uint256 period);

    constructor(Settings memory settings)
        CheckedTrades(settings.anchors, settings.groupSize)
        PriceBand(
            settings.tariff,
            settings.floorMicroEurPerWh,
            settings.tickMicroEurPerWh,
            settings.ticks,
            TickEnergy.MAX_TICKS
        )
    {
        agents = settings.agents;
        revealSeconds = settings.revealSeconds;
        bondMicroEur = settings.bondMicroEur;
        (uint256 least, uint256 most) = (settings.minWh, settings.maxPosted);
        if (least == 0 || least > Lanes.MAX_WH || most == 0 || most > MAX_AUCTIONS) revert BadLimits(least, most);
        minWh = least;
        maxPosted = most;
    }

    // --- auctions ------------------------------------------------------------------------------

    /// @notice Posts an auction of the caller, an aggregator, in its area; what it may come to pay or deliver is
    ///         reserved
    /// @return number Number of the auction in its area and period
    function post(uint32 period, bool buys, uint32 wh, uint16 tick, bool payAsBid, bool isSealed)
        external
        returns (uint256 number)
    {
        (uint256 aggregator, uint256 profile) = _caller();
        if (!registry.hasRole(Roles.AGGREGATOR, msg.sender)) revert NotAnAggregator(aggregator);
        _requireOpen(period);
        if (wh < minWh || wh > Lanes.MAX_WH) revert QuantityOutOfRange(aggregator, wh, minWh, Lanes.MAX_WH);
        if (isSealed && revealSeconds < LEAST_REVEAL_SECONDS) revert NoTimeToReveal(revealSeconds, LEAST_REVEAL_SECONDS);
        uint256 area = Profile.area(profile);
        Board memory board = _boardOf(area, period);
        number = board.posted;
        if (number == MAX_AUCTIONS) revert TooManyAuctions(area, period, MAX_AUCTIONS);
        if (number == 0) {
            _ledgers[_key(area, period)] = _enter(area, period);
            board.ticks = uint16(_ticksIn(area, period));
        }
        _requireTick(aggregator, tick, board.ticks);
        _countPosted(period, aggregator);
        board.posted += 1;
        _boards[_key(area, period)] = board;
        _auctions[_auctionKey(area, period, number)] =
            Auction(period, uint32(aggregator), buys, payAsBid, isSealed, Phase.Open, wh, tick, board.ticks);
        _reserve(area, period, aggregator, 0, _aggregatorEnergy(buys, wh));
        emit AuctionPosted(area, period, number, aggregator, buys, wh, tick, payAsBid, isSealed);
    }

    function _countPosted(uint256 period, uint256 aggregator) private {
        uint256 key = ((period % _ringSize) << 64) | aggregator;
        uint256 count = Lanes.ofPeriod(_posted[key], period) + 1;
        if (uint224(count) > maxPosted) revert TooManyOfOne(aggregator, period, maxPosted);
        _posted[key] = count;
    }

    // --- open answers --------------------------------------------------------------------------

    /// @notice Answers an open auction of the area until gate closure, in place of what the participant answered
    ///         before; 0 Wh takes it back. The participant itself may, the gateway with its mandate, or the aggregator
    ///         its contract lets trade for it
    function answer(uint256 area, uint32 period, uint256 number, uint256 participant, uint256 tick, uint256 wh)
        external
    {
        Auction memory auction = _unsealed(area, period, number);
        _answerAll(area, auction, number, _wordOf(auction, participant, tick, wh));
        emit Answered(area, period, number, participant, tick, wh);
    }

    /// @notice Answers of participants who gave the calling gateway their mandate, or whose contract lets the calling
    ///         aggregator trade for them, none of which acts for the auction's aggregator too. What may not go in is left
    ///         out; what is malformed, beyond the auction's limit, of another area or of its own aggregator, refuses the
    ///         whole
    /// @param groups Words of a group (top 32 bits) and four order lanes, of side 0 and sequence 1; an empty lane changes
    ///        nothing, one of 0 Wh takes an answer back
    function answerBatch(uint256 area, uint32 period, uint256 number, uint256[] calldata groups) external {
        _bringInParts(Lanes.PER_GROUP * groups.length);
        Auction memory auction = _unsealed(area, period, number);
        uint256[] memory words = groups;
        _answerAll(area, auction, number, words);
        emit AnswersBrought(area, period, number, _bringer(), words);
    }

    /// @dev See CheckedTrades: who has a mandate acts for others
    function _agent() internal view override returns (address) {
        return msg.sig == this.answer.selector || msg.sig == this.answerBatch.selector ? _bringer() : address(0);
    }

    function _unsealed(uint256 area, uint256 period, uint256 number) private view returns (Auction memory auction) {
        _requireOpen(period);
        auction = _auctionOf(area, period, number);
        if (auction.isSealed) revert UnderSeal(number, true);
    }

    /// @dev An answer alone, as a batch has it
    function _wordOf(Auction memory auction, uint256 participant, uint256 tick, uint256 wh)
        internal
        pure
        returns (uint256[] memory words)
    {
        if (wh > Lanes.MAX_WH) revert QuantityOutOfRange(participant, wh, 0, Lanes.MAX_WH);
        _requireTick(participant, tick, auction.ticks);
        words = new uint256[](1);
        words[0] = Lanes.set56(
            Lanes.fresh(Lanes.groupOf(participant)), Lanes.laneOf(participant), OrderLane.unwrap(_lane(tick, wh))
        );
    }

    function _answerAll(uint256 area, Auction memory auction, uint256 number, uint256[] memory words) private {
        uint256[] memory profiles = _enterAnswers(area, auction, number, words);
        _requireMayAct(area, auction, words, profiles);
    }

    /// @dev Puts the lanes of the words into the book, each in place of the participant's former answer, and backs them
    function _enterAnswers(uint256 area, Auction memory auction, uint256 number, uint256[] memory words)
        internal
        returns (uint256[] memory profiles)
    {
        uint256 key = _auctionKey(area, auction.period, number);
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](words.length);
        for (uint256 i; i < words.length; ++i) {
            _answerGroup(key, auction, words[i], exchanges[i]);
        }
        return _exchangeAll(area, auction.period, exchanges);
    }

    function _answerGroup(
        uint256 key,
        Auction memory auction,
        uint256 word,
        IClearingHouse.Exchange memory exchange
    ) private {
        uint256 group = Lanes.tag(word);
        exchange.group = group;
        uint256 answers = Lanes.ofPeriod(_answers[_answerKey(key, group)], auction.period);
        TickEnergy.Book storage book = _books[key];
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            OrderLane given = OrderLane.wrap(Lanes.get56(word, lane));
            if (given.isNone()) continue;
            _requireMayAnswer(auction, uint8(key), Lanes.participantAt(group, lane), given);
            OrderLane former = OrderLane.wrap(Lanes.get56(answers, lane));
            uint256 formerWh = former.wh();
            uint256 wh = given.wh();
            book.remove(auction.period, OrderLaneLib.BID, former.tick(), formerWh);
            book.add(auction.period, OrderLaneLib.BID, given.tick(), wh);
            exchange.released |= _answerEnergy(auction.buys, formerWh) << (lane * 56);
            exchange.claimed |= _answerEnergy(auction.buys, wh) << (lane * 56);
            answers = Lanes.set56(answers, lane, OrderLane.unwrap(given));
        }
        _answers[_answerKey(key, group)] = answers;
    }

    function _requireMayAnswer(Auction memory auction, uint256 number, uint256 participant, OrderLane given)
        private
        pure
    {
        uint256 tick = given.tick();
        if (participant == auction.aggregator) revert OwnAuction(participant, number);
        uint256 word = OrderLane.unwrap(given);
        if (!given.fits() || word != OrderLane.unwrap(_lane(tick, given.wh()))) {
            revert MalformedAnswer(participant, word);
        }
        _requireTick(participant, tick, auction.ticks);
        if (auction.buys ? tick > auction.tick : tick < auction.tick) {
            revert BeyondLimit(participant, tick, auction.tick);
        }
    }

    /// @dev An answer as an order lane: the auction has its side, the last answer counts
    function _lane(uint256 tick, uint256 wh) private pure returns (OrderLane) {
        return OrderLaneLib.pack(wh, tick, OrderLaneLib.BID, 1);
    }

    // --- rules ---------------------------------------------------------------------------------

    // --- questions to others, each in one place for what the call takes of the contract's size -----

    /// @dev Number and profile of the participant that calls
    function _caller() internal view returns (uint256 participant, uint256 profile) {
        return registry.memberOf(msg.sender);
    }

    function _requireOpen(uint256 period) internal view {
        clock.requireOpen(period);
    }

    /// @dev Each answer by who may, in the participants' own area. Whoever is one with the aggregator, or acts for it too,
    ///      answers for nobody else: it would sell to itself what others own
    function _requireMayAct(uint256 area, Auction memory auction, uint256[] memory words, uint256[] memory profiles)
        private
        view
    {
        uint256[] memory answering = new uint256[](words.length * Lanes.PER_GROUP);
        uint256[] memory theirs = new uint256[](answering.length);
        uint256 count;
        for (uint256 i; i < words.length; ++i) {
            for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
                if (Lanes.get56(words[i], lane) == 0) continue;
                uint256 participant = Lanes.participantAt(Lanes.tag(words[i]), lane);
                uint256 profile = Lanes.get64(profiles[i], lane);
                _requireArea(participant, profile, area);
                (answering[count], theirs[count++]) = (participant, profile);
            }
        }
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(answering, count) // only ever shorter than they were made
            mstore(theirs, count)
        }
        agents.agentsFacing(_bringer(), auction.period, auction.aggregator, answering, theirs);
    }

    /// @dev Blank is the profile of who is no member in the period: of no area, and nothing that who brings its answer could
    ///      have seen before
    function _requireArea(uint256 participant, uint256 profile, uint256 area) internal pure {
        if (profile == Profile.NONE) revert ParticipantNotActive(participant, Profile.NONE);
        if (Profile.area(profile) != area) revert OtherArea(participant, Profile.area(profile), area);
    }

    /// @dev Energy lane of the aggregator's side: into its connection when it buys
    function _aggregatorEnergy(bool buys, uint256 wh) internal pure returns (uint256) {
        return buys ? Lanes.energy(0, wh) : Lanes.energy(wh, 0);
    }

    /// @dev Energy lane of an answer: the other way
    function _answerEnergy(bool buys, uint256 wh) internal pure returns (uint256) {
        return _aggregatorEnergy(!buys, wh);
    }

    /// @dev One more auction of the area and period is over
    function _oneEnded(uint256 area, uint256 period) internal {
        _boards[_key(area, period)].ended += 1;
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice An auction of an area and period
    function auctionOf(uint256 area, uint256 period, uint256 number) external view returns (Auction memory) {
        return _auctionOf(area, period, number);
    }

    /// @notice How many auctions an area has in a period, and how many of them are over
    function boardOf(uint256 area, uint256 period) external view returns (Board memory) {
        return _boardOf(area, period);
    }

    /// @notice Tick and Wh a participant answers an auction with; 0 Wh = no answer
    function answerOf(uint256 area, uint256 period, uint256 number, uint256 participant)
        external
        view
        returns (uint256 tick, uint256 wh)
    {
        uint256 key = _answerKey(_auctionKey(area, period, number), Lanes.groupOf(participant));
        uint256 answers = Lanes.ofPeriod(_answers[key], period);
        OrderLane given = OrderLane.wrap(Lanes.get56(answers, Lanes.laneOf(participant)));
        return (given.tick(), given.wh());
    }

    function _auctionOf(uint256 area, uint256 period, uint256 number) internal view returns (Auction memory) {
        if (number >= _boardOf(area, period).posted) revert NoAuction(area, period, number);
        return _auctions[_auctionKey(area, period, number)];
    }

    function _allEnded(uint256 area, uint256 period) internal view returns (bool) {
        Board memory board = _boardOf(area, period);
        return board.posted == board.ended;
    }

    function _boardOf(uint256 area, uint256 period) private view returns (Board memory board) {
        board = _boards[_key(area, period)];
        if (board.period != period) board = Board(uint32(period), 0, 0, 0);
    }

    function _auctionKey(uint256 area, uint256 period, uint256 number) internal view returns (uint256) {
        return (_key(area, period) << 8) | number;
    }

    function _answerKey(uint256 auctionKey, uint256 group) internal pure returns (uint256) {
        return (auctionKey << 32) | group;
    }
}
