// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IPortfolios} from "../interfaces/IPortfolios.sol";
import {ITariff} from "../interfaces/ITariff.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {OrderLane} from "../libraries/OrderLane.sol";
import {Profile} from "../libraries/Profile.sol";
import {Roles} from "../libraries/Roles.sol";
import {TickBook} from "../libraries/TickBook.sol";
import {CheckedTrades} from "./CheckedTrades.sol";
import {PriceBand} from "./PriceBand.sol";

/// @title What aggregators ask for, and what prosumers answer: the board of the aggregator auctions
/// @notice A posted auction keeps the aggregator's money or energy reserved, an answer that of who gave it. Answers are
///         open, or sealed: then a bonded commitment comes first, and is revealed in the last seconds before gate
///         closure; who does not reveal loses the bond to the aggregator. Open answers come from the participant, from
///         the gateway with its mandate, or from the aggregator its contract lets trade for it.
abstract contract AuctionBoard is CheckedTrades, PriceBand {
    using TickBook for TickBook.Book;

    enum Phase {
        Open,
        Cleared,
        Ended
    }

    /// @notice Where the auctions are anchored and their rules
    /// @param portfolios Contracts between aggregators and prosumers; zero: there are none
    /// @param revealSeconds Length of the time before gate closure in which sealed answers are revealed
    /// @param bondMicroEur What a sealed answer is bonded with
    struct Settings {
        Anchors anchors;
        ITariff tariff;
        IPortfolios portfolios;
        uint256 floorMicroEurPerWh;
        uint256 tickMicroEurPerWh;
        uint256 ticks;
        uint256 groupSize;
        uint256 revealSeconds;
        uint256 bondMicroEur;
    }

    /// @notice An auction, in one storage slot: `buys` = bid auction; `tick` is the ceiling of it, or the floor of an
    ///         offer auction
    struct Auction {
        uint32 period;
        uint32 aggregator;
        bool buys;
        bool payAsBid;
        bool isSealed;
        Phase phase;
        uint32 wh;
        uint16 tick;
    }

    /// @dev One slot: how many auctions an area has in a period, and how many of them are over
    struct Board {
        uint32 period;
        uint16 posted;
        uint16 ended;
    }

    /// @dev One slot: what a sealed answer is, and who gets its bond when it is not revealed
    struct Commitment {
        bytes28 answer;
        uint32 aggregator;
    }

    /// @notice The most auctions of an area in a period: settlement waits for each
    uint256 public constant MAX_AUCTIONS = 256;

    /// @notice Contracts by which an aggregator may answer for a prosumer
    IPortfolios public immutable portfolios;
    /// @notice Seconds before gate closure from which sealed answers are revealed
    uint256 public immutable revealSeconds;
    /// @notice What a sealed answer is bonded with
    uint256 public immutable bondMicroEur;

    mapping(uint256 key => Auction) internal _auctions;
    mapping(uint256 key => TickBook.Book) internal _books;
    /// @dev auction | group => period: 32 | four answers as order lanes
    mapping(uint256 key => uint256 fourAnswers) internal _answers;
    mapping(uint256 key => Board) private _boards;
    /// @dev Who committed to what, until it is revealed or forfeited; kept when the auction's slot is used again
    mapping(bytes32 key => Commitment) private _commitments;

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
    /// @notice A participant answers under seal, with a bond
    event AnswerCommitted(
        uint256 indexed area, uint256 indexed period, uint256 indexed auction, uint256 participant, bytes28 commitment
    );
    /// @notice A participant reveals its answer, with the salt of its commitment; its bond goes back
    event AnswerRevealed(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed auction,
        uint256 participant,
        uint256 tick,
        uint256 wh,
        bytes32 salt
    );
    /// @notice A sealed answer was never revealed: its bond goes to the aggregator
    event BondForfeited(
        uint256 indexed area, uint256 indexed period, uint256 indexed auction, uint256 participant, uint256 amountMicroEur
    );

    error NotAnAggregator(uint256 participant);
    error TooManyAuctions(uint256 area, uint256 period, uint256 maximum);
    error QuantityOutOfRange(uint256 participant, uint256 wh, uint256 maximumWh);
    error NoAuction(uint256 area, uint256 period, uint256 auction);
    error OwnAuction(uint256 participant, uint256 auction);
    error OtherArea(uint256 participant, uint256 itsArea, uint256 area);
    error NotForAnother(uint256 participant, uint256 caller);
    error NoMandate(uint256 participant, uint256 mandated, uint256 gateway);
    error NotItsAggregator(uint256 participant, uint256 period, uint256 aggregator, bool mayTrade);
    error MalformedAnswer(uint256 participant, uint256 lane);
    error BeyondLimit(uint256 participant, uint256 tick, uint256 limitTick);
    error UnderSeal(uint256 auction, bool isSealed);
    error GateStillOpen(uint256 period);
    error RevealHasBegun(uint256 period, uint256 from, uint256 timestamp);
    error RevealNotBegun(uint256 period, uint256 from, uint256 timestamp);
    error CommittedBefore(uint256 participant, uint256 auction);
    error NotCommitted(uint256 participant, uint256 auction, bytes28 committed, bytes28 given);
    error NoTimeToReveal(uint256 revealSeconds);

    constructor(Settings memory settings)
        CheckedTrades(settings.anchors, settings.groupSize)
        PriceBand(
            settings.tariff,
            settings.floorMicroEurPerWh,
            settings.tickMicroEurPerWh,
            settings.ticks,
            TickBook.MAX_TICKS
        )
    {
        // Nobody could reveal: every bond would be forfeited.
        if (settings.revealSeconds == 0) revert NoTimeToReveal(settings.revealSeconds);
        portfolios = settings.portfolios;
        revealSeconds = settings.revealSeconds;
        bondMicroEur = settings.bondMicroEur;
    }

    // --- auctions ------------------------------------------------------------------------------

    /// @notice Posts an auction of the caller, an aggregator, in its area; what it may come to pay or deliver is
    ///         reserved
    /// @return number Number of the auction in its area and period
    function post(uint32 period, bool buys, uint32 wh, uint16 tick, bool payAsBid, bool isSealed)
        external
        returns (uint256 number)
    {
        uint256 aggregator = registry.numberOf(msg.sender);
        if (!registry.hasRole(Roles.AGGREGATOR, msg.sender)) revert NotAnAggregator(aggregator);
        clock.requireOpen(period);
        if (wh == 0 || wh > Lanes.MAX_WH) revert QuantityOutOfRange(aggregator, wh, Lanes.MAX_WH);
        if (tick >= ticks) revert TickOutOfBand(aggregator, tick, ticks);
        uint256 area = Profile.area(_profileOf(aggregator));
        Board memory board = _boardOf(area, period);
        number = board.posted;
        if (number == MAX_AUCTIONS) revert TooManyAuctions(area, period, MAX_AUCTIONS);
        if (number == 0) {
            _ledgers[_key(area, period)] = _enter(area, period);
            _requireBand(period);
        }
        board.posted += 1;
        _boards[_key(area, period)] = board;
        _auctions[_auctionKey(area, period, number)] =
            Auction(period, uint32(aggregator), buys, payAsBid, isSealed, Phase.Open, wh, tick);
        _reserve(period, aggregator, 0, _aggregatorEnergy(buys, wh));
        emit AuctionPosted(area, period, number, aggregator, buys, wh, tick, payAsBid, isSealed);
    }

    // --- open answers --------------------------------------------------------------------------

    /// @notice Answers an open auction of the area until gate closure, in place of what the participant answered
    ///         before; 0 Wh takes it back. The participant itself may, the gateway with its mandate, or the aggregator
    ///         its contract lets trade for it
    function answer(uint256 area, uint32 period, uint256 number, uint256 participant, uint256 tick, uint256 wh)
        external
    {
        Auction memory auction = _unsealed(area, period, number);
        _answer(area, auction, number, participant, tick, wh);
        emit Answered(area, period, number, participant, tick, wh);
    }

    /// @notice Answers of participants who gave the calling gateway their mandate, or whose contract lets the calling
    ///         aggregator trade for them
    /// @param groups Words of a group (top 32 bits) and four order lanes, of side 0 and sequence 1; an empty lane changes
    ///        nothing, one of 0 Wh takes an answer back
    function answerBatch(uint256 area, uint32 period, uint256 number, uint256[] calldata groups) external {
        Auction memory auction = _unsealed(area, period, number);
        uint256[] memory words = groups;
        _answerAll(area, auction, number, words);
        emit AnswersBrought(area, period, number, msg.sender, words);
    }

    function _unsealed(uint256 area, uint256 period, uint256 number) private view returns (Auction memory auction) {
        clock.requireOpen(period);
        auction = _auctionOf(area, period, number);
        if (auction.isSealed) revert UnderSeal(number, true);
    }

    function _answer(
        uint256 area,
        Auction memory auction,
        uint256 number,
        uint256 participant,
        uint256 tick,
        uint256 wh
    ) private {
        if (wh > Lanes.MAX_WH) revert QuantityOutOfRange(participant, wh, Lanes.MAX_WH);
        if (tick >= ticks) revert TickOutOfBand(participant, tick, ticks);
        uint256[] memory words = new uint256[](1);
        words[0] = Lanes.set56(
            Lanes.fresh(Lanes.groupOf(participant)), Lanes.laneOf(participant), _lane(tick, wh)
        );
        _answerAll(area, auction, number, words);
    }

    /// @dev Puts the lanes of the words into the book, each in place of the participant's former answer, and backs them
    function _answerAll(uint256 area, Auction memory auction, uint256 number, uint256[] memory words) private {
        uint256 key = _auctionKey(area, auction.period, number);
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](words.length);
        for (uint256 i; i < words.length; ++i) {
            _answerGroup(key, auction, words[i], exchanges[i]);
        }
        uint256[] memory profiles = clearingHouse.reserve(auction.period, exchanges);
        _requireMayAct(area, auction.period, words, profiles);
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
        TickBook.Book storage book = _books[key];
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            uint256 given = Lanes.get56(word, lane);
            if (given == 0) continue;
            _requireMayAnswer(auction, uint8(key), Lanes.participantAt(group, lane), given);
            uint256 former = Lanes.get56(answers, lane);
            uint256 formerWh = OrderLane.wh(former);
            uint256 wh = OrderLane.wh(given);
            book.remove(auction.period, OrderLane.BID, OrderLane.tick(former), formerWh);
            book.add(auction.period, OrderLane.BID, OrderLane.tick(given), wh);
            exchange.released |= _answerEnergy(auction.buys, formerWh) << (lane * 56);
            exchange.claimed |= _answerEnergy(auction.buys, wh) << (lane * 56);
            answers = Lanes.set56(answers, lane, given);
        }
        _answers[_answerKey(key, group)] = answers;
    }

    function _requireMayAnswer(Auction memory auction, uint256 number, uint256 participant, uint256 given)
        private
        view
    {
        uint256 tick = OrderLane.tick(given);
        if (participant == auction.aggregator) revert OwnAuction(participant, number);
        if (given >> OrderLane.BITS != 0 || given != _lane(tick, OrderLane.wh(given))) revert MalformedAnswer(participant, given);
        if (tick >= ticks) revert TickOutOfBand(participant, tick, ticks);
        if (auction.buys ? tick > auction.tick : tick < auction.tick) {
            revert BeyondLimit(participant, tick, auction.tick);
        }
    }

    /// @dev An answer as an order lane: the auction has its side, the last answer counts
    function _lane(uint256 tick, uint256 wh) private pure returns (uint256) {
        return OrderLane.pack(wh, tick, OrderLane.BID, 1);
    }

    // --- sealed answers ------------------------------------------------------------------------

    /// @notice Commits the caller to an answer it will reveal, and sets its bond aside
    /// @param commitment See `commitmentTo`
    function commit(uint256 area, uint32 period, uint256 number, bytes28 commitment) external {
        clock.requireOpen(period);
        uint256 from = clock.gateClosure(period) - revealSeconds;
        uint256 time = clock.timestamp();
        if (time >= from) revert RevealHasBegun(period, from, time);
        Auction memory auction = _auctionOf(area, period, number);
        if (!auction.isSealed) revert UnderSeal(number, false);
        uint256 participant = registry.numberOf(msg.sender);
        bytes32 key = _commitmentKey(area, period, number, participant);
        if (_commitments[key].aggregator != 0) revert CommittedBefore(participant, number);
        _commitments[key] = Commitment(commitment, auction.aggregator);
        _move(participant, HouseAccounts.MARGIN);
        emit AnswerCommitted(area, period, number, participant, commitment);
    }

    /// @notice Reveals the answer the caller committed to; its bond goes back. The answer of who is suspended or taken out
    ///         by then does not count
    function reveal(uint256 area, uint32 period, uint256 number, uint256 tick, uint256 wh, bytes32 salt) external {
        clock.requireOpen(period);
        uint256 from = clock.gateClosure(period) - revealSeconds;
        uint256 time = clock.timestamp();
        if (time < from) revert RevealNotBegun(period, from, time);
        uint256 participant = registry.numberOf(msg.sender);
        _takeCommitment(area, period, number, participant, commitmentTo(participant, tick, wh, salt));
        _move(HouseAccounts.MARGIN, participant);
        // Whom the operator keeps from ordering gets its bond back all the same.
        bool answers = !Profile.heldBack(_profileOf(participant));
        if (answers) _answer(area, _auctionOf(area, period, number), number, participant, tick, wh);
        emit AnswerRevealed(area, period, number, participant, tick, wh, salt);
    }

    /// @notice After gate closure gives the bond of an answer that was never revealed to the aggregator; anyone may
    function forfeit(uint256 area, uint32 period, uint256 number, uint256 participant) external {
        if (!_gateClosed(period)) revert GateStillOpen(period);
        bytes32 key = _commitmentKey(area, period, number, participant);
        uint256 aggregator = _takeCommitment(area, period, number, participant, _commitments[key].answer);
        _move(HouseAccounts.MARGIN, aggregator);
        emit BondForfeited(area, period, number, participant, bondMicroEur);
    }

    function _takeCommitment(uint256 area, uint256 period, uint256 number, uint256 participant, bytes28 given)
        private
        returns (uint256 aggregator)
    {
        bytes32 key = _commitmentKey(area, period, number, participant);
        Commitment memory committed = _commitments[key];
        if (committed.aggregator == 0 || committed.answer != given) {
            revert NotCommitted(participant, number, committed.answer, given);
        }
        delete _commitments[key];
        return committed.aggregator;
    }

    function _move(uint256 from, uint256 to) private {
        if (bondMicroEur != 0) clearingHouse.transfer(from, to, bondMicroEur);
    }

    /// @notice What a participant commits to: its number, tick and Wh under a random salt
    function commitmentTo(uint256 participant, uint256 tick, uint256 wh, bytes32 salt) public pure returns (bytes28) {
        return bytes28(keccak256(abi.encode(participant, tick, wh, salt)));
    }

    // --- rules ---------------------------------------------------------------------------------

    /// @dev The gateway that holds each participant's mandate, its aggregator, or itself; in the participants' own area
    function _requireMayAct(uint256 area, uint256 period, uint256[] memory words, uint256[] memory profiles)
        private
        view
    {
        bool isGateway = registry.hasRole(Roles.GATEWAY, msg.sender);
        uint256 caller = isGateway ? registry.gatewayNumberOf(msg.sender) : registry.numberOf(msg.sender);
        for (uint256 i; i < words.length; ++i) {
            for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
                if (Lanes.get56(words[i], lane) == 0) continue;
                uint256 participant = Lanes.participantAt(Lanes.tag(words[i]), lane);
                uint256 profile = Lanes.get64(profiles[i], lane);
                if (Profile.area(profile) != area) revert OtherArea(participant, Profile.area(profile), area);
                if (isGateway) {
                    uint256 mandated = Profile.gateway(profile);
                    if (mandated != caller) revert NoMandate(participant, mandated, caller);
                } else if (participant != caller) {
                    _requireContract(caller, period, participant);
                }
            }
        }
    }

    function _requireContract(uint256 aggregator, uint256 period, uint256 participant) private view {
        bool can = address(portfolios) != address(0) && registry.hasRole(Roles.AGGREGATOR, msg.sender);
        if (!can) revert NotForAnother(participant, aggregator);
        (uint256 contracted,, bool mayTrade) = portfolios.contractOf(participant, period);
        if (contracted != aggregator || !mayTrade) {
            revert NotItsAggregator(participant, period, contracted, mayTrade);
        }
    }

    function _profileOf(uint256 participant) private view returns (uint256) {
        return Lanes.get64(registry.profilesOf(Lanes.groupOf(participant)), Lanes.laneOf(participant));
    }

    function _reserve(uint256 period, uint256 participant, uint256 released, uint256 claimed) internal {
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](1);
        exchanges[0] = _exchange(participant, released, claimed);
        clearingHouse.reserve(period, exchanges);
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
        uint256 given = Lanes.get56(Lanes.ofPeriod(_answers[key], period), Lanes.laneOf(participant));
        return (OrderLane.tick(given), OrderLane.wh(given));
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
        if (board.period != period) board = Board(uint32(period), 0, 0);
    }

    function _auctionKey(uint256 area, uint256 period, uint256 number) internal view returns (uint256) {
        return (_key(area, period) << 8) | number;
    }

    function _answerKey(uint256 auctionKey, uint256 group) internal pure returns (uint256) {
        return (auctionKey << 32) | group;
    }

    function _commitmentKey(uint256 area, uint256 period, uint256 number, uint256 participant)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(area, period, number, participant));
    }
}
