// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ITariff} from "../../interfaces/ITariff.sol";
import {Profile} from "../../libraries/Profile.sol";
import {ProfileLookup} from "../../libraries/ProfileLookup.sol";
import {Roles} from "../../libraries/Roles.sol";
import {TradeWord} from "../../libraries/TradeWord.sol";
import {CheckedTrades} from "../CheckedTrades.sol";
import {Listings} from "./Listings.sol";
import {Subscriptions} from "./Subscriptions.sol";

/// @title Neighbour to neighbour: offers and requests with preferences, paired one by one
/// @notice The market operator ranks and matches off the chain (`gridbourse.model.bilateral`); here every pairing has to
///         respect the limits of both sides, or none of the call goes through; one whose listing has been withdrawn or
///         paired meanwhile is left out, so that nobody undoes the others'. A seller may have many buyers, a buyer many
///         sellers. Pairings are made until gate closure. Each is a trade of its own that waits for the DSO: a
///         rejected one gives both sides their reservations back, it does not go back on the board.
contract BilateralMarket is Listings {
    /// @notice What a pairing may cost
    enum PriceRule {
        Seller, // exactly the least price of the offer: the market adds no margin
        Within // anything from the least price of the offer to the most of the request
    }

    /// @notice Where the market is anchored and its rules
    struct Settings {
        Anchors anchors;
        ITariff tariff;
        PriceRule priceRule;
        uint256 minWh;
        uint256 maxOpen;
        uint256 subscriptionMicroEurPerPeriod;
    }

    /// @notice `wh` of an offer go to a request, both by their numbers on the board
    struct Pairing {
        uint32 offer;
        uint32 request;
        uint32 wh;
        uint16 priceMicroEurPerWh;
    }

    /// @notice What a pairing may cost
    PriceRule public immutable priceRule;

    /// @notice An offer and a request were paired: the only trade (see TradeWord) of a group that waits for the DSO
    event Paired(
        uint256 indexed area,
        uint256 indexed period,
        uint256 indexed group,
        uint256 trade,
        uint256 offer,
        uint256 request
    );

    /// @notice A pairing was left out: less than `wh` is left of its offer or of its request
    event PairingStale(
        uint256 indexed area, uint256 indexed period, uint256 offer, uint256 request, uint256 wh
    );

    /// @notice A pairing is for some energy
    error EmptyPairing(uint256 offer, uint256 request);
    /// @notice The listing that is named as the offer is a request
    error NotAnOffer(uint256 listing);
    /// @notice The listing that is named as the request is an offer
    error NotARequest(uint256 listing);
    /// @notice There is no pairing in the call
    error NothingPaired(uint256 area, uint256 period);
    /// @notice Nobody trades with itself
    error SelfTrade(uint256 participant);
    /// @notice The listing is for one partner only, and the other side is not it
    error OtherPartner(uint256 listing, uint256 partner, uint256 named);
    /// @notice The price is below the least of the offer
    error PriceBelowOffer(uint256 offer, uint256 priceMicroEurPerWh, uint256 leastMicroEurPerWh);
    /// @notice The price is above the most of the request
    error PriceAboveRequest(uint256 request, uint256 priceMicroEurPerWh, uint256 mostMicroEurPerWh);
    /// @notice By this market's rule a pairing costs exactly the least price of the offer
    error NotTheSellersPrice(uint256 offer, uint256 priceMicroEurPerWh, uint256 leastMicroEurPerWh);
    /// @notice None of the seller's attested sources is one that the request accepts; one bit a source
    error SourceNotAccepted(uint256 request, uint256 seller, uint256 attested, uint256 accepted);
    /// @notice The seller is neither in the zone that the request names nor below it
    error OutsideZone(uint256 request, uint256 seller, uint256 sellerZone, uint256 zone);

    constructor(Settings memory settings)
        CheckedTrades(settings.anchors, 1)
        EIP712("gridbourse BilateralMarket", "1")
        Subscriptions(settings.subscriptionMicroEurPerPeriod)
        Listings(settings.tariff, settings.minWh, settings.maxOpen)
    {
        priceRule = settings.priceRule;
    }

    /// @notice Pairs offers with requests of an area and period until gate closure; the market operator may. All or none, but
    ///         for those whose listing has too little left, which the operator cannot know beforehand
    function pair(uint256 area, uint32 period, Pairing[] calldata pairings) external {
        registry.requireRole(Roles.OPERATOR, msg.sender);
        clock.requireOpen(period);
        Ledger memory ledger = _enter(area, period);
        uint256 before = ledger.groups;
        for (uint256 i; i < pairings.length; ++i) {
            Pairing calldata pairing = pairings[i];
            uint256 trade = _pair(area, period, pairing);
            if (trade == 0) {
                emit PairingStale(area, period, pairing.offer, pairing.request, pairing.wh);
                continue;
            }
            emit Paired(area, period, ledger.groups, trade, pairing.offer, pairing.request);
            _record(ledger, area, trade);
        }
        if (ledger.groups == before) revert NothingPaired(area, period);
        _ledgers[_key(area, period)] = ledger;
    }

    /// @dev The trade; zero where too little is left of the offer or the request
    function _pair(uint256 area, uint256 period, Pairing calldata pairing) private returns (uint256 trade) {
        Listing memory offer = _listingOf(area, period, pairing.offer);
        Listing memory request = _listingOf(area, period, pairing.request);
        _requireSides(pairing, offer, request);
        if (pairing.wh > offer.wh || pairing.wh > request.wh) return 0;
        _requirePartners(pairing, offer, request);
        _requirePrice(pairing, offer.limitMicroEurPerWh, request.limitMicroEurPerWh);
        _requireSource(pairing.request, offer.participant, request.sources);
        _requireZone(pairing.request, offer.participant, request.zone);
        _reduce(area, period, pairing.offer, offer, pairing.wh);
        _reduce(area, period, pairing.request, request, pairing.wh);
        return TradeWord.pack(offer.participant, request.participant, pairing.wh, pairing.priceMicroEurPerWh);
    }

    function _requireSides(Pairing calldata pairing, Listing memory offer, Listing memory request) private pure {
        if (offer.isRequest) revert NotAnOffer(pairing.offer);
        if (!request.isRequest) revert NotARequest(pairing.request);
        if (pairing.wh == 0) revert EmptyPairing(pairing.offer, pairing.request);
    }

    function _requirePartners(Pairing calldata pairing, Listing memory offer, Listing memory request) private pure {
        if (offer.participant == request.participant) revert SelfTrade(offer.participant);
        if (offer.partner != 0 && offer.partner != request.participant) {
            revert OtherPartner(pairing.offer, request.participant, offer.partner);
        }
        if (request.partner != 0 && request.partner != offer.participant) {
            revert OtherPartner(pairing.request, offer.participant, request.partner);
        }
    }

    function _requirePrice(Pairing calldata pairing, uint256 least, uint256 most) private view {
        uint256 price = pairing.priceMicroEurPerWh;
        if (price < least) revert PriceBelowOffer(pairing.offer, price, least);
        if (price > most) revert PriceAboveRequest(pairing.request, price, most);
        if (priceRule == PriceRule.Seller && price != least) revert NotTheSellersPrice(pairing.offer, price, least);
    }

    /// @dev Everything the seller's energy is made from has to be accepted; what nobody attested is not
    function _requireSource(uint256 request, uint256 seller, uint256 accepted) private view {
        if (accepted == 0) return;
        uint256 attested = registry.sourcesOf(seller);
        if (attested == 0 || attested & ~accepted != 0) revert SourceNotAccepted(request, seller, attested, accepted);
    }

    /// @dev Zones are a tree: the seller's, or one above it, has to be the one asked for
    function _requireZone(uint256 request, uint256 seller, uint256 zone) private view {
        if (zone == 0) return;
        uint256 sellerZone = Profile.zone(ProfileLookup.profileOf(registry, seller));
        uint256 above = sellerZone;
        while (above != zone) {
            if (above == 0) revert OutsideZone(request, seller, sellerZone, zone);
            above = registry.parentZone(above);
        }
    }
}
