"""The kinds of market a deployment may have, and what each is deployed with."""

from typing import Any, NamedTuple

from gridbourse.chain.deployment.settings import MarketSettings
from gridbourse.chain.encoding.arguments import NOBODY

MAX_BOOK_TICKS = 224
"""Of `OrderBook.sol`: what one word of ticks holds beside its period."""
GROUP_SIZE = 64
"""Trades of the order book, the aggregators' auctions or the flexibility market that one verdict is about."""
SELLERS_PRICE, WITHIN_LIMITS = 0, 1
"""Of `BilateralMarket.PriceRule`."""


class Anchors(NamedTuple):
    """Contracts every market stands on, by address, in the order of `CheckedTrades.Anchors`."""

    registry: str
    clock: str
    house: str
    grid: str


def arguments(
    name: str, at: Anchors, tariff: str, settings: MarketSettings, agents: str = NOBODY
) -> list[Any]:
    """Constructor arguments of a market, by the name of its contract; agents: the contract Agents."""
    anchors = (*at, settings.verdict_window_seconds)
    band = settings.band
    prices = (band.floor_micro_eur_per_wh, band.tick_micro_eur_per_wh, band.ticks)
    match name:
        case "CallAuction":
            rules = (settings.pay_as_bid, settings.max_rounds, settings.verdict_window_seconds)
            return [[*at, tariff, *prices, *rules]]
        case "OrderBook":
            book = settings.order_book
            limits = (book.min_wh, book.max_fills, book.max_open)
            return [[anchors, tariff, *prices, GROUP_SIZE, *limits]]
        case "BilateralMarket":
            rule = settings.bilateral
            price_rule = SELLERS_PRICE if rule.seller_price else WITHIN_LIMITS
            limits = (rule.min_wh, rule.max_open, rule.subscription_micro_eur_per_period)
            return [[anchors, tariff, price_rule, *limits]]
        case "OverTheCounter":
            deals = settings.over_the_counter
            return [anchors, tariff, deals.min_wh, deals.max_performed]
        case "AggregatorAuction":
            seals = settings.aggregator_auction
            sealing = (seals.reveal_seconds, seals.bond_micro_eur)
            posting = (seals.min_wh, seals.max_posted)
            return [[anchors, tariff, agents, *prices, GROUP_SIZE, *sealing, *posting]]
        case "FlexibilityMarket":
            grid = settings.flexibility.band
            steps = (grid.floor_micro_eur_per_wh, grid.tick_micro_eur_per_wh, grid.ticks)
            return [[anchors, *steps, GROUP_SIZE]]
    raise ValueError(f"market {name!r}: there is none of this name")
