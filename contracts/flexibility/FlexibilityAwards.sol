// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {HouseAccounts} from "../libraries/HouseAccounts.sol";
import {Lanes} from "../libraries/Lanes.sol";
import {MeritOrder} from "../libraries/MeritOrder.sol";
import {TradeWord} from "../libraries/TradeWord.sol";
import {FlexibilityLedger} from "./FlexibilityLedger.sol";
import {FlexibilityLeg} from "./FlexibilityLeg.sol";
import {FlexibilityRules} from "./FlexibilityRules.sol";

/// @title Which offers win, and what the DSO makes of them
/// @notice The cheapest offers win up to the quantity; the last price tick that wins is shared pro rata in participant
///         order. What wins waits for the DSO's verdict: what the grid does not bear is given back. The reference is
///         `gridbourse.model.flexibility.market`.
abstract contract FlexibilityAwards is FlexibilityLedger {
    /// @dev What the groups of one award call come to
    /// @param filled Whether all that was asked for is awarded
    struct Page {
        MeritOrder.Margin margin;
        bool filled;
        uint256[] trades;
        uint256 count;
        IClearingHouse.Exchange[] freed;
        uint256 freedCount;
    }

    /// @dev group of trades => request it belongs to
    mapping(uint256 key => uint256) private _requestOfGroup;

    /// @notice Trades (see TradeWord; the seller is who injects) a request came to, in participant order
    event FlexibilityAwarded(
        uint256 indexed area, uint256 indexed period, uint256 indexed request, uint256[] trades
    );
    /// @notice Nothing of a request is open any more
    event RequestEnded(
        uint256 indexed area, uint256 indexed period, uint256 indexed request, uint256 deliveredWh, uint256 returnedMicroEur
    );

    /// @notice The request is in a phase in which this cannot be done
    error WrongPhase(uint256 area, uint256 period, uint256 request, Phase phase);

    // --- awards --------------------------------------------------------------------------------

    /// @notice Turns the offers of up to `maxGroups` more groups of a cleared request into trades, in participant order,
    ///         and gives back what did not win; anyone may, as often as it takes. Trades of a call are sealed at its end
    function award(uint256 area, uint32 period, uint256 number, uint256 maxGroups) external {
        RequestState memory request = _requestStateOf(area, period, number);
        Phase phase = request.posted.phase;
        if (phase != Phase.Cleared && phase != Phase.Void) revert WrongPhase(area, period, number, phase);
        uint256[] memory groups = registry.groupsOf(area, request.progress.nextGroup, maxGroups);
        Page memory page;
        (page.margin, page.filled) = _marginOf(request);
        page.trades = new uint256[](groups.length * Lanes.PER_GROUP);
        page.freed = new IClearingHouse.Exchange[](groups.length);
        for (uint256 i; i < groups.length; ++i) {
            _awardGroup(request, page, groups[i]);
        }
        _reserve(request, _shortened(page.freed, page.freedCount));
        if (page.count != 0) _recordAll(request, page);
        request.progress.nextGroup += uint32(groups.length);
        if (request.progress.nextGroup >= registry.groupCount(area)) {
            request.posted.phase = Phase.Awarded;
            _endIfDone(request);
        }
        _store(request);
    }

    /// @dev Adds the trades of a group to the page, and the energy that is free again
    function _awardGroup(RequestState memory request, Page memory page, uint256 group) private {
        uint256 key = (request.key << 32) | group;
        uint256 legs = Lanes.ofPeriod(_legs[key], request.period);
        uint256 left = legs;
        uint256 freed;
        for (uint256 lane; lane < Lanes.PER_GROUP; ++lane) {
            uint256 leg = Lanes.get56(legs, lane);
            if (leg == 0) continue;
            (uint256 won, uint256 stays) = _awardLeg(request, page, leg, Lanes.participantAt(group, lane));
            left = Lanes.set56(left, lane, stays);
            freed |= _energy(request, FlexibilityLeg.wh(leg) - won) << (lane * 56);
        }
        if (left != legs) _legs[key] = left;
        if (freed != 0) page.freed[page.freedCount++] = IClearingHouse.Exchange(group, freed, 0);
    }

    /// @dev What a leg wins, and what becomes of it
    function _awardLeg(RequestState memory request, Page memory page, uint256 leg, uint256 participant)
        private
        returns (uint256 won, uint256 stays)
    {
        uint256 wh = FlexibilityLeg.wh(leg);
        uint256 state = request.posted.phase == Phase.Cleared ? FlexibilityLeg.state(leg) : 0;
        if (state == FlexibilityLeg.STANDS_BY || state == FlexibilityLeg.WITHHELD) {
            return (0, _standBy(request, page, leg, participant));
        }
        if (state == FlexibilityLeg.OFFERED) won = _won(request, page.margin, leg);
        if (won != 0) {
            request.progress.open += 1;
            request.progress.waiting += 1;
            stays = FlexibilityLeg.pack(won, FlexibilityLeg.tick(leg), FlexibilityLeg.AWARDED);
            page.trades[page.count++] = _trade(request, participant, won, _priceOf(request, page.margin, leg));
        }
        _exchangeBond(request, participant, wh, won);
        _free(request, participant, wh, won);
    }

    /// @dev Who is not called keeps up, for its schedule, what it might have been awarded and no more; whose salt was
    ///      withheld loses the bond of as much
    function _standBy(RequestState memory request, Page memory page, uint256 leg, uint256 participant)
        private
        returns (uint256)
    {
        bool withheld = FlexibilityLeg.state(leg) == FlexibilityLeg.WITHHELD;
        bool mightWin = withheld || !page.filled || FlexibilityLeg.tick(leg) <= page.margin.tick;
        uint256 wh = FlexibilityRules.standsByWh(FlexibilityLeg.wh(leg), request.posted.wh, mightWin);
        _exchangeBond(request, participant, FlexibilityLeg.wh(leg), wh);
        if (withheld) {
            _forfeit(request, participant, _bond(request, wh));
            return 0;
        }
        if (wh == 0) return 0;
        request.progress.open += 1;
        return FlexibilityLeg.withWh(leg, wh);
    }

    /// @dev What was promised is free again, but for a schedule whose lot was drawn: it stands once a period
    function _free(RequestState memory request, uint256 participant, uint256 wh, uint256 won) private {
        if (request.posted.phase != Phase.Void && request.rules.declared) return;
        _promise(request, participant, wh, won, 0);
    }

    /// @dev Nothing offered when nothing is awarded; and whether all that was asked for is
    function _marginOf(RequestState memory request) internal view returns (MeritOrder.Margin memory margin, bool filled) {
        Phase phase = request.posted.phase;
        if (phase == Phase.Open || phase == Phase.Void) return (margin, false);
        MeritOrder.Outcome memory outcome = MeritOrder.unpack(_outcomes[request.key]);
        if (outcome.volumeWh != 0) margin = outcome.ask;
        filled = outcome.volumeWh == request.posted.wh;
    }

    function _won(RequestState memory request, MeritOrder.Margin memory margin, uint256 leg)
        private
        pure
        returns (uint256 won)
    {
        if (margin.offeredWh == 0) return 0;
        uint256 tick = FlexibilityLeg.tick(leg);
        uint256 cumulativeWh;
        (won, cumulativeWh) = MeritOrder.fill(
            margin, tick, tick < margin.tick, FlexibilityLeg.wh(leg), request.progress.offeredWh
        );
        request.progress.offeredWh = uint32(cumulativeWh);
    }

    /// @dev Its own price, or at a uniform price that of the margin; for who stands by what it might have been, which is
    ///      never below that
    function _priceOf(RequestState memory request, MeritOrder.Margin memory margin, uint256 leg)
        internal
        view
        returns (uint256)
    {
        uint256 tick = FlexibilityLeg.tick(leg);
        return _price(request.posted.payAsBid || tick > margin.tick ? tick : margin.tick);
    }

    function _trade(RequestState memory request, uint256 participant, uint256 wh, uint256 price)
        private
        pure
        returns (uint256)
    {
        uint256 buyer = request.posted.buyer;
        return request.posted.direction == FlexibilityRules.DOWN
            ? TradeWord.pack(buyer, participant, wh, price)
            : TradeWord.pack(participant, buyer, wh, price);
    }

    function _recordAll(RequestState memory request, Page memory page) private {
        uint256[] memory trades = page.trades;
        uint256 count = page.count;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(trades, count) // only ever shorter than it was made
        }
        Ledger memory ledger = _ledgerOf(request.area, request.period);
        uint256 group = ledger.groups;
        for (uint256 i; i < count; ++i) {
            _record(ledger, request.area, trades[i]);
        }
        if (ledger.count != 0) _seal(ledger, request.area);
        for (; group < ledger.groups; ++group) {
            _requestOfGroup[_groupKey(request.area, request.period, group)] = request.number;
        }
        _ledgers[_key(request.area, request.period)] = ledger;
        emit FlexibilityAwarded(request.area, request.period, request.number, trades);
    }

    // --- verdicts ------------------------------------------------------------------------------

    /// @dev An accepted trade waits for its delivery; a rejected one gives back what backed it
    function _apply(uint256 area, uint256 period, uint256 group, uint256[] calldata trades, uint256 rejected)
        internal
        override
    {
        RequestState memory request = _requestStateOf(area, period, _requestOfGroup[_groupKey(area, period, group)]);
        IClearingHouse.Exchange[] memory freed = new IClearingHouse.Exchange[](trades.length);
        uint256 count;
        bool down = request.posted.direction == FlexibilityRules.DOWN;
        for (uint256 i; i < trades.length; ++i) {
            if ((rejected >> i) & 1 == 0) continue;
            uint256 participant = down ? TradeWord.buyer(trades[i]) : TradeWord.seller(trades[i]);
            uint256 wh = FlexibilityLeg.wh(_setLeg(request, participant, 0));
            freed[count++] = _exchange(participant, _energy(request, wh), 0);
            _exchangeBond(request, participant, wh, 0);
            _free(request, participant, wh, 0);
            request.progress.open -= 1;
        }
        request.progress.waiting -= uint24(trades.length);
        _reserve(request, _shortened(freed, count));
        _endIfDone(request);
        _store(request);
    }

    /// @dev The first `count` of an array that was made too long; the array itself
    function _shortened(IClearingHouse.Exchange[] memory exchanges, uint256 count)
        private
        pure
        returns (IClearingHouse.Exchange[] memory)
    {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(exchanges, count)
        }
        return exchanges;
    }

    // --- the end -------------------------------------------------------------------------------

    /// @dev Gives the buyer back what it did not come to pay or take
    function _endIfDone(RequestState memory request) internal {
        if (request.posted.phase != Phase.Awarded || request.progress.open != 0) return;
        request.posted.phase = Phase.Ended;
        uint256 left = request.progress.escrowMicroEur;
        request.progress.escrowMicroEur = 0;
        _exchangeBuyer(request, request.posted.wh - request.progress.deliveredWh, 0);
        _move(HouseAccounts.MARGIN, request.posted.buyer, left);
        _oneEnded(request.area, request.period);
        emit RequestEnded(request.area, request.period, request.number, request.progress.deliveredWh, left);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice What the clearing of a request found: volume, and the margin that is shared pro rata
    function outcomeOf(uint256 area, uint256 period, uint256 number)
        external
        view
        returns (uint256 volumeWh, MeritOrder.Margin memory margin)
    {
        RequestState memory request = _requestStateOf(area, period, number);
        (margin,) = _marginOf(request);
        if (margin.offeredWh != 0) volumeWh = MeritOrder.unpack(_outcomes[request.key]).volumeWh;
    }
}
