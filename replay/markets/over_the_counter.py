"""Private deals of a replay: quoted, signed by both, performed period by period, margins given back."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from eth_utils import keccak

from gridbourse.chain.bindings.over_the_counter import Deal
from gridbourse.deployment.participants import SIGNATURE_LIFE_S, account_name
from gridbourse.model.over_the_counter import (
    DealOutcome,
    DealTerms,
    Margins,
    SupplierPrices,
    margins_needed,
    step,
)
from gridbourse.model.trade import TradeWord
from gridbourse.onboarding.pseudonyms import deployment_salt
from gridbourse.scenario.rules import OtcContract
from replay.markets.checked_trades import Judging, Match, Placed, VenueError
from replay.markets.market import Ints, Trading, Transfer


@dataclass
class Standing:
    """Concluded deal, and the rest of its margins by the model."""

    deal: Deal
    contract: OtcContract
    margins: Margins


@dataclass
class DealPeriod:
    """Performance for one period, and money that defaults moved."""

    placed: list[Placed] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)


@dataclass
class OverTheCounterVenue:
    """Deals, concluded when their first period opens; the seller has each period performed."""

    judging: Judging
    kind: str = "over_the_counter"
    _deals: list[Standing] = field(default_factory=list)
    _sessions: dict[int, DealPeriod] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._scenario, self._members = self.judging.scenario, self.judging.members
        self._market, self._contract = self.judging.market, self.judging.market.over_the_counter
        tariff = self._scenario.tariff
        self._prices = SupplierPrices(
            tariff.retail_micro_eur_per_wh, tariff.feed_in_micro_eur_per_wh
        )

    def trade(self, period: int, wanted_wh: Ints) -> Ints:
        """Conclude the deals that begin now, and perform the period of every deal that includes it."""
        session = self._sessions[period] = DealPeriod()
        for contract in self._scenario.over_the_counter:
            if self._scenario.first_period + contract.first == period:
                self._deals.append(self._conclude(contract, period))
        for standing in self._running(period):
            self._perform(session, standing, period)
        return self.judging.promised(match.trade for match in session.matches)

    def withdraw(self, period: int) -> None:
        """A deal stands."""

    def close(self, period: int) -> Trading:
        """Have the DSO judge each performed period; margins of finished deals go back."""
        session = self._sessions.pop(period)
        trading = self.judging.decide(
            self.kind, self._contract, period, session.placed, session.matches, session.transfers
        )
        for standing in [*self._running(period)]:
            if standing.deal.terms.periods[-1] == period:
                self._close(standing)
        return trading

    def _running(self, period: int) -> Iterator[Standing]:
        return (standing for standing in self._deals if period in standing.deal.terms.periods)

    # --- one deal ------------------------------------------------------------------------------

    def _conclude(self, contract: OtcContract, period: int) -> Standing:
        """Conclude a deal: the buyer asks, the seller quotes, both sign; hashes and margins go on-chain."""
        keys = self._market.keys
        seller, buyer = (keys[account_name(p)] for p in (contract.seller, contract.buyer))
        latest = self._market.chain.w3.eth.get_block("latest")
        terms = self._terms(contract, period)
        deal = Deal(terms, self._market.area, latest["timestamp"] + SIGNATURE_LIFE_S)
        wish = keccak(b"wish" + terms.salt)
        request = self._contract.request(buyer, wish)
        self._contract.quote(seller, request, deal.terms_hash())
        domain = self._contract.domain
        self._contract.conclude(seller, deal, deal.sign(seller, domain), deal.sign(buyer, domain))
        return Standing(deal, contract, self._contract.verify(deal))

    def _terms(self, contract: OtcContract, period: int) -> DealTerms:
        """Terms with margins that cover a default in every period."""
        number_of = self._members.number_of
        salt = keccak(
            deployment_salt(self._market.keys)
            + f"{contract.seller}/{contract.buyer}/{period}".encode()
        )
        terms = DealTerms(
            number_of[contract.seller], number_of[contract.buyer], period, contract.count,
            contract.wh, contract.price_micro_eur_per_wh, 0, 0, salt,
        )  # fmt: skip
        needed = margins_needed(terms, self._prices)
        return replace(
            terms, seller_margin_micro_eur=needed.seller, buyer_margin_micro_eur=needed.buyer
        )

    def _perform(self, session: DealPeriod, standing: Standing, period: int) -> None:
        contract, terms = standing.contract, standing.deal.terms
        seller = self._market.keys[account_name(contract.seller)]
        defaulters = self._contract.perform(seller, standing.deal, period)
        price = terms.price_micro_eur_per_wh
        sides = ("offer", "bid")
        orders = [
            Placed(point, "signed", side, terms.wh, price)
            for point, side in zip((contract.seller, contract.buyer), sides, strict=True)
        ]
        session.placed += orders
        if not defaulters:
            word = TradeWord(terms.seller, terms.buyer, terms.wh, price)
            session.matches.append(Match(word, (orders[0], orders[1])))
            return
        outcome = DealOutcome.BOTH_DEFAULT
        if len(defaulters) == 1:
            by_seller = defaulters[0] == terms.seller
            outcome = DealOutcome.SELLER_DEFAULTS if by_seller else DealOutcome.BUYER_DEFAULTS
        owed = step(terms, period, standing.margins, outcome, self._prices)
        standing.margins = owed.left
        for payer, payee, amount in (
            (terms.seller, terms.buyer, owed.to_buyer), (terms.buyer, terms.seller, owed.to_seller),
        ):  # fmt: skip
            if amount:
                session.transfers.append(Transfer(payer, payee, "damages", amount))

    def _close(self, standing: Standing) -> None:
        seller = self._market.keys[account_name(standing.contract.seller)]
        back = self._contract.close(seller, standing.deal)
        if back != standing.margins:
            raise VenueError(
                f"{self.kind}: margins {back} came back, {standing.margins} are left by the model"
            )
