// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
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
///         closure; who does not reveal loses the bond to the aggregator.
abstract contract AuctionBoard is CheckedTrades, PriceBand {
    using TickBook for TickBook.Book;

    enum Phase {
        Open,
        Cleared,
        Ended
    }

    /// @notice Where the auctions are anchored and their rules
    /// @param revealSeconds Length of the time before gate closure in which sealed answers are revealed
    /// @param bondMicroEur What a sealed answer is bonded with
    struct Settings {
        Anchors anchors;
        ITariff tariff;
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
    /// @notice A participant answers under seal, with a bond
    event AnswerCommitted(
        uint256 indexed area, uint256 indexed period, uint256 indexed auction, uint256 participant, bytes28 commitment
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
    error BeyondLimit(uint256 participant, uint256 tick, uint256 limitTick);
    error UnderSeal(uint256 auction, bool isSealed);
    error GateStillOpen(uint256 period);
    error RevealHasBegun(uint256 period, uint256 from, uint256 timestamp);
    error RevealNotBegun(uint256 period, uint256 from, uint256 timestamp);
    error CommittedBefore(uint256 participant, uint256 auction);
    error NotCommitted(uint256 participant, uint256 auction, bytes28 committed, bytes28 given);

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
    ///         before; 0 Wh takes it back. The participant itself may, or a gateway with its mandate
    function answer(uint256 area, uint32 period, uint256 number, uint256 participant, uint256 tick, uint256 wh)
        external
    {
        clock.requireOpen(period);
        Auction memory auction = _auctionOf(area, period, number);
        if (auction.isSealed) revert UnderSeal(number, true);
        _requireMayAct(area, participant);
        _answer(area, auction, number, participant, tick, wh);
    }

    function _answer(
        uint256 area,
        Auction memory auction,
        uint256 number,
        uint256 participant,
        uint256 tick,
        uint256 wh
    ) private {
        if (participant == auction.aggregator) revert OwnAuction(participant, number);
        if (wh > Lanes.MAX_WH) revert QuantityOutOfRange(participant, wh, Lanes.MAX_WH);
        if (tick >= ticks) revert TickOutOfBand(participant, tick, ticks);
        if (auction.buys ? tick > auction.tick : tick < auction.tick) {
            revert BeyondLimit(participant, tick, auction.tick);
        }
        uint256 key = _auctionKey(area, auction.period, number);
        uint256 four = _answerKey(key, Lanes.groupOf(participant));
        uint256 lane = Lanes.laneOf(participant);
        uint256 answers = Lanes.ofPeriod(_answers[four], auction.period);
        uint256 former = Lanes.get56(answers, lane);
        TickBook.Book storage book = _books[key];
        book.remove(auction.period, OrderLane.BID, OrderLane.tick(former), OrderLane.wh(former));
        book.add(auction.period, OrderLane.BID, tick, wh);
        _answers[four] = Lanes.set56(answers, lane, OrderLane.pack(wh, tick, OrderLane.BID, 1));
        _reserve(
            auction.period,
            participant,
            _answerEnergy(auction.buys, OrderLane.wh(former)),
            _answerEnergy(auction.buys, wh)
        );
        emit Answered(area, auction.period, number, participant, tick, wh);
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

    /// @notice Reveals the answer the caller committed to; its bond goes back
    function reveal(uint256 area, uint32 period, uint256 number, uint256 tick, uint256 wh, bytes32 salt) external {
        clock.requireOpen(period);
        uint256 from = clock.gateClosure(period) - revealSeconds;
        uint256 time = clock.timestamp();
        if (time < from) revert RevealNotBegun(period, from, time);
        uint256 participant = registry.numberOf(msg.sender);
        _requireArea(area, participant);
        _takeCommitment(area, period, number, participant, commitmentTo(participant, tick, wh, salt));
        _move(HouseAccounts.MARGIN, participant);
        _answer(area, _auctionOf(area, period, number), number, participant, tick, wh);
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

    /// @dev The participant itself, or the gateway that holds its mandate; in the participant's own area
    function _requireMayAct(uint256 area, uint256 participant) private view {
        _requireArea(area, participant);
        if (registry.accountOf(participant) == msg.sender) return;
        if (!registry.hasRole(Roles.GATEWAY, msg.sender)) {
            revert NotForAnother(participant, registry.numberOf(msg.sender));
        }
        uint256 gateway = registry.gatewayNumberOf(msg.sender);
        uint256 mandated = Profile.gateway(_profileOf(participant));
        if (mandated != gateway) revert NoMandate(participant, mandated, gateway);
    }

    function _requireArea(uint256 area, uint256 participant) private view {
        uint256 itsArea = Profile.area(_profileOf(participant));
        if (itsArea != area) revert OtherArea(participant, itsArea, area);
    }

    function _profileOf(uint256 participant) private view returns (uint256) {
        return Lanes.get64(registry.profilesOf(Lanes.groupOf(participant)), Lanes.laneOf(participant));
    }

    function _reserve(uint256 period, uint256 participant, uint256 released, uint256 claimed) private {
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
