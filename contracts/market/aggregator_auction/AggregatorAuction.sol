// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../../interfaces/IClearingHouse.sol";
import {Lanes} from "../../libraries/Lanes.sol";
import {MeritOrder} from "../../libraries/MeritOrder.sol";
import {OrderLane, OrderLaneLib} from "../../libraries/OrderLane.sol";
import {TickEnergy} from "../../libraries/TickEnergy.sol";
import {TradeWord} from "../../libraries/TradeWord.sol";
import {CheckedTrades} from "../CheckedTrades.sol";
import {InParts} from "../InParts.sol";
import {AnswerSplitter} from "./AnswerSplitter.sol";
import {AuctionBoard} from "./AuctionBoard.sol";
import {SealedAnswers} from "./SealedAnswers.sol";

/// @title Auctions of aggregators among the prosumers of their area
/// @notice In a bid auction the aggregator buys a quantity: the cheapest offers up to its ceiling price win until the
///         quantity is covered. In an offer auction it sells: the dearest bids down to its floor price win. The last
///         price tick that wins is shared pro rata in participant order, so nothing depends on who came first. Winners
///         trade at the price of that tick (uniform) or at their own. The reference is
///         `gridbourse.model.aggregator_auction`; this is its equal. Source: [Talari-nd] §2.2, Fig. 5.4.
contract AggregatorAuction is SealedAnswers {
    using TickEnergy for TickEnergy.Book;

    /// @dev One slot: how far the awards of a cleared auction have come, in participant order
    struct Awarding {
        uint32 period;
        uint32 nextGroup;
        uint56 whAtMargin;
    }

    /// @dev What the groups of one call come to
    struct Page {
        MeritOrder.Margin margin;
        uint256[] trades;
        uint256 count;
        IClearingHouse.Exchange[] lost;
    }

    mapping(uint256 key => uint256 packedOutcome) private _outcomes;
    mapping(uint256 key => Awarding) private _awardings;

    /// @notice An auction was cleared: `volumeWh` are awarded, the last of them at the margin's tick
    event AuctionCleared(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed auction,
        uint256 volumeWh,
        MeritOrder.Margin margin
    );
    /// @notice The groups of the area up to number `untilGroup` have what they won, as trades (see TradeWord) in participant
    ///         order, and their other answers back
    event Awarded(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed auction,
        uint256 untilGroup,
        uint256[] trades
    );
    /// @notice Every answer of an auction is awarded or given back
    event AuctionEnded(uint256 indexed area, uint256 indexed period, uint256 indexed auction);

    /// @notice The auction is in a phase in which this cannot be done
    error WrongPhase(uint256 area, uint256 period, uint256 auction, Phase phase);

    constructor(Settings memory settings) AuctionBoard(settings) InParts(address(new AnswerSplitter())) {}

    // --- clearing ------------------------------------------------------------------------------

    /// @notice Clears an auction after gate closure, in O(ticks); anyone may
    function clear(uint256 area, uint32 period, uint256 number) external {
        if (!_gateClosed(period)) revert GateStillOpen(period);
        Auction memory auction = _auctionOf(area, period, number);
        if (auction.phase != Phase.Open) revert WrongPhase(area, period, number, auction.phase);
        uint256 key = _auctionKey(area, period, number);
        uint256[] memory answers = _books[key].load(period, OrderLaneLib.BID, ticks);
        uint256[] memory wanted = new uint256[](answers.length);
        wanted[auction.tick / MeritOrder.TICKS_PER_WORD] =
            uint256(auction.wh) << ((auction.tick % MeritOrder.TICKS_PER_WORD) * 32);
        MeritOrder.Outcome memory outcome =
            auction.buys ? MeritOrder.clear(wanted, answers) : MeritOrder.clear(answers, wanted);
        auction.phase = Phase.Cleared;
        _auctions[key] = auction;
        _outcomes[key] = MeritOrder.pack(outcome);
        emit AuctionCleared(area, period, number, outcome.volumeWh, auction.buys ? outcome.ask : outcome.bid);
    }

    // --- awards --------------------------------------------------------------------------------

    /// @notice Turns the answers of up to `maxGroups` more groups of a cleared auction into trades, in participant
    ///         order, and gives back what did not win; anyone may, as often as it takes
    function award(uint256 area, uint32 period, uint256 number, uint256 maxGroups) external {
        uint256 key = _auctionKey(area, period, number);
        Auction memory auction = _auctionOf(area, period, number);
        if (auction.phase != Phase.Cleared) revert WrongPhase(area, period, number, auction.phase);
        Awarding memory awarding = _awardings[key];
        if (awarding.period != period) awarding = Awarding(period, 0, 0);
        uint256[] memory groups = registry.groupsOf(area, awarding.nextGroup, maxGroups);
        _awardGroups(area, key, number, auction, awarding, groups);
        awarding.nextGroup += uint32(groups.length);
        if (awarding.nextGroup >= registry.groupCount(area)) _end(area, key, number, auction);
        _awardings[key] = awarding;
    }

    function _awardGroups(
        uint256 area,
        uint256 key,
        uint256 number,
        Auction memory auction,
        Awarding memory awarding,
        uint256[] memory groups
    ) private {
        Page memory page;
        page.margin = _marginOf(key, auction);
        page.trades = new uint256[](groups.length * Lanes.PER_GROUP);
        page.lost = new IClearingHouse.Exchange[](groups.length);
        for (uint256 i; i < groups.length; ++i) {
            uint256 answers = Lanes.ofPeriod(_answers[_answerKey(key, groups[i])], auction.period);
            page.lost[i].group = groups[i];
            page.lost[i].released = _awardGroup(auction, awarding, page, groups[i], answers);
        }
        _exchangeAll(area, auction.period, page.lost);
        _recordAll(area, auction.period, page.trades, page.count);
        emit Awarded(area, auction.period, number, awarding.nextGroup + groups.length, page.trades);
    }

    /// @dev Adds the trades of a group to the page; returns the energy lanes that did not win
    function _awardGroup(
        Auction memory auction,
        Awarding memory awarding,
        Page memory page,
        uint256 group,
        uint256 answers
    ) private view returns (uint256 lost) {
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            OrderLane given = OrderLane.wrap(Lanes.get56(answers, lane));
            if (given.wh() == 0) continue;
            uint256 won = _won(auction.buys, page.margin, given, awarding);
            if (won != 0) {
                uint256 price = _price(auction.payAsBid ? given.tick() : page.margin.tick);
                page.trades[page.count++] = _trade(auction, Lanes.participantAt(group, lane), won, price);
            }
            lost |= _answerEnergy(auction.buys, given.wh() - won) << (lane * 56);
        }
    }

    /// @dev The margin of the answers' side; nothing offered when nothing is awarded
    function _marginOf(uint256 key, Auction memory auction) private view returns (MeritOrder.Margin memory margin) {
        MeritOrder.Outcome memory outcome = MeritOrder.unpack(_outcomes[key]);
        if (outcome.volumeWh != 0) margin = auction.buys ? outcome.ask : outcome.bid;
    }

    function _won(bool buys, MeritOrder.Margin memory margin, OrderLane given, Awarding memory awarding)
        private
        pure
        returns (uint256 won)
    {
        if (margin.offeredWh == 0) return 0;
        uint256 tick = given.tick();
        bool better = buys ? tick < margin.tick : tick > margin.tick;
        uint256 cumulativeWh;
        (won, cumulativeWh) = MeritOrder.fill(margin, tick, better, given.wh(), awarding.whAtMargin);
        awarding.whAtMargin = uint56(cumulativeWh);
    }

    function _trade(Auction memory auction, uint256 participant, uint256 wh, uint256 price)
        private
        pure
        returns (uint256)
    {
        return auction.buys
            ? TradeWord.pack(participant, auction.aggregator, wh, price)
            : TradeWord.pack(auction.aggregator, participant, wh, price);
    }

    function _recordAll(uint256 area, uint256 period, uint256[] memory trades, uint256 count) private {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(trades, count) // only ever shorter than it was made
        }
        Ledger memory ledger = _ledgerOf(area, period);
        for (uint256 i; i < count; ++i) {
            _record(ledger, area, trades[i]);
        }
        _ledgers[_key(area, period)] = ledger;
    }

    /// @dev Gives the aggregator back what it did not come to buy or sell
    function _end(uint256 area, uint256 key, uint256 number, Auction memory auction) private {
        uint256 volumeWh = MeritOrder.unpack(_outcomes[key]).volumeWh;
        uint256 rest = _aggregatorEnergy(auction.buys, auction.wh - volumeWh);
        _reserve(area, auction.period, auction.aggregator, rest, 0);
        auction.phase = Phase.Ended;
        _auctions[key] = auction;
        _oneEnded(area, auction.period);
        emit AuctionEnded(area, auction.period, number);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @inheritdoc CheckedTrades
    function booked(uint256 area, uint256 period) public view override returns (bool) {
        return _allEnded(area, period) && super.booked(area, period);
    }

    /// @notice What the clearing of an auction found: volume, and the margin that is shared pro rata
    function outcomeOf(uint256 area, uint256 period, uint256 number)
        external
        view
        returns (uint256 volumeWh, MeritOrder.Margin memory margin)
    {
        Auction memory auction = _auctionOf(area, period, number);
        if (auction.phase == Phase.Open) return (0, margin);
        MeritOrder.Outcome memory outcome = MeritOrder.unpack(_outcomes[_auctionKey(area, period, number)]);
        return (outcome.volumeWh, auction.buys ? outcome.ask : outcome.bid);
    }
}
