"""Deals over the counter, their margins and defaults, rebuilt (`OverTheCounter.sol`).

The log hides a deal's terms until a period of it becomes a trade. The costs of defaults before that are
compared once the terms are known; a deal with defaults in every period stays hidden.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.modules import Handlers
from gridbourse.audit.core.reservations import Energy
from gridbourse.audit.core.transfers import Transfer
from gridbourse.audit.markets.checked_trades import CheckedTrades, shown, trade_of
from gridbourse.audit.markets.deal_hash import deal_hash
from gridbourse.audit.markets.rebuild_context import RebuildContext
from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.model.house_accounts import MARGIN_ACCOUNT
from gridbourse.model.over_the_counter import (
    SALT_BYTES,
    DealOutcome,
    DealTerms,
    SupplierPrices,
    damages,
)
from gridbourse.model.trade import TradeWord


@dataclass(frozen=True)
class DealRules:
    """Rules of deals over the counter; max_performed: most deals a seller performs in a period."""

    min_wh: int
    max_performed: int


@dataclass(frozen=True)
class Default:
    """Default of one party; most_wh: energy it could have promised at that moment."""

    period: int
    participant: int
    owed: int
    most_wh: int
    prices: SupplierPrices
    where: str


@dataclass
class Deal:
    """Concluded deal; left: of the margins by party, µEUR; terms: once a period was performed.

    unexplained: defaults whose cost was not compared yet.
    """

    seller: int
    buyer: int
    left: dict[int, int]
    terms: DealTerms | None = None
    performed: set[int] = field(default_factory=set)
    defaults: list[Default] = field(default_factory=list)
    unexplained: list[Default] = field(default_factory=list)
    closed: bool = False

    @property
    def last_period(self) -> int:
        """Last period with a trade or a default; 0 without any."""
        return max({*self.performed, *(default.period for default in self.defaults)}, default=0)

    def other(self, participant: int) -> int:
        """The other party's number."""
        return self.buyer if participant == self.seller else self.seller


