"""Bilateral market of a replay: listings of all points, matched by preference, paired on the chain."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from gridbourse.agents.listings import PRICE_RULES, Neighbours
from gridbourse.chain.bindings.bilateral import (
    ANY_SOURCE,
    ANYONE,
    ANYWHERE,
    Draft,
    PairingCall,
    listing_domain,
    sign_listing,
)
from gridbourse.deployment.participants import (
    SIGNATURE_LIFE_S,
    account_name,
    routes_of,
    source_bits,
    without_mandate,
)
from gridbourse.model.bilateral import Offer, Pairing, Request, match
from gridbourse.model.house_accounts import OPERATOR_ACCOUNT
from gridbourse.model.trade import TradeWord
from replay.markets.checked_trades import Judging, Match, Placed
from replay.markets.market import Ints, Trading, Transfer
from replay.order_routes import FIRST_SEQUENCE

LISTINGS_A_CALL = 80
PAIRINGS_A_CALL = 80


@dataclass
class ListingPeriod:
    """Listings and pairings of one period."""

    placed: list[Placed]
    on_board: list[int]
    matches: list[Match]
    transfers: list[Transfer]


@dataclass
class BilateralMarketVenue:
    """Board on which offers and requests are listed; the operator pairs them as the model matches them."""

    judging: Judging
    kind: str = "bilateral"
    _sessions: dict[int, ListingPeriod] = field(default_factory=dict)
    _subscribed_until: int = 0

    def __post_init__(self) -> None:
        self._scenario, self._members = self.judging.scenario, self.judging.members
        self._market, self._contract = self.judging.market, self.judging.market.bilateral
        self._route_of = routes_of(self._scenario, self._members)
        chain_id = self._market.chain.w3.eth.chain_id
        self._domain = listing_domain(chain_id, self._contract.address)

    @cached_property
    def _people(self) -> Neighbours:
        return Neighbours(self._scenario, self._members.number_of, self._members.zones)

    def trade(self, period: int, wanted_wh: Ints) -> Ints:
        """List, match, pair."""
        transfers = self._subscribe(period)
        people = self._people
        offers, requests = people.listings(period, wanted_wh)
        listings: list[Offer | Request] = [*offers, *requests]
        placed = [self._placed(listing) for listing in listings]
        on_board = self._list(period, listings, placed)
        rule = PRICE_RULES[people.rules.pricing]
        pairings = match(offers, requests, people.zones, rule)
        self._pair(period, pairings, on_board, len(offers))
        matches = [
            Match(_word(pairing), (placed[pairing.offer], placed[len(offers) + pairing.request]))
            for pairing in pairings
        ]
        self._sessions[period] = ListingPeriod(placed, on_board, matches, transfers)
        return self.judging.promised(match_.trade for match_ in matches)

    def withdraw(self, period: int) -> None:
        """Take the rest of every listing off the board: by the gateway, or by its owner without a mandate."""
        session = self._sessions[period]
        paired: dict[int, int] = defaultdict(int)
        for match_ in session.matches:
            for order in match_.orders:
                paired[id(order)] += match_.trade.wh
        rows = zip(session.placed, session.on_board, strict=True)
        alone, left = without_mandate(self._scenario), []
        for order, number in rows:
            if paired[id(order)] == order.wh:
                continue
            if order.point_id in alone:
                account = self._market.keys[account_name(order.point_id)]
                self._contract.withdraw(account, period, [number])
            else:
                left.append(number)
        for start in range(0, len(left), LISTINGS_A_CALL):
            page = left[start : start + LISTINGS_A_CALL]
            self._contract.withdraw(self._market.keys["gateway"], period, page)

    def close(self, period: int) -> Trading:
        """Release the collateral of the remaining listings, and have the DSO judge each pairing."""
        session = self._sessions.pop(period)
        operator = self._market.keys["operator"]
        self._contract.release(operator, period, LISTINGS_A_CALL)
        return self.judging.decide(
            self.kind, self._contract, period, session.placed, session.matches, session.transfers
        )

    # --- subscriptions -------------------------------------------------------------------------

    def _subscribe(self, period: int) -> list[Transfer]:
        """Pay both sides' subscriptions for the whole replay when its first period opens."""
        each = self._people.rules.subscription_micro_eur_per_period(self._scenario.mtu)
        last = self._scenario.replayed.stop
        if not each or period < self._subscribed_until:
            return []
        self._subscribed_until = last
        transfers = []
        for point, number in self._members.number_of.items():
            account = self._market.keys[account_name(point)]
            self._contract.subscribe(account, last - period)
            fee = each * (last - period)
            transfers.append(Transfer(number, OPERATOR_ACCOUNT, "subscription", fee))
        return transfers

    # --- the board -----------------------------------------------------------------------------

    def _placed(self, listing: Offer | Request) -> Placed:
        who, side, price = _terms(listing)
        point = self._members.point_of[who]
        return Placed(point, self._route_of[point], side, listing.wh, price)

    def _list(
        self, period: int, listings: Sequence[Offer | Request], placed: Sequence[Placed]
    ) -> list[int]:
        """Numbers of the listings on the board, in their order."""
        on_board = [-1] * len(listings)
        drafts = [self._draft(listing) for listing in listings]
        for route, rows in _calls(placed):
            some = [drafts[row] for row in rows]
            points = [placed[row].point_id for row in rows]
            numbers = self._bring(period, route, points, some)
            for row, number in zip(rows, numbers, strict=True):
                on_board[row] = number
        return on_board

    def _bring(
        self, period: int, route: str, points: Sequence[str], drafts: Sequence[Draft]
    ) -> list[int]:
        """List in one transaction, by the participant itself or by the gateway."""
        gateway = self._market.keys["gateway"]
        accounts = [self._market.keys[account_name(point)] for point in points]
        if route == "own":
            return self._contract.list_drafts(accounts[0], period, drafts)
        if route == "mandate":
            return self._contract.list_drafts(gateway, period, drafts)
        latest = self._market.chain.w3.eth.get_block("latest")
        expiry = latest["timestamp"] + SIGNATURE_LIFE_S
        signed = [
            sign_listing(
                account, self._domain, self._contract.area, period, draft, FIRST_SEQUENCE,
                gateway.address, expiry,
            )
            for account, draft in zip(accounts, drafts, strict=True)
        ]  # fmt: skip
        return self._contract.list_signed(gateway, period, signed)

    def _draft(self, listing: Offer | Request) -> Draft:
        who, _, price = _terms(listing)
        if isinstance(listing, Offer):
            return Draft(who, False, listing.wh, price, listing.buyer or ANYONE)
        accepted = ANY_SOURCE
        if listing.sources is not None:
            accepted = source_bits(self._people, listing.sources)
        zone = listing.within or ANYWHERE
        return Draft(who, True, listing.wh, price, listing.seller or ANYONE, zone, accepted)

    def _pair(
        self, period: int, pairings: Sequence[Pairing], on_board: Sequence[int], offers: int
    ) -> None:
        calls = [
            PairingCall(
                on_board[pairing.offer],
                on_board[offers + pairing.request],
                pairing.wh,
                pairing.price_micro_eur_per_wh,
            )
            for pairing in pairings
        ]
        self._contract.pair(self._market.keys["operator"], period, calls, PAIRINGS_A_CALL)


def _calls(placed: Sequence[Placed]) -> Iterator[tuple[str, list[int]]]:
    """Rows of each transaction: own ones each by itself, a gateway's by the page."""
    rows_of: dict[str, list[int]] = {"signed": [], "mandate": []}
    for row, order in enumerate(placed):
        if order.route == "own":
            yield order.route, [row]
        else:
            rows_of[order.route].append(row)
    for route, rows in rows_of.items():
        for start in range(0, len(rows), LISTINGS_A_CALL):
            yield route, rows[start : start + LISTINGS_A_CALL]


def _terms(listing: Offer | Request) -> tuple[int, str, int]:
    """(participant, side, limit price)."""
    if isinstance(listing, Offer):
        return listing.seller, "offer", listing.least_micro_eur_per_wh
    return listing.buyer, "bid", listing.most_micro_eur_per_wh


def _word(pairing: Pairing) -> TradeWord:
    return TradeWord(pairing.seller, pairing.buyer, pairing.wh, pairing.price_micro_eur_per_wh)
