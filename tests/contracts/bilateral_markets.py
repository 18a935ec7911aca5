"""The two markets of partners, beside the pool of `tests.contracts.market` in the same clearing house."""

from dataclasses import dataclass
from typing import Any

from brownie import chain

from gridbourse.model.trade_word import TradeWord
from tests.contracts.market import (
    ALGORITHM,
    MARKET,
    REPORT,
    TIMELOCK,
    VERDICT_WINDOW,
    Market,
    Member,
)

MIN_WH = 10
MAX_OPEN = 3
SELLER, WITHIN = 0, 1  # BilateralMarket.PriceRule
PV, WIND = 0b01, 0b10  # bits of registry.sourcesOf


def authorise(market: Market, module: Any) -> None:
    """A market that comes after the seal, as any would: behind the timelock."""
    by = {"from": market.operator}
    market.house.proposeModule(module, MARKET, by)
    chain.sleep(TIMELOCK)
    market.house.authoriseModule(module, by)


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
