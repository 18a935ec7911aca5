// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../../interfaces/IClearingHouse.sol";
import {ITariff} from "../../interfaces/ITariff.sol";
import {Lanes} from "../../libraries/Lanes.sol";
import {Roles} from "../../libraries/Roles.sol";
import {GatewayOrders} from "../GatewayOrders.sol";
import {Subscriptions} from "./Subscriptions.sol";

/// @title What neighbours offer and ask for: the board of a bilateral market
/// @notice An offer keeps its seller's energy reserved, a request its buyer's money and connection, until it is paired,
///         withdrawn, or released after gate closure. Listings are numbered within their area and period, offers and
///         requests together.
abstract contract Listings is Subscriptions, GatewayOrders {
    /// @notice A listing as it is brought in
    /// @param limitMicroEurPerWh The least price of an offer, the most of a request
    /// @param partner The only participant it is for; 0 = anyone
    /// @param zone The grid zone the seller has to be in or below; 0 = anywhere. Requests only
    /// @param sources The sources a request accepts, one bit each (see ParticipantRegistry.sourcesOf); 0 = any.
    ///        Requests only: what an offer is made from is attested, never claimed
    struct Draft {
        uint32 participant;
        bool isRequest;
        uint32 wh;
        uint16 limitMicroEurPerWh;
        uint32 partner;
        uint16 zone;
        uint64 sources;
    }

    /// @notice A listing as a participant signs it for a gateway
    /// @param sequence Above that of every listing the participant signed before for the period
    /// @param expiry Unix seconds of block time
    struct SignedDraft {
        Draft draft;
        uint40 sequence;
        uint40 expiry;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice A listing on the board, in one storage slot; `wh` is what is left of it
    struct Listing {
        uint32 period;
        uint32 participant;
        bool isRequest;
        uint32 wh;
        uint16 limitMicroEurPerWh;
        uint32 partner;
        uint16 zone;
        uint64 sources;
    }

    /// @dev One slot: how many listings an area has in a period, and how many of them were released
    struct Board {
        uint32 period;
        uint32 listings;
        uint32 released;
    }

    /// @dev Who calls: a gateway, or a participant for itself
    struct Caller {
        uint256 gateway;
        uint256 participant;
    }

    /// @notice What a participant signs for a gateway: bound to the area, the period and the gateway
    bytes32 public constant LISTING_TYPEHASH = keccak256(
        "Listing(uint8 area,uint32 period,uint32 participant,bool isRequest,uint32 wh,uint16 limitMicroEurPerWh,uint32 partner,uint16 zone,uint64 sources,uint40 sequence,address gateway,uint40 expiry)"
    );
    uint256 private constant COUNT_BITS = 16;
    uint256 private constant MAX_COUNT = (1 << COUNT_BITS) - 1;

    /// @notice Retail prices, above which nothing may be traded
    ITariff public immutable tariff;
    /// @notice The least energy of a listing
    uint256 public immutable minWh;
    /// @notice The most open listings of a participant in a period
    uint256 public immutable maxOpen;

    mapping(uint256 key => Board) private _boards;
    mapping(uint256 key => Listing) private _listings;
    /// @dev ring slot | group => period: 32 | 4 × (last sequence signed: 40, open listings: 16)
    mapping(uint256 key => uint256 fourCounts) private _counts;

    /// @notice A listing was put on the board
    event Listed(uint256 indexed area, uint256 indexed period, uint256 indexed listing, Draft draft);
    /// @notice A listing was withdrawn with `wh` left, which are reserved no more
    event ListingWithdrawn(uint256 indexed area, uint256 indexed period, uint256 indexed listing, uint256 wh);
    /// @notice After gate closure, what was left of the listings `from` .. `until - 1` was given back
    event ListingsReleased(uint256 indexed area, uint256 indexed period, uint256 from, uint256 until);

    /// @notice Least energy and most open listings are above zero, and within what the words hold
    error BadLimits(uint256 minWh, uint256 maxOpen);
    /// @notice A listing is for no less and no more than this, in Wh of the period
    error QuantityOutOfRange(uint256 participant, uint256 wh, uint256 minimumWh, uint256 maximumWh);
    /// @notice The limit is above the retail price of the period
    error PriceAboveRetail(uint256 participant, uint256 priceMicroEurPerWh, uint256 retailMicroEurPerWh);
    /// @notice An offer states no zone and no sources: they are known of its seller
    error ClaimedBySeller(uint256 participant, uint256 zone, uint256 sources);
    /// @notice The participant has as many listings open in the period as one may have
    error TooManyOpen(uint256 participant, uint256 period, uint256 maximum);
    /// @notice Only the participant itself or its gateway may do this; `caller` is 0 where it is no participant
    error NotForAnother(uint256 participant, uint256 caller);
    /// @notice The area has no listing of this number in the period
    error NoListing(uint256 area, uint256 period, uint256 listing);
    /// @notice Gate closure of the period has not come yet
    error GateStillOpen(uint256 period);
    /// @notice Groups of the period are settled already: listings give back nothing any more
    error SettlementBegun(uint256 area, uint256 period);
    /// @notice All listings of the area and period are released
    error NothingToRelease(uint256 area, uint256 period);

    constructor(ITariff tariff_, uint256 minWh_, uint256 maxOpen_) {
        if (minWh_ == 0 || minWh_ > Lanes.MAX_WH || maxOpen_ == 0 || maxOpen_ > MAX_COUNT) {
            revert BadLimits(minWh_, maxOpen_);
        }
        tariff = tariff_;
        minWh = minWh_;
        maxOpen = maxOpen_;
    }

    // --- on and off the board ------------------------------------------------------------------

    /// @notice Lists offers and requests until gate closure: the caller's own, or as a gateway those of participants
    ///         who gave it their mandate; all or none
    /// @return first Number of the first of them in the area and period; the others follow
    function list(uint256 area, uint32 period, Draft[] calldata drafts) external returns (uint256 first) {
        Caller memory caller = _caller();
        uint256[] memory profiles;
        (first, profiles) = _listAll(area, period, drafts);
        for (uint256 i; i < drafts.length; ++i) {
            _requireMayAct(caller, drafts[i].participant, profiles[i]);
        }
    }

    /// @notice Lists what participants signed for the calling gateway (EIP-712), with or without its mandate; all or
    ///         none. Each signature is used once
    /// @return first Number of the first of them in the area and period; the others follow
    function listSigned(uint256 area, uint32 period, SignedDraft[] calldata listings)
        external
        returns (uint256 first)
    {
        registry.gatewayNumberOf(msg.sender);
        Draft[] memory drafts = new Draft[](listings.length);
        bytes32 domain = _domainSeparatorV4();
        for (uint256 i; i < drafts.length; ++i) {
            _requireSigned(area, period, listings[i], domain);
            drafts[i] = listings[i].draft;
        }
        (first,) = _listAll(area, period, drafts);
    }

    /// @dev See CheckedTrades: who has a mandate acts for others
    function _agent() internal view override returns (address) {
        return msg.sig == this.list.selector ? msg.sender : address(0);
    }

    /// @dev Puts listings on the board and backs them; returns what the registry holds of each one's group
    function _listAll(uint256 area, uint32 period, Draft[] memory drafts)
        private
        returns (uint256 first, uint256[] memory profiles)
    {
        clock.requireOpen(period);
        Board memory board = _boardOf(area, period);
        first = board.listings;
        if (first == 0) _enter(area, period);
        (uint256 retail,) = tariff.energyPrices(area, period);
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](drafts.length);
        for (uint256 i; i < drafts.length; ++i) {
            _requireWellFormed(period, drafts[i], retail);
            _count(period, drafts[i].participant, true);
            _store(area, period, first + i, drafts[i]);
            exchanges[i] = _exchange(drafts[i].participant, 0, _energy(drafts[i].isRequest, drafts[i].wh));
        }
        board.listings += uint32(drafts.length);
        _boards[_key(area, period)] = board;
        profiles = _exchangeAll(area, period, exchanges);
    }

    /// @notice Withdraws open listings before gate closure, and gives back what backed the rest of them: the caller's
    ///         own, or as a gateway those of participants who gave it their mandate; all or none
    function withdraw(uint256 area, uint32 period, uint256[] calldata listings) external {
        clock.requireOpen(period);
        Caller memory caller = _caller();
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](listings.length);
        uint256[] memory owners = new uint256[](listings.length);
        for (uint256 i; i < listings.length; ++i) {
            Listing memory listing = _listingOf(area, period, listings[i]);
            if (listing.wh == 0) revert NoListing(area, period, listings[i]);
            owners[i] = listing.participant;
            exchanges[i] = _exchange(listing.participant, _energy(listing.isRequest, listing.wh), 0);
            emit ListingWithdrawn(area, period, listings[i], listing.wh);
            _reduce(area, period, listings[i], listing, listing.wh);
        }
        uint256[] memory profiles = _exchangeAll(area, period, exchanges);
        for (uint256 i; i < listings.length; ++i) {
            _requireMayAct(caller, owners[i], profiles[i]);
        }
    }

    /// @notice After gate closure gives back what backs the next `maxListings` listings, as far as they were not
    ///         paired; anyone may. Settlement gives back what nobody released before it began.
    function release(uint256 area, uint32 period, uint256 maxListings) external {
        if (!_gateClosed(period)) revert GateStillOpen(period);
        if (clearingHouse.settling(area, period)) revert SettlementBegun(area, period);
        Board memory board = _boardOf(area, period);
        uint256 from = board.released;
        uint256 left = board.listings - from;
        if (maxListings < left) left = maxListings;
        if (left == 0) revert NothingToRelease(area, period);
        board.released += uint32(left);
        _boards[_key(area, period)] = board;
        IClearingHouse.Exchange[] memory exchanges = new IClearingHouse.Exchange[](left);
        uint256 open;
        for (uint256 i = from; i < from + left; ++i) {
            Listing memory listing = _listingOf(area, period, i);
            if (listing.wh == 0) continue;
            exchanges[open++] = _exchange(listing.participant, _energy(listing.isRequest, listing.wh), 0);
            _listings[_listingKey(area, period, i)].wh = 0;
        }
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(exchanges, open) // only ever shorter than it was made
        }
        _exchangeAll(area, period, exchanges);
        emit ListingsReleased(area, period, from, from + left);
    }

    /// @dev Takes `wh` off a listing; one with nothing left is open no more
    function _reduce(uint256 area, uint256 period, uint256 number, Listing memory listing, uint256 wh) internal {
        listing.wh -= uint32(wh);
        if (listing.wh == 0) _count(period, listing.participant, false);
        _listings[_listingKey(area, period, number)].wh = listing.wh;
    }

    function _store(uint256 area, uint32 period, uint256 number, Draft memory draft) private {
        _listings[_listingKey(area, period, number)] = Listing(
            period,
            draft.participant,
            draft.isRequest,
            draft.wh,
            draft.limitMicroEurPerWh,
            draft.partner,
            draft.zone,
            draft.sources
        );
        emit Listed(area, period, number, draft);
    }

    function _count(uint256 period, uint256 participant, bool more) private {
        uint256 lane = _countsOf(participant, period);
        if (more && lane & MAX_COUNT >= maxOpen) revert TooManyOpen(participant, period, maxOpen);
        _setCounts(participant, period, more ? lane + 1 : lane - 1);
    }

    function _setCounts(uint256 participant, uint256 period, uint256 lane) private {
        uint256 key = _countsKey(period, participant);
        _counts[key] = Lanes.set56(Lanes.ofPeriod(_counts[key], period), Lanes.laneOf(participant), lane);
    }

    // --- rules ---------------------------------------------------------------------------------

    function _requireWellFormed(uint256 period, Draft memory draft, uint256 retail) private view {
        uint256 participant = draft.participant;
        _requireSubscribed(participant, period);
        if (draft.wh < minWh || draft.wh > Lanes.MAX_WH) {
            revert QuantityOutOfRange(participant, draft.wh, minWh, Lanes.MAX_WH);
        }
        if (draft.limitMicroEurPerWh > retail) {
            revert PriceAboveRetail(participant, draft.limitMicroEurPerWh, retail);
        }
        if (!draft.isRequest && (draft.zone != 0 || draft.sources != 0)) {
            revert ClaimedBySeller(participant, draft.zone, draft.sources);
        }
        if (draft.zone != 0) registry.parentZone(draft.zone); // refuses an unknown zone
    }

    /// @dev The participant's signature for the calling gateway; its sequence only rises, so none is used twice
    function _requireSigned(uint256 area, uint256 period, SignedDraft calldata listing, bytes32 domain) private {
        uint256 participant = listing.draft.participant;
        _requireFresh(participant, listing.expiry);
        bytes32 terms = keccak256(
            bytes.concat(
                abi.encode(LISTING_TYPEHASH, area, period, listing.draft),
                abi.encode(listing.sequence, msg.sender, listing.expiry)
            )
        );
        _requireSigner(registry, participant, domain, terms, listing.r, listing.vs);
        uint256 lane = _countsOf(participant, period);
        uint256 current = lane >> COUNT_BITS;
        if (listing.sequence <= current) revert StaleSequence(participant, listing.sequence, current);
        _setCounts(participant, period, (uint256(listing.sequence) << COUNT_BITS) | (lane & MAX_COUNT));
    }

    function _caller() private view returns (Caller memory) {
        if (registry.hasRole(Roles.GATEWAY, msg.sender)) return Caller(registry.gatewayNumberOf(msg.sender), 0);
        return Caller(0, registry.numberOf(msg.sender));
    }

    function _requireMayAct(Caller memory caller, uint256 participant, uint256 profiles) private pure {
        uint256 profile = Lanes.get64(profiles, Lanes.laneOf(participant));
        if (caller.gateway != 0) _requireMandate(participant, profile, caller.gateway);
        else if (participant != caller.participant) revert NotForAnother(participant, caller.participant);
    }

    /// @dev Energy lane of a listing: an offer promises energy out, a request energy into the connection
    function _energy(bool isRequest, uint256 wh) private pure returns (uint256) {
        return isRequest ? Lanes.energy(0, wh) : Lanes.energy(wh, 0);
    }

    // --- questions -----------------------------------------------------------------------------

    /// @notice How many listings an area has in a period, and how many of them were released after gate closure
    function boardOf(uint256 area, uint256 period) external view returns (Board memory) {
        return _boardOf(area, period);
    }

    /// @notice The listings `from` .. `from + count - 1` of an area and period, fewer at the end of the board
    function listingsOf(uint256 area, uint256 period, uint256 from, uint256 count)
        external
        view
        returns (Listing[] memory found)
    {
        uint256 all = _boardOf(area, period).listings;
        uint256 left = from < all ? all - from : 0;
        found = new Listing[](count < left ? count : left);
        for (uint256 i; i < found.length; ++i) {
            found[i] = _listingOf(area, period, from + i);
        }
    }

    /// @notice How many open listings a participant has in a period, and the last sequence it signed there
    function countsOf(uint256 participant, uint256 period) external view returns (uint256 open, uint256 sequence) {
        uint256 lane = _countsOf(participant, period);
        return (lane & MAX_COUNT, lane >> COUNT_BITS);
    }

    function _listingOf(uint256 area, uint256 period, uint256 number) internal view returns (Listing memory listing) {
        if (number >= _boardOf(area, period).listings) revert NoListing(area, period, number);
        listing = _listings[_listingKey(area, period, number)];
    }

    function _boardOf(uint256 area, uint256 period) private view returns (Board memory board) {
        board = _boards[_key(area, period)];
        if (board.period != period) board = Board(uint32(period), 0, 0);
    }

    function _countsOf(uint256 participant, uint256 period) private view returns (uint256) {
        uint256 four = Lanes.ofPeriod(_counts[_countsKey(period, participant)], period);
        return Lanes.get56(four, Lanes.laneOf(participant));
    }

    function _countsKey(uint256 period, uint256 participant) private view returns (uint256) {
        return ((period % _ringSize) << 64) | Lanes.groupOf(participant);
    }

    function _listingKey(uint256 area, uint256 period, uint256 number) private view returns (uint256) {
        return ((period % _ringSize) << 64) | (area << 32) | number;
    }
}
