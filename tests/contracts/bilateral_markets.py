"""The two markets of partners, beside the pool of `tests.contracts.market` in the same clearing house."""

from dataclasses import dataclass
from typing import Any

from brownie import chain, web3
from eth_account import Account

from gridbourse.chain.bindings.over_the_counter import Deal, deal_domain
from gridbourse.chain.encoding.compact_signature import Signature
from gridbourse.model.over_the_counter import DealTerms
from gridbourse.model.trade import TradeWord
from tests.contracts.market import (
    ALGORITHM,
    MARKET,
    REPORT,
    VERDICT_WINDOW,
    Market,
    Member,
)

MIN_WH = 10
MAX_OPEN = 3
MAX_PERFORMED = 100
SELLER, WITHIN = 0, 1  # BilateralMarket.PriceRule
PV, WIND = 0b01, 0b10  # bits of registry.sourcesOf


def authorise(market: Market, module: Any) -> None:
    """A market that comes after the seal, as any would: behind the timelock."""
    market.authorise(module, MARKET)


def anchors(market: Market) -> tuple:
    return (market.registry, market.clock, market.house, market.grid, VERDICT_WINDOW)


def bilateral_settings(market: Market, **other: Any) -> tuple:
    settings = {
        "anchors": anchors(market),
        "tariff": market.tariff,
        "priceRule": WITHIN,
        "minWh": MIN_WH,
        "maxOpen": MAX_OPEN,
        "subscription": 0,
    }
    return tuple((settings | other).values())


def offer_draft(seller: Member, wh: int, least: int, buyer: Member | int = 0) -> tuple:
    return (seller.number, False, wh, least, getattr(buyer, "number", buyer), 0, 0)


def request_draft(
    buyer: Member, wh: int, most: int, seller: Member | int = 0, zone: int = 0, sources: int = 0
) -> tuple:
    return (buyer.number, True, wh, most, getattr(seller, "number", seller), zone, sources)


@dataclass
class Neighbours:
    """A bilateral market and short ways to use it; what is listed is in the members' own names."""

    market: Market
    contract: Any

    @classmethod
    def open(cls, market: Market, **rules: Any) -> "Neighbours":
        by = {"from": market.operator}
        contract = market.contracts.BilateralMarket.deploy(bilateral_settings(market, **rules), by)
        authorise(market, contract)
        return cls(market, contract)

    def list_own(self, period: int, member: Member, draft: tuple) -> int:
        tx = self.contract.list(member.area, period, [draft], member.sends)
        return tx.return_value

    def offer(self, period: int, seller: Member, *terms: Any, **named: Any) -> int:
        return self.list_own(period, seller, offer_draft(seller, *terms, **named))

    def request(self, period: int, buyer: Member, *terms: Any, **named: Any) -> int:
        return self.list_own(period, buyer, request_draft(buyer, *terms, **named))

    def pair(self, period: int, *pairings: tuple, area: int = 0) -> Any:
        return self.contract.pair(area, period, pairings, {"from": self.market.operator})

    def left(self, period: int, listing: int, area: int = 0) -> int:
        return self.contract.listingsOf(area, period, listing, 1)[0]["wh"]


def judge(market: Market, module: Any, period: int, trades: list[TradeWord], area: int = 0,
          rejected: tuple[int, ...] = ()) -> None:  # fmt: skip
    """The DSO's verdict on the next trades of a market of single trades, one by one."""
    first = module.ledgerOf(area, period)["judged"]
    for group, trade in enumerate(trades, first):
        verdict = (group, [trade.pack()], int(group in rejected), ALGORITHM, REPORT, [])
        market.grid.judge(module, area, period, *verdict, {"from": market.grid_oracle})


@dataclass
class Counter:
    """An over-the-counter market and short ways to use it."""

    market: Market
    contract: Any

    @classmethod
    def open(
        cls, market: Market, min_wh: int = MIN_WH, max_performed: int = MAX_PERFORMED
    ) -> "Counter":
        by = {"from": market.operator}
        settings = (anchors(market), market.tariff, min_wh, max_performed)
        contract = market.contracts.OverTheCounter.deploy(*settings, by)
        authorise(market, contract)
        return cls(market, contract)

    @property
    def domain(self) -> dict[str, Any]:
        return deal_domain(web3.eth.chain_id, self.contract.address)

    def deal(self, seller: Member, buyer: Member, first_period: int, **other: Any) -> Deal:
        """A spot of 1 000 Wh at 150 µEUR/Wh with margins that cover a default, changed by `other`."""
        rest = {"area": seller.area, "expiry": chain[-1].timestamp + 3_600}
        values = {
            "count": 1,
            "wh": 1_000,
            "price_micro_eur_per_wh": 150,
            "seller_margin_micro_eur": 200_000,
            "buyer_margin_micro_eur": 100_000,
            "salt": b"s" * 32,
        } | other
        for name in rest:
            rest[name] = values.pop(name, rest[name])
        parties = (int(seller.number), int(buyer.number))  # brownie has integers of its own
        return Deal(DealTerms(*parties, first_period, **values), **rest)

    def sign(self, deal: Deal, member: Member, **domain: Any) -> Signature:
        key = Account.from_key(member.account.private_key)
        return deal.sign(key, self.domain | domain)

    def signed(self, deal: Deal) -> tuple[Signature, Signature]:
        by_number = {member.number: member for member in self.market.members}
        parties = (by_number[deal.terms.seller], by_number[deal.terms.buyer])
        return tuple(self.sign(deal, party) for party in parties)

    def conclude(self, deal: Deal) -> bytes:
        """The deal, on the record by a stranger who has both signatures; its digest."""
        signed = self.signed(deal)
        self.contract.conclude(deal.open, *signed, {"from": self.market.stranger})
        return deal.digest(self.domain)

    def perform(self, deal: Deal, period: int) -> Any:
        by = {"from": self.market.operator}
        return self.contract.perform(deal.open, deal.hidden, period, by)

    def close(self, deal: Deal) -> Any:
        return self.contract.close(deal.open, deal.hidden, {"from": self.market.stranger})

    def left(self, deal: Deal) -> tuple[int, int]:
        """What is left of the margins (seller's, buyer's), µEUR."""
        return tuple(self.contract.stateOf(deal.digest(self.domain)))[1:]
