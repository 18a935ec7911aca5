"""The flexibility market, rebuilt: awards, verdicts, verification, money and positions.

Sums move before the events that explain them, and the end of a request by a verdict or a verification
is told within it. So both are kept until the event they belong to is complete.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from gridbourse.audit.core.agents import Agents
from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.modules import Handlers
from gridbourse.audit.core.money import Position
from gridbourse.audit.core.portfolios import Portfolios
from gridbourse.audit.core.reservations import Energy
from gridbourse.audit.core.rules import FlexibilityRules
from gridbourse.audit.flexibility.awards import Awards
from gridbourse.audit.flexibility.delivery import Batch, Closing, Told, Verification
from gridbourse.audit.flexibility.posted_request import PostedRequest
from gridbourse.audit.flexibility.requests import WHAT, Requests
from gridbourse.audit.flexibility.review import Reviews
from gridbourse.audit.flexibility.token import Minted, Tokens
from gridbourse.audit.markets.checked_trades import CheckedTrades, Fill, Ledger, shown, trade_of
from gridbourse.audit.settlement.corrections import Corrections
from gridbourse.audit.settlement.metering import Metering
from gridbourse.chain.bindings.flexibility import token_id
from gridbourse.model.flexibility import market as model
from gridbourse.model.flexibility.products import Way
from gridbourse.model.house_accounts import MARGIN_ACCOUNT, SUPPLIER_ACCOUNT
from gridbourse.model.trade import TradeWord


class FlexibilityMarket(CheckedTrades):
    """Requests, their trades and deliveries."""

    name = "FlexibilityMarket"

    def __init__(
        self, rules: FlexibilityRules, common: Common, portfolios: Portfolios | None,
        agents: Agents, metering: Metering, corrections: Corrections, mtu_seconds: int,
    ) -> None:  # fmt: skip
        super().__init__(rules.group_size, common)
        self.requests = Requests(rules, common, agents, mtu_seconds)
        self.tokens = Tokens(common, self.name)
        self.verification = Verification(
            self.requests, metering, portfolios, common.members, common.findings, mtu_seconds
        )
        self.reviews = Reviews(common, metering, corrections)
        self._transfers, self._metering = common.transfers, metering
        self._mtu = mtu_seconds
        self.awards = Awards(
            self.name, self.requests, common.transfers, self._reservations, common.findings
        )
        self._batch: Batch | None = None
        self._ending: dict[tuple[int, int, int], Event] = {}
        self._request_of: dict[tuple[int, int, int], PostedRequest] = {}
        self._deciding: tuple[int, PostedRequest] | None = None
        # By period: (payer, payee, kind, µEUR); Wh delivered up, down, and by participants to others.
        self.flows: defaultdict[int, list[tuple[int, int, str, int]]] = defaultdict(list)
        self.delivered: defaultdict[int, tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))

    def handlers(self) -> Handlers:
        """Handler of each event of the market's own contract."""
        return super().handlers() | {
            "Connected": lambda _: None,
            "FlexibilityAwarded": self.awarded,
            "RequestEnded": self.request_ended,
            "Compensated": self.compensated,
            "LotWithheld": self.requests.withheld,
        }

    def handlers_beside(self) -> dict[tuple[str, str], Callable[[Event], None]]:
        """Handler of each event of its other contracts."""
        requests = self.requests
        return {
            ("FlexibilityProducts", "ProductAdded"): requests.product_added,
            ("Schedules", "MarketSet"): lambda _: None,
            ("Schedules", "ScheduleDeclared"): requests.schedule_declared,
            ("Schedules", "ScheduleTaken"): requests.schedule_taken,
            ("Schedules", "ScheduleWithdrawn"): requests.schedule_withdrawn,
            ("FlexibilityRequests", "RequestPosted"): requests.posted,
            ("FlexibilityRequests", "FlexibilityOffered"): requests.offered,
            ("FlexibilityRequests", "SaltCommitted"): requests.salt_committed,
            ("FlexibilityRequests", "SeedShown"): requests.seed_shown,
            ("FlexibilityRequests", "SaltShown"): requests.salt_shown,
            ("FlexibilityRequests", "RequestCleared"): requests.cleared,
            ("FlexibilityRequests", "RequestVoid"): requests.voided,
            ("FlexibilityDelivery", "VerificationAwaited"): self.awaited,
            ("FlexibilityDelivery", "LegVerified"): self.leg_verified,
            ("FlexibilityDelivery", "LegLapsed"): self.leg_lapsed,
            ("FlexibilityReview", "LegReviewed"): self.reviews.reviewed,
            **{("FlexibilityToken", name): do for name, do in self.tokens.handlers().items()},
        }

    def totals(self) -> dict[str, int]:
        """Counts for the audit's summary, by name."""
        return {
            "flexibility_requests": sum(map(len, self.requests.boards.values())),
            "flexibility_trades": self.trades,
            "flexibility_legs_verified": self.verification.verified,
            "flexibility_legs_reviewed": self.reviews.count,
            "flexibility_wh_minted": self.tokens.minted_wh,
        }

    def is_booked(self, area: int, period: int) -> bool:
        """True where every request has ended and no trade waits for a verdict."""
        ended = all(asked.ended for asked in self.requests.boards[area, period])
        return ended and super().is_booked(area, period)

    @property
    def kept_micro_eur(self) -> int:
        """Sum that the margin account has to hold: escrows, bonds of open offers and legs, claims, µEUR."""
        kept = self.tokens.kept_micro_eur
        for asked in (one for board in self.requests.boards.values() for one in board):
            kept += asked.escrow + sum(leg.bond_micro_eur for leg in asked.legs.values())
            waiting = asked.offering[asked.next_offer :]
            kept += sum(self.requests.bond(asked, asked.offers[who].wh) for who in waiting)
        return kept

    def before(self, event: Event) -> None:
        """Complete what earlier events told in part, ahead of each event."""
        if event.contract == "ClearingHouse" and event.name in ("Transferred", "TradesBooked"):
            return
        batch, of_batch = self._batch, event.contract in ("FlexibilityDelivery", self.name)
        if batch is not None:
            same = (
                of_batch
                and event.block == batch.block
                and event.name in ("LegVerified", "LegLapsed", "Compensated", "RequestEnded")
                and event["request"] == batch.asked.number
                and (event["area"], event["period"]) == (batch.area, batch.period)
            )
            if not same:
                self._close(batch)
        if (event.contract, event.name) != ("FlexibilityToken", "ClaimMoved"):
            self.tokens.redeemed()
        if self._transfers.waiting(self.name) and not self._tells_of_a_page(event):
            self.awards.follow_unseen()

    def _tells_of_a_page(self, event: Event) -> bool:
        """True where sums moved before it belong to its page of awards or its verdict."""
        if event.contract != self.name:
            return False
        if event.name == "LotWithheld":
            asked = self.requests.asked(event)
            return asked is not None and event["account"] != asked.buyer
        return event.name in ("FlexibilityAwarded", "GroupDecided")

    # --- awards --------------------------------------------------------------------------------

    def awarded(self, event: Event) -> None:
        """FlexibilityAwarded: the next offers in participant order; awards wait for their verdict."""
        asked = self.requests.asked(event)
        where = event.at("area", "period", "request")
        if asked is None or asked.cleared is None:
            self._require(WHAT, where, False, "not cleared")
            return
        self.awards.follow_unseen(but=asked)
        words = list(event["trades"])
        due = self.awards.follow(asked, event["period"], where, len(words))
        told = [shown(trade_of(word)) for word in words]
        self._findings.compare("trade", where, told, [shown(trade) for trade in due])
        area, period = event["area"], event["period"]
        for trade in due:
            self._request_of[area, period, self.next_group(area, period)] = asked
            self.record(area, period, trade)
        ledger = self.ledger(area, period)
        if ledger.open:
            group = ledger.seal()
            ledger.untold.add(group)
            self._compare_seal(ledger, group)

    # --- verdicts ------------------------------------------------------------------------------

    def group_decided(self, event: Event) -> None:
        """GroupDecided: accepted trades wait for their delivery, rejected ones give back their bonds."""
        area, period, group = event["area"], event["period"], event["group"]
        asked = self._request_of.get((area, period, group))
        where = event.at("area", "period", "group")
        if asked is None:
            self._require("group", where, False, "of no request")
            return
        self._deciding = (period, asked)
        super().group_decided(event)
        self._deciding = None
        ended = self._ending.pop((area, period, asked.number), None)
        self._end_if_due(asked, period, ended, where)

    def _book(self, period: int, trades: list[TradeWord]) -> None:
        if self._deciding is not None:
            self._deciding[1].waiting -= len(trades)

    def _refund(self, period: int, trades: list[TradeWord]) -> None:
        if self._deciding is None:
            return
        _, asked = self._deciding
        for trade in trades:
            who = trade.buyer if asked.request.way is Way.DOWN else trade.seller
            asked.waiting -= 1
            leg = asked.legs.pop(who, None)
            wh = 0 if leg is None else leg.wh
            where = f"rejected, participant {who}, period {period}"
            self.requests.move(where, (MARGIN_ACCOUNT, who, self.requests.bond(asked, wh)))
            self._reservations.give_back(period, who, asked.energy(wh))
            self.requests.free(asked, period, who, wh, 0)

    def _compare_booked(self, ledger: Ledger, accepted: list[TradeWord], where: str) -> None:
        """Require that a verdict books nothing: flexibility is booked when it is delivered."""
        self._compare_fills((ledger.area, ledger.period), [], where)

    # --- verification --------------------------------------------------------------------------

    def awaited(self, event: Event) -> None:
        """VerificationAwaited: from then on a missing reading may count as nothing delivered."""
        self._clock.require_delivered(event["period"], event.at("area", "period"))

    def leg_verified(self, event: Event) -> None:
        """LegVerified: compared with the model's result, from schedule or baseline and the reading."""
        found = Told(*event["result"])
        where = f"participant {found.participant}, {event.at('area', 'period', 'request')}"
        batch = self._batch_of(event)
        if batch is None:
            return
        period, asked = event["period"], batch.asked
        self._clock.require_delivered(period, f"verification, {where}")
        self._require("verification", where, asked.awarded and not asked.waiting, "not judged yet")
        leg = asked.legs.pop(found.participant, None)
        if leg is None:
            self._require("verification", where, False, "no such leg")
            return
        batch.closings.append(self.verification.closing(asked, period, leg, found, where))

    def leg_lapsed(self, event: Event) -> None:
        """LegLapsed: nobody verified it in time; its money and energy go back."""
        where = event.at("area", "period", "request", "participant")
        batch = self._batch_of(event)
        if batch is None:
            return
        leg = batch.asked.legs.pop(event["participant"], None)
        self._require("verification", where, leg is not None, "no such leg")
        if leg is not None:
            batch.closings.append(Closing(event["participant"]))

    def _batch_of(self, event: Event) -> Batch | None:
        asked = self.requests.asked(event)
        if asked is not None and self._batch is None:
            where = event.at("area", "period", "request")
            self._batch = Batch(event["area"], event["period"], asked, event.block, where)
        return self._batch

    def compensated(self, event: Event) -> None:
        """Compensated: kept until the legs it is for are closed."""
        if self._batch is None:
            where = event.at("area", "period", "request")
            self._require("compensation", where, False, "nothing was delivered")
            return
        self._batch.compensated += event["microEur"]

    def _close(self, batch: Batch) -> None:
        """End the legs of a transaction: bonds, shares, penalties, positions, compensation, tokens."""
        self._batch = None
        asked, period, where = batch.asked, batch.period, batch.where
        sign = 1 if asked.request.way is Way.UP else -1
        metered = asked.request.product.metered(self._mtu)
        fills, compensated = [], 0
        for closing in batch.closings:
            who = closing.participant
            leg = next(leg for leg in self._legs_of(asked) if leg.participant == who)
            bond = self.requests.bond(asked, leg.wh)
            self.requests.move(where, (MARGIN_ACCOUNT, who, bond - closing.penalty))
            self.requests.move(where, (MARGIN_ACCOUNT, closing.aggregator, closing.shared))
            asked.escrow -= closing.paid
            moved = closing.delivered_wh if metered else 0
            reserved = 0 if leg.stands_by else leg.wh
            self._reservations.give_back(period, who, asked.energy(reserved - moved))
            fills.append((who, asked.energy(moved)))
            if closing.delivered_wh:
                token = token_id(asked.product, asked.zone, asked.request.way, period)
                claim = closing.paid - closing.shared
                self.tokens.due.append(Minted(who, token, closing.delivered_wh, claim))
            self.flows[period] += [
                (asked.buyer, who, "flexibility", closing.paid - closing.shared),
                (asked.buyer, closing.aggregator, "aggregator_share", closing.shared),
                (who, asked.buyer, "flexibility_penalty", closing.damages),
                (who, SUPPLIER_ACCOUNT, "flexibility_penalty", closing.penalty - closing.damages),
            ]
        damages = sum(closing.damages for closing in batch.closings)
        beside = sum(closing.penalty for closing in batch.closings) - damages
        self.requests.move(where, (MARGIN_ACCOUNT, asked.buyer, damages))
        self.requests.move(where, (MARGIN_ACCOUNT, SUPPLIER_ACCOUNT, beside))
        delivered = sum(closing.delivered_wh for closing in batch.closings)
        asked.delivered_wh += delivered
        if metered and delivered:
            takes = self.requests.takes_energy(asked)
            fills.append((asked.buyer, asked.buyers_energy(delivered if takes else 0)))
            self._shift(batch.area, period, fills, where)
            if asked.request.house:
                self._metering.energy[batch.area, period].house_wh += sign * delivered
            compensated = self._compensate(batch, delivered)
            up, down, into = self.delivered[period]
            bought = 0
            if asked.request.way is Way.DOWN or takes:
                bought = delivered
            self.delivered[period] = (
                up + delivered * (sign > 0),
                down + delivered * (sign < 0),
                into + bought,
            )
        verified = [one.verified for one in batch.closings if one.verified is not None]
        self.reviews.verified(batch.area, period, asked, verified, compensated)
        self._end_if_due(asked, period, batch.ended, where)

    def _legs_of(self, asked: PostedRequest) -> tuple[model.Leg, ...]:
        return () if asked.cleared is None else asked.cleared.legs

    def _shift(self, area: int, period: int, fills: list[tuple[int, Energy]], where: str) -> None:
        """Book deliveries as positions, at no price of their own."""
        rebuilt = [Fill({who: tuple(e)} if any(e) else {}, {}) for who, e in fills]  # type: ignore[dict-item]
        self._compare_fills((area, period), rebuilt, where)
        for who, energy in fills:
            if any(energy):
                self._reservations.book(period, who, Position(energy.out_wh, energy.into_wh), 0)

    def _compensate(self, batch: Batch, delivered: int) -> int:
        """Compensation between supplier and buyer, in either direction, µEUR."""
        asked, supplier = batch.asked, self._money.may_leave(SUPPLIER_ACCOUNT)
        amount = model.compensation_micro_eur(asked.request, delivered, supplier)
        self._findings.compare("compensation", f"µEUR, {batch.where}", batch.compensated, amount)
        payer, payee = (
            (SUPPLIER_ACCOUNT, asked.buyer) if amount > 0 else (asked.buyer, SUPPLIER_ACCOUNT)
        )
        self.flows[batch.period].append((payer, payee, "compensation", abs(amount)))
        if amount >= 0:
            self.requests.move(batch.where, (SUPPLIER_ACCOUNT, asked.buyer, amount))
        else:
            asked.escrow += amount
            self.requests.move(batch.where, (MARGIN_ACCOUNT, SUPPLIER_ACCOUNT, -amount))
        return abs(amount)

    # --- the end -------------------------------------------------------------------------------

    def request_ended(self, event: Event) -> None:
        """RequestEnded: kept where the verdict or verification that ends it is incomplete."""
        if (asked := self.requests.asked(event)) is None:
            return
        if self._batch is not None:
            self._batch.ended = event
        elif asked.waiting:
            self._ending[event["area"], event["period"], asked.number] = event
        else:
            where = event.at("area", "period", "request")
            self.awards.follow(asked, event["period"], where, 0)
            self._end_if_due(asked, event["period"], event, where)

    def _end_if_due(
        self, asked: PostedRequest, period: int, ended: Event | None, where: str
    ) -> None:
        """End a request with nothing open: the buyer gets back the money and energy it did not use."""
        over = asked.awarded and not asked.waiting and not asked.legs and not asked.ended
        self._findings.compare(WHAT, f"ended, {where}", ended is not None, over)
        if not over or ended is None:
            return
        asked.ended = True
        self._findings.compare("lot", f"salts told to be withheld, {where}", asked.forfeited, {})
        left, asked.escrow = asked.escrow, 0
        told = (ended["deliveredWh"], ended["returnedMicroEur"])
        self._findings.compare(
            WHAT, f"(Wh, µEUR) at the end, {where}", told, (asked.delivered_wh, left)
        )
        if self.requests.takes_energy(asked):
            rest = asked.buyers_energy(asked.request.wh - asked.delivered_wh)
            self._reservations.give_back(period, asked.buyer, rest)
        self.requests.move(where, (MARGIN_ACCOUNT, asked.buyer, left))

    def require_nothing_loose(self) -> None:
        """Final check: every verification is complete, every end of a request explained."""
        if self._batch is not None:
            self._close(self._batch)
        for area, period, number in self._ending:
            place = f"request {number}, area {area}, period {period}"
            self._require(WHAT, place, False, "ended, and nothing in the log says by what")
        self.tokens.require_nothing_loose()
        super().require_nothing_loose()
