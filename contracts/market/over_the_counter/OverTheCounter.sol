// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {IClearingHouse} from "../../interfaces/IClearingHouse.sol";
import {ITariff} from "../../interfaces/ITariff.sol";
import {MoneyAccounts} from "../../ledger/MoneyAccounts.sol";
import {Reservations} from "../../ledger/Reservations.sol";
import {HouseAccounts} from "../../libraries/HouseAccounts.sol";
import {Lanes} from "../../libraries/Lanes.sol";
import {Profile} from "../../libraries/Profile.sol";
import {ProfileLookup} from "../../libraries/ProfileLookup.sol";
import {Roles} from "../../libraries/Roles.sol";
import {TradeWord} from "../../libraries/TradeWord.sol";
import {CheckedTrades} from "../CheckedTrades.sol";
import {Deals} from "./Deals.sol";

/// @title Over the counter: a deal of two parties, performed period by period, secured by margins
/// @notice Performing a period makes it a trade that waits for the DSO, alone. Each side has to be able to back every
///         period of the deal from the moment it takes orders until its gate closure: whoever cannot when it is performed
///         is in default, and owes the other what the supplier makes it lose, out of the margin and no further. If
///         neither can, neither owes. A period nobody performs lapses at its gate closure, without any call: either
///         party could have performed it, so nobody pays. So it is too with a party that the operator has suspended or taken
///         out of the market: it is not in default, and its periods can be performed once it is reinstated. A seller performs so many deals of a period and no more, each of
///         so much energy and no less, for each waits for the DSO alone; one that sold more is in default. A trade the DSO rejects is nobody's fault: margins stay. The
///         reference is `gridbourse.model.over_the_counter`; this is its equal.
/// @dev    At all times the MARGIN account holds what is left of the margins of all deals that are not closed.
contract OverTheCounter is Deals {
    using BitMaps for BitMaps.BitMap;

    /// @notice Prices by which a default is measured
    ITariff public immutable tariff;

    /// @notice The least energy of a deal in a period
    uint256 public immutable minWh;
    /// @notice The most deals of a seller that are performed in a period
    uint256 public immutable maxPerformed;

    /// @dev ring slot | group => period: 32 | 4 × deals performed as their seller
    mapping(uint256 key => uint256 fourCounts) private _sold;
    /// @dev One bit for each period of a deal, from its first on: performed, or found in default
    mapping(bytes32 deal => BitMaps.BitMap) private _performed;

    /// @notice A period of a deal was performed: the only trade (see TradeWord) of a group that waits for the DSO
    event DealPerformed(
        bytes32 indexed deal, uint256 indexed area, uint256 indexed period, uint256 group, uint256 trade
    );
    /// @notice A party could not do its part in a period: `owedMicroEur` to the other, of which its margin paid a part
    event Defaulted(
        bytes32 indexed deal,
        uint256 indexed period,
        uint256 indexed participant,
        uint256 owedMicroEur,
        uint256 paidMicroEur
    );
    /// @notice A deal is over; what was left of the margins went back
    event Closed(bytes32 indexed deal, uint256 sellerMicroEur, uint256 buyerMicroEur);

    /// @notice Only a party of the deal may do this
    error NotAParty(address caller);
    /// @notice The period is none of the `count` periods of the deal
    error OutsideStrip(bytes32 deal, uint256 period, uint256 firstPeriod, uint256 count);
    /// @notice The deal is performed for this period already
    error PerformedBefore(bytes32 deal, uint256 period);
    /// @notice A deal is for no less and no more than this, in Wh of each period
    error QuantityOutOfRange(bytes32 deal, uint256 wh, uint256 minimumWh, uint256 maximumWh);
    /// @notice Least energy and most performed periods are above zero, and within what the words hold
    error BadLimits(uint256 minWh, uint256 maxPerformed);
    /// @notice The price is above the retail price of the period
    error PriceAboveRetail(bytes32 deal, uint256 priceMicroEurPerWh, uint256 retailMicroEurPerWh);
    /// @notice A party of the deal is of another area
    error OtherArea(uint256 participant, uint256 itsArea, uint256 area);
    /// @notice A period of the deal can still be performed; `untilPeriod` is the first after the last of them
    error StripRuns(bytes32 deal, uint256 untilPeriod, uint256 nextOpenPeriod);

    constructor(Anchors memory anchors, ITariff tariff_, uint256 minWh_, uint256 maxPerformed_)
        CheckedTrades(anchors, 1)
        EIP712("gridbourse OverTheCounter", "1")
    {
        if (minWh_ == 0 || minWh_ > Lanes.MAX_WH || maxPerformed_ == 0) revert BadLimits(minWh_, maxPerformed_);
        tariff = tariff_;
        minWh = minWh_;
        maxPerformed = maxPerformed_;
    }

    /// @notice Performs one period of a deal before its gate closure, and opens the terms for all to see: either party,
    ///         the operator or the DSO may
    function perform(Deal calldata deal, Terms calldata terms, uint32 period) external {
        (bytes32 hash, State memory state) = _opened(deal, terms);
        _requireMayPerform(deal, terms.area);
        clock.requireOpen(period);
        _take(hash, terms, period);
        _requireTradable(hash, deal, terms, period);
        Ledger memory ledger = _enter(terms.area, period);
        bool sold = _hasRoom(period, deal.seller) && _tries(terms.area, period, deal.seller, Lanes.energy(terms.wh, 0));
        bool bought = _tries(terms.area, period, deal.buyer, Lanes.energy(0, terms.wh));
        if (sold && bought) {
            _count(period, deal.seller);
            uint256 trade = TradeWord.pack(deal.seller, deal.buyer, terms.wh, terms.priceMicroEurPerWh);
            emit DealPerformed(hash, terms.area, period, ledger.groups, trade);
            _record(ledger, terms.area, trade);
            _ledgers[_key(terms.area, period)] = ledger;
            return;
        }
        if (sold) _reserve(terms.area, period, deal.seller, Lanes.energy(terms.wh, 0), 0);
        if (bought) _reserve(terms.area, period, deal.buyer, Lanes.energy(0, terms.wh), 0);
        (uint256 bySeller, uint256 byBuyer) = _damages(terms, period);
        if (!sold) {
            state.sellerMarginMicroEur -=
                _pay(hash, period, deal.seller, deal.buyer, bought ? bySeller : 0, state.sellerMarginMicroEur);
        }
        if (!bought) {
            state.buyerMarginMicroEur -=
                _pay(hash, period, deal.buyer, deal.seller, sold ? byBuyer : 0, state.buyerMarginMicroEur);
        }
        _states[hash] = state;
    }

    /// @notice Gives what is left of the margins back once the gate of the deal's last period has closed; anyone who has
    ///         the terms may
    function close(Deal calldata deal, Terms calldata terms) external {
        (bytes32 hash, State memory state) = _opened(deal, terms);
        uint256 until = uint256(terms.firstPeriod) + terms.count;
        uint256 next = clock.nextOpenPeriod();
        if (until > next) revert StripRuns(hash, until, next);
        _states[hash] = State(Phase.Closed, 0, 0);
        _move(HouseAccounts.MARGIN, deal.seller, state.sellerMarginMicroEur);
        _move(HouseAccounts.MARGIN, deal.buyer, state.buyerMarginMicroEur);
        emit Closed(hash, state.sellerMarginMicroEur, state.buyerMarginMicroEur);
    }

    /// @notice Whether a period of a deal, counted from its first, was performed or found in default
    function performed(bytes32 deal, uint256 place) external view returns (bool) {
        return _performed[deal].get(place);
    }

    // --- rules ---------------------------------------------------------------------------------

    function _requireMayPerform(Deal calldata deal, uint256 area) private view {
        if (msg.sender == registry.accountOf(deal.seller) || msg.sender == registry.accountOf(deal.buyer)) return;
        if (registry.hasRole(Roles.OPERATOR, msg.sender) || registry.hasRole(Roles.inArea(Roles.DSO, area), msg.sender)) return;
        revert NotAParty(msg.sender);
    }

    /// @dev Each period of the strip once
    function _take(bytes32 hash, Terms calldata terms, uint256 period) private {
        if (period < terms.firstPeriod || period - terms.firstPeriod >= terms.count) {
            revert OutsideStrip(hash, period, terms.firstPeriod, terms.count);
        }
        uint256 place = period - terms.firstPeriod;
        if (_performed[hash].get(place)) revert PerformedBefore(hash, period);
        _performed[hash].set(place);
    }

    /// @dev What no trade can be is nobody's default: it cannot be performed at all
    function _requireTradable(bytes32 hash, Deal calldata deal, Terms calldata terms, uint256 period) private view {
        if (terms.wh < minWh || terms.wh > Lanes.MAX_WH) {
            revert QuantityOutOfRange(hash, terms.wh, minWh, Lanes.MAX_WH);
        }
        (uint256 retail,) = tariff.energyPrices(terms.area, period);
        if (terms.priceMicroEurPerWh > retail) revert PriceAboveRetail(hash, terms.priceMicroEurPerWh, retail);
        _requireInArea(deal.seller, terms.area);
        _requireInArea(deal.buyer, terms.area);
    }

    function _requireInArea(uint256 participant, uint256 area) private view {
        uint256 itsArea = Profile.area(ProfileLookup.profileOf(registry, participant));
        if (itsArea != area) revert OtherArea(participant, itsArea, area);
    }

    // --- how many deals a seller performs -------------------------------------------------------

    function _hasRoom(uint256 period, uint256 seller) private view returns (bool) {
        return Lanes.get56(_soldBy(period, seller), Lanes.laneOf(seller)) < maxPerformed;
    }

    function _count(uint256 period, uint256 seller) private {
        uint256 four = _soldBy(period, seller);
        uint256 lane = Lanes.laneOf(seller);
        _sold[_soldKey(period, seller)] = Lanes.set56(four, lane, Lanes.get56(four, lane) + 1);
    }

    function _soldBy(uint256 period, uint256 seller) private view returns (uint256) {
        return Lanes.ofPeriod(_sold[_soldKey(period, seller)], period);
    }

    function _soldKey(uint256 period, uint256 seller) private view returns (uint256) {
        return ((period % _ringSize) << 64) | Lanes.groupOf(seller);
    }

    // --- reservations --------------------------------------------------------------------------

    /// @dev Whether the party can back its part. Only a refusal that says the party cannot counts as its default: any
    ///      other one, such as too little gas, undoes the whole call, and so does that of a party the operator keeps from
    ///      ordering, or whose credit the supplier does not cover: else either and the counterparty could take its margin
    function _tries(uint256 area, uint256 period, uint256 participant, uint256 energy) private returns (bool) {
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](1);
        exchanges[0] = _exchange(participant, 0, energy);
        try clearingHouse.reserve(area, period, address(0), exchanges) returns (uint256[] memory) {
            return true;
        } catch (bytes memory reason) {
            bytes4 error_ = bytes4(reason);
            if (
                error_ == MoneyAccounts.InsufficientMoney.selector || error_ == Reservations.InDebt.selector
                    || error_ == Reservations.AboveConnectionCapacity.selector
                    || error_ == Reservations.ParticipantNotActive.selector
                        && !Profile.heldBack(ProfileLookup.profileOf(registry, participant))
            ) return false;
            // solhint-disable-next-line no-inline-assembly
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
    }

    // --- defaults ------------------------------------------------------------------------------

    /// @dev What a default in a period costs the other: without the seller the buyer pays the retail price, without the
    ///      buyer the seller gets the feed-in tariff
    function _damages(Terms calldata terms, uint256 period) private view returns (uint256 bySeller, uint256 byBuyer) {
        (uint256 retail, uint256 feedIn) = tariff.energyPrices(terms.area, period);
        uint256 price = terms.priceMicroEurPerWh;
        bySeller = (retail - price) * terms.wh; // above retail nothing is performed
        byBuyer = price > feedIn ? (price - feedIn) * terms.wh : 0;
    }

    function _pay(bytes32 hash, uint256 period, uint256 from, uint256 to, uint256 owed, uint256 marginLeft)
        private
        returns (uint64 paid)
    {
        paid = uint64(owed < marginLeft ? owed : marginLeft);
        _move(HouseAccounts.MARGIN, to, paid);
        emit Defaulted(hash, period, from, owed, paid);
    }
}
