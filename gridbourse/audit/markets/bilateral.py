"""Bilateral market, rebuilt: listings, pairings and subscriptions (`BilateralMarket.sol`)."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.modules import Handlers
from gridbourse.audit.core.reservations import Energy
from gridbourse.audit.core.transfers import Transfer
from gridbourse.audit.markets.checked_trades import CheckedTrades, shown, trade_of
from gridbourse.audit.markets.rebuild_context import RebuildContext
from gridbourse.chain.bindings.bilateral import ANY_SOURCE, ANYONE, ANYWHERE, Draft
from gridbourse.chain.deployment.markets.bilateral import SELLERS_PRICE
from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.model.house_accounts import OPERATOR_ACCOUNT
from gridbourse.model.trade import MOST_WH, TradeWord


@dataclass(frozen=True)
class BoardRules:
    """Rules of the bilateral market; seller_price: every pairing at the least price of the offer."""

    seller_price: bool
    min_wh: int
    max_open: int
    subscription_micro_eur_per_period: int


@dataclass
class Listing:
    """Offer or request; `left_wh` is neither paired nor withdrawn."""

    draft: Draft
    left_wh: int

    def energy(self, wh: int) -> Energy:
        """Energy that so many Wh of it promise of the connection."""
        return Energy.of(BID if self.draft.is_request else OFFER, wh)


@dataclass
class Board:
    """Listings of an area and period by number; the first `released` have been given back."""

    listings: dict[int, Listing]
    released: int = 0


class BilateralMarket(CheckedTrades):
    """Listings of every area and period. `listings` counts them."""

    name = "BilateralMarket"

    def __init__(self, rules: BoardRules, common: Common) -> None:
        super().__init__(1, common)
        self._rules, self._transfers = rules, common.transfers
        self._boards: defaultdict[tuple[int, int], Board] = defaultdict(lambda: Board({}))
        self._subscribed_until: defaultdict[int, int] = defaultdict(int)
        # Number of listings with energy left, by period and participant.
        self._open: Counter[tuple[int, int]] = Counter()
        self.listings = 0
        self.pairings: list[tuple[str, int, int, int]] = []
        """(place, least, most, price) of each, µEUR per Wh."""

    def handlers(self) -> Handlers:
        """Handler of each event of the contract."""
        return super().handlers() | {
            "Subscribed": self.subscribed,
            "Listed": self.listed,
            "ListingWithdrawn": self.withdrawn,
            "ListingsReleased": self.released,
            "Paired": self.paired,
            "PairingStale": self.stale,
        }

    def totals(self) -> dict[str, int]:
        """Counts for the audit's summary, by name."""
        return {"listings": self.listings, "pairings": self.trades}

    # --- subscriptions -----------------------------------------------------------------------

    def subscribed(self, event: Event) -> None:
        """Subscribed: from the end of the last one, or the next open period, and paid."""
        participant, where = event["participant"], event.at("participant")
        first, until = event["fromPeriod"], event["untilPeriod"]
        earliest = max(self._subscribed_until[participant], self._clock.next_open_period)
        if self._clock.is_known:
            self._findings.compare("subscription", f"from period, {where}", first, earliest)
        continues = self._subscribed_until[participant] <= first < until
        self._require("subscription", where, continues, "paid before, or for no period")
        fee = self._rules.subscription_micro_eur_per_period * (until - first)
        self._findings.compare("subscription", f"fee, µEUR, {where}", event["feeMicroEur"], fee)
        self._transfers.move(self.name, [Transfer(participant, OPERATOR_ACCOUNT, fee)], where)
        self._subscribed_until[participant] = until

    # --- listings ----------------------------------------------------------------------------

    def listed(self, event: Event) -> None:
        """Listed: numbered in order, within the rules, and backed."""
        period, draft = event["period"], Draft(*event["draft"])
        board = self._boards[event["area"], period]
        where = f"participant {draft.participant}, {event.at('area', 'period')}"
        number = len(board.listings)
        self._findings.compare("listing", f"number, {where}", event["listing"], number)
        self._require_listable(event["area"], period, draft, where)
        self.listings += 1
        self._open[period, draft.participant] += 1
        board.listings[number] = Listing(draft, draft.wh)
        claimed = board.listings[number].energy(draft.wh)
        self._reservations.claim(period, draft.participant, claimed, where)

    def _require_listable(self, area: int, period: int, draft: Draft, where: str) -> None:
        self._clock.require_open(period, f"listing, {where}")
        rules, who = self._rules, draft.participant
        paid = rules.subscription_micro_eur_per_period == 0 or period < self._subscribed_until[who]
        claims = not draft.is_request and (draft.zone, draft.sources) != (ANYWHERE, ANY_SOURCE)
        retail = self._tariffs.energy(area, period).retail
        for holds, rule in (
            (self._members.area_of(who) == area, "of another area"),
            (paid, "not subscribed"),
            (rules.min_wh <= draft.wh <= MOST_WH, "too little or too much energy"),
            (draft.limit_micro_eur_per_wh <= retail, "above the retail price"),
            (not claims, "a seller claims its zone or source"),
            (draft.zone < len(self._members.zones), "no such zone"),
            (self._open[period, who] < rules.max_open, "too many open listings"),
        ):
            self._require("listing", where, holds, rule)

    def withdrawn(self, event: Event) -> None:
        """ListingWithdrawn: with the energy left of it."""
        area, period, number = event["area"], event["period"], event["listing"]
        where = event.at("area", "period", "listing")
        self._clock.require_open(period, f"withdrawal, {where}")
        listing = self._boards[area, period].listings.get(number)
        left = listing.left_wh if listing else None
        self._findings.compare("listing", f"Wh withdrawn, {where}", event["wh"], left)
        self._require("listing", where, bool(left), "nothing is left of it")
        if listing:
            self._give_back(period, listing)

    def released(self, event: Event) -> None:
        """ListingsReleased: the next ones in order, after gate closure."""
        area, period, until = event["area"], event["period"], event["until"]
        where = event.at("area", "period")
        board = self._boards[area, period]
        self._clock.require_closed(period, f"release, {where}")
        begun = (area, period) in self._money.settling
        self._require("listing", where, not begun, "settlement has begun")
        self._findings.compare("listing", f"released from, {where}", event["from"], board.released)
        there = board.released < until <= len(board.listings)
        self._require("listing", where, there, "releases what is not on the board")
        for number in range(board.released, min(until, len(board.listings))):
            self._give_back(period, board.listings[number])
        board.released = max(board.released, min(until, len(board.listings)))

    def _give_back(self, period: int, listing: Listing) -> None:
        released = listing.energy(listing.left_wh)
        self._reservations.give_back(period, listing.draft.participant, released)
        self._take(period, listing, listing.left_wh)

    def _take(self, period: int, listing: Listing, wh: int) -> None:
        """Take energy off a listing; without any left it is not open any more."""
        if 0 < listing.left_wh <= wh:
            self._open[period, listing.draft.participant] -= 1
        listing.left_wh -= wh

    # --- pairings ----------------------------------------------------------------------------

    def paired(self, event: Event) -> None:
        """Paired: within the limits of both sides; the only trade of the next group."""
        area, period = event["area"], event["period"]
        where = event.at("area", "period", "offer", "request")
        self._clock.require_open(period, f"pairing, {where}")
        group = self.next_group(area, period)
        self._findings.compare("group", f"of a pairing, {where}", event["group"], group)
        listings = self._boards[area, period].listings
        offer, request = listings.get(event["offer"]), listings.get(event["request"])
        trade = trade_of(event["trade"])
        if offer is None or request is None or trade is None:
            self._require("pairing", where, False, "no such offer, request or trade")
            return
        seller, buyer = offer.draft.participant, request.draft.participant
        parties = trade._replace(seller=seller, buyer=buyer)
        self._findings.compare("trade", where, shown(trade), shown(parties))
        self._require_pairing(offer, request, parties, where)
        limits = (offer.draft.limit_micro_eur_per_wh, request.draft.limit_micro_eur_per_wh)
        self.pairings.append((where, *limits, trade.price_micro_eur_per_wh))
        for listing in (offer, request):
            self._take(period, listing, trade.wh)
        self.record(area, period, parties)

    def stale(self, event: Event) -> None:
        """PairingStale: left out, for one of its listings has less than its energy left."""
        where = event.at("area", "period", "offer", "request")
        self._clock.require_open(event["period"], f"pairing, {where}")
        listings = self._boards[event["area"], event["period"]].listings
        sides = [listings.get(event["offer"]), listings.get(event["request"])]
        left = [side.left_wh for side in sides if side is not None]
        little = len(left) == 2 and min(left) < event["wh"]
        self._require("pairing", where, little, "there is as much left")

    def _require_pairing(
        self, offer: Listing, request: Listing, trade: TradeWord, where: str
    ) -> None:
        seller, buyer, wh, price = trade
        least, most = offer.draft.limit_micro_eur_per_wh, request.draft.limit_micro_eur_per_wh
        attested, wanted = self._members.sources.get(seller, 0), request.draft.sources
        zone = request.draft.zone
        for holds, rule in (
            (not offer.draft.is_request, "not an offer"),
            (request.draft.is_request, "not a request"),
            (0 < wh <= min(offer.left_wh, request.left_wh), "more than is left"),
            (seller != buyer, "trades with itself"),
            (offer.draft.partner in (ANYONE, buyer), "the offer is for another"),
            (request.draft.partner in (ANYONE, seller), "the request is for another"),
            (least <= price <= most, "beyond a limit"),
            (not self._rules.seller_price or price == least, "not the seller's price"),
            (wanted == ANY_SOURCE or _within(attested, wanted), "of another source"),
            (zone == ANYWHERE or self._members.is_within(seller, zone), "outside the zone"),
        ):
            self._require("pairing", where, holds, rule)


def _within(attested: int, accepted: int) -> bool:
    """True where sources are attested, and all of them are accepted."""
    return attested != 0 and attested & ~accepted == 0


def rules_of(arguments: list[Any]) -> BoardRules:
    """Rules of its constructor."""
    [[_, _, price_rule, min_wh, max_open, subscription]] = arguments
    return BoardRules(price_rule == SELLERS_PRICE, min_wh, max_open, subscription)


def rebuild(rules: BoardRules, about: RebuildContext) -> BilateralMarket:
    """The market of a deployment, before its first event."""
    return BilateralMarket(rules, about.common)