class OverTheCounter(CheckedTrades):
    """Deals by hash. `requests` counts the requests for quote."""

    name = "OverTheCounter"

    def __init__(self, rules: DealRules, domain: tuple[int, str], common: Common) -> None:
        """`domain`: chain id and address of the contract, which the hashes of deals are bound to."""
        super().__init__(1, common)
        self._rules, self._domain, self._transfers = rules, domain, common.transfers
        # Number of deals performed as their seller, by period and participant.
        self._sold: Counter[tuple[int, int]] = Counter()
        self.deals: dict[bytes, Deal] = {}
        self.performed: list[tuple[int, TradeWord]] = []
        self.requests = 0

    def handlers(self) -> Handlers:
        """Handler of each event of the contract."""
        return super().handlers() | {
            "QuoteRequested": self.quote_requested,
            "Quoted": self.quoted,
            "DealConcluded": self.concluded,
            "DealPerformed": self.deal_performed,
            "Defaulted": self.defaulted,
            "Closed": self.closed,
        }

    def totals(self) -> dict[str, int]:
        """Counts for the audit's summary, by name."""
        return {"deals": len(self.deals), "deal_trades": self.trades}

    @property
    def margins_left(self) -> int:
        """Sum that the margin account has to hold, µEUR."""
        return sum(sum(deal.left.values()) for deal in self.deals.values())

    # --- quotes and deals --------------------------------------------------------------------

    def quote_requested(self, event: Event) -> None:
        """QuoteRequested: numbered from 0."""
        where = event.at("participant")
        self._findings.compare("deal", f"request, {where}", event["request"], self.requests)
        self._require_committed(event)
        self.requests += 1

    def quoted(self, event: Event) -> None:
        """Quoted: the answer to a request."""
        where = event.at("request", "participant")
        self._require("deal", where, event["request"] < self.requests, "answers no request")
        self._require_committed(event)

    def _require_committed(self, event: Event) -> None:
        where = event.at("request", "participant")
        known = event["participant"] in self._members.participants
        self._require("deal", where, known, "never registered")
        self._require("deal", where, any(event["commitment"]), "nothing is committed to")

    def concluded(self, event: Event) -> None:
        """DealConcluded: once, under its own hash; both margins are set aside."""
        seller, buyer, by_seller, by_buyer, *_ = event["concluded"]
        name, where = event["deal"], f"deal {_short(event['deal'])}, {event.where}"
        self._findings.compare("deal", where, name, deal_hash(*self._domain, event["concluded"]))
        parties = (event["seller"], event["buyer"])
        self._findings.compare("deal", f"(seller, buyer), {where}", parties, (seller, buyer))
        self._require("deal", where, name not in self.deals, "concluded before")
        self._require("deal", where, seller != buyer, "with itself")
        if seller == buyer:
            return
        for party in (seller, buyer):
            member = self._members.participants.get(party)
            active = member is not None and member.active
            self._require("deal", f"participant {party}, {where}", active, "not active")
        self.deals[name] = Deal(seller, buyer, {seller: by_seller, buyer: by_buyer})
        margins = [
            Transfer(seller, MARGIN_ACCOUNT, by_seller),
            Transfer(buyer, MARGIN_ACCOUNT, by_buyer),
        ]
        self._transfers.move(self.name, margins, where)

    def closed(self, event: Event) -> None:
        """Closed: the rest of the margins goes back, once no period of it can be performed."""
        if (deal := self._open_deal(event)) is None:
            return
        where = f"deal {_short(event['deal'])}, {event.where}"
        if deal.last_period:
            self._clock.require_closed(deal.last_period, f"closing, {where}")
        left = (deal.left[deal.seller], deal.left[deal.buyer])
        chain = (event["sellerMicroEur"], event["buyerMicroEur"])
        self._findings.compare("deal", f"margins left, µEUR, {where}", chain, left)
        back = [Transfer(MARGIN_ACCOUNT, who, left) for who, left in deal.left.items()]
        self._transfers.move(self.name, back, where)
        deal.left, deal.closed = dict.fromkeys(deal.left, 0), True

    # --- periods of a deal -------------------------------------------------------------------

    def deal_performed(self, event: Event) -> None:
        """DealPerformed: both sides are backed; the only trade of the next group."""
        deal, trade = self._open_deal(event), trade_of(event["trade"])
        area, period = event["area"], event["period"]
        where = f"deal {_short(event['deal'])}, {event.at('area', 'period')}"
        group = self.next_group(area, period)
        self._findings.compare("group", f"of a deal, {where}", event["group"], group)
        tradable = trade is not None and trade.wh >= self._rules.min_wh
        self._require("deal", where, tradable, "no trade, or one of too little energy")
        if deal is None or trade is None or not tradable:
            return
        self._require_new(deal, period, where)
        deal.performed.add(period)
        parties = self._agreed(deal, trade, period)
        self._findings.compare("trade", where, shown(trade), shown(parties))
        retail = self._tariffs.energy(area, period).retail
        below = parties.price_micro_eur_per_wh <= retail
        self._require("deal", where, below, "above the retail price")
        for who, side in ((deal.seller, OFFER), (deal.buyer, BID)):
            in_area = self._members.area_of(who) == area
            self._require("deal", f"participant {who}, {where}", in_area, "of another area")
            self._reservations.claim(period, who, Energy.of(side, parties.wh), where)
        room = self._sold[period, deal.seller] < self._rules.max_performed
        self._require("deal", f"participant {deal.seller}, {where}", room, "sold too many deals")
        self._sold[period, deal.seller] += 1
        self.performed.append((period, parties))
        self.record(area, period, parties)

    def defaulted(self, event: Event) -> None:
        """Defaulted: the margin pays the damages as far as it reaches."""
        if (deal := self._open_deal(event)) is None:
            return
        who, period, owed = event["participant"], event["period"], event["owedMicroEur"]
        where = f"participant {who}, deal {_short(event['deal'])}, {event.at('period')}"
        if who not in deal.left:
            self._require("deal", where, False, "no party")
            return
        self._require_new(deal, period, where, by=who)
        member = self._members.participants.get(who)
        held_back = member is not None and member.held_back
        self._require("default", where, not held_back, "the operator keeps it from performing")
        paid = min(owed, deal.left[who])
        self._findings.compare("default", f"paid, µEUR, {where}", event["paidMicroEur"], paid)
        self._transfers.move(self.name, [Transfer(MARGIN_ACCOUNT, deal.other(who), paid)], where)
        deal.left[who] -= paid
        side = OFFER if who == deal.seller else BID
        most_wh = self._reservations.most(period, who, side)
        prices = SupplierPrices(*self._tariffs.energy(self._members.area_of(who), period))
        if side == OFFER and self._sold[period, who] >= self._rules.max_performed:
            most_wh = 0
        default = Default(period, who, owed, most_wh, prices, where)
        deal.defaults.append(default)
        deal.unexplained.append(default)

    def _open_deal(self, event: Event) -> Deal | None:
        deal = self.deals.get(event["deal"])
        where = f"deal {_short(event['deal'])}, {event.name}, {event.where}"
        open_ = deal is not None and not deal.closed
        self._require("deal", where, open_, "not concluded, or closed")
        return deal if open_ else None

    def _require_new(self, deal: Deal, period: int, where: str, by: int | None = None) -> None:
        """Require that each period is done once, before its gate closure; in one both parties may default."""
        self._clock.require_open(period, f"deal, {where}")
        others = [d for d in deal.defaults if d.period == period]
        new = period not in deal.performed and all(
            by is not None and d.participant == deal.other(by) for d in others
        )
        self._require("deal", where, new, "performed before")

    def _agreed(self, deal: Deal, trade: TradeWord, period: int) -> TradeWord:
        """Trade by the terms of the deal, which its first trade shows."""
        if deal.terms is None:
            deal.terms = DealTerms(
                deal.seller, deal.buyer, period, 1, trade.wh, trade.price_micro_eur_per_wh,
                deal.left[deal.seller], deal.left[deal.buyer], bytes(SALT_BYTES),
            )  # fmt: skip
        terms = deal.terms
        return TradeWord(deal.seller, deal.buyer, terms.wh, terms.price_micro_eur_per_wh)

    def require_nothing_loose(self) -> None:
        """Final check: every default cost what the model says, as far as terms are known."""
        super().require_nothing_loose()
        for deal in self.deals.values():
            unexplained = []
            for default in deal.unexplained:
                if self._both_defaulted(deal, default.period):
                    place = f"owed by one of two, µEUR, {default.where}"
                    self._findings.compare("default", place, default.owed, 0)
                elif deal.terms is None:
                    unexplained.append(default)
                    continue
                if deal.terms is not None:
                    self._compare_default(deal, deal.terms, default)
            deal.unexplained = unexplained

    def _both_defaulted(self, deal: Deal, period: int) -> bool:
        return sum(default.period == period for default in deal.defaults) > 1

    def _compare_default(self, deal: Deal, terms: DealTerms, default: Default) -> None:
        """Compare the cost with the model, and require that the party could not perform."""
        outcome = (
            DealOutcome.BOTH_DEFAULT
            if self._both_defaulted(deal, default.period)
            else DealOutcome.SELLER_DEFAULTS
            if default.participant == deal.seller
            else DealOutcome.BUYER_DEFAULTS
        )
        owed = damages(terms, outcome, default.prices)
        self._findings.compare("default", f"owed, µEUR, {default.where}", default.owed, owed)
        unable = terms.wh > default.most_wh
        self._require("default", default.where, unable, "it could do its part")


def _short(deal: bytes) -> str:
    return f"0x{deal[:4].hex()}"


def rules_of(arguments: list[Any]) -> DealRules:
    """Rules of its constructor."""
    [_, _, min_wh, max_performed] = arguments
    return DealRules(min_wh, max_performed)


def rebuild(rules: DealRules, about: RebuildContext) -> OverTheCounter:
    """The market of a deployment, before its first event."""
    return OverTheCounter(rules, (about.chain_id, about.address), about.common)
