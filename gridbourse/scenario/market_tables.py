"""Markets of a scenario file: ``[market]`` and one table for each kind that needs one."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd

from gridbourse.model.aggregator_auction import LEAST_REVEAL_SECONDS
from gridbourse.model.periods import Mtu
from gridbourse.model.portfolio_contract import WHOLE_PERMILLE, Control, Resource
from gridbourse.model.trade import LEAST_WH, MOST_PRICE_MICRO_EUR_PER_WH, MOST_WH
from gridbourse.scenario.fields import Fields
from gridbourse.scenario.rules import (
    DAY_S,
    KINDS,
    Aggregator,
    AuctionRules,
    BilateralRules,
    MarketRules,
    OrderBookRules,
    OtcContract,
    PremiumLimits,
    TariffTable,
)

MOST_GATE_CLOSURE_S = 7 * DAY_S
"""Longest time between gate closure and delivery; the chain's clock has to stay above zero."""
MAX_TICKS = 256
"""Most ticks of a band that one clearing goes through; the contract refuses more."""
MAX_BOOK_TICKS = 224
"""Most ticks of an order book: it keeps one bit a tick in a word."""
MAX_STRIP = 2**16 - 1
MAX_SOURCES = 64
"""Most sources: each is one bit on-chain."""


def market(fields: Fields, tariff: TariffTable) -> MarketRules:
    """Market rules; the band must be a whole number of ticks, and not too many."""
    with fields.table("market") as table:
        kinds = table.choices("kinds", *KINDS, default=KINDS[:1])
        pool = "call_auction" in kinds
        for key in () if pool else ("pricing", "max_rounds"):
            if table.has(key):
                table.refuse(key, "is of the call auction, which is not one of market.kinds")
        rules = MarketRules(
            kinds=kinds,
            pricing=table.choice("pricing", "uniform", "pay_as_bid") if pool else "uniform",
            tick_micro_eur_per_wh=table.integer("tick_micro_eur_per_wh", least=1),
            max_rounds=table.integer("max_rounds", least=1, most=255) if pool else 1,
            gate_closure_s=table.integer("gate_closure_s", most=MOST_GATE_CLOSURE_S),
            area=table.label("area"),
        )
        band = tariff.retail_micro_eur_per_wh - tariff.feed_in_micro_eur_per_wh
        steps, rest = divmod(band, rules.tick_micro_eur_per_wh)
        if rest:
            table.refuse(
                "tick_micro_eur_per_wh",
                f"the band of {band} µEUR/Wh is not a whole number of ticks of"
                f" {rules.tick_micro_eur_per_wh}",
            )
        most = MAX_BOOK_TICKS if "order_book" in kinds else MAX_TICKS
        if steps + 1 > most:
            table.refuse(
                "tick_micro_eur_per_wh", f"makes {steps + 1} ticks; at most {most} are allowed"
            )
        return rules


def order_book(fields: Fields, rules: MarketRules) -> OrderBookRules | None:
    """Rules of the order book, None without one."""
    if not _wanted(fields, "order_book", rules):
        return None
    with fields.table("order_book") as table:
        found = OrderBookRules(
            min_wh=table.integer("min_wh", least=1, most=MOST_WH),
            max_fills=table.integer("max_fills", least=1),
            max_open=table.integer("max_open", least=1),
            rounds=table.integer("rounds", least=1),
            revised_share=table.number("revised_share", most=1),
            withdrawn_share=table.number("withdrawn_share", most=1),
            immediate_share=table.number("immediate_share", most=1, default=0.0),
            fill_or_kill_share=table.number("fill_or_kill_share", most=1, default=0.0),
        )
        if found.max_open < found.rounds:
            table.refuse(
                "max_open",
                f"{found.max_open} must be at least rounds = {found.rounds}: who comes by may bring"
                " an order to rest each time",
            )
        if (never := found.immediate_share + found.fill_or_kill_share) > 1:
            table.refuse("fill_or_kill_share", f"sums to {never:g} with immediate_share, above 1")
        return found


def bilateral(fields: Fields, rules: MarketRules, mtu: Mtu) -> BilateralRules | None:
    """Rules of the bilateral market, None without one."""
    if not _wanted(fields, "bilateral", rules):
        return None
    with fields.table("bilateral") as table:
        per_day = table.integer("subscription_micro_eur_per_day")
        if per_day % (DAY_S // mtu.seconds):
            table.refuse(
                "subscription_micro_eur_per_day",
                f"{per_day} is not a whole number of µEUR in each of"
                f" {DAY_S // mtu.seconds} periods a day",
            )
        with table.table("premiums") as wishes:
            premiums = PremiumLimits(
                **{
                    wish: wishes.integer(
                        f"{wish}_micro_eur_per_wh", most=MOST_PRICE_MICRO_EUR_PER_WH
                    )
                    for wish in ("source", "favourite", "own_zone", "per_hop")
                }
            )
        return BilateralRules(
            pricing=table.choice("pricing", "seller", "midpoint"),
            choice=table.choice("choice", "preferences", "standing"),
            min_wh=table.integer("min_wh", least=1, most=MOST_WH),
            max_open=table.integer("max_open", least=1),
            subscription_micro_eur_per_day=per_day,
            sources=_sources(table),
            strict_share=table.number("strict_share", most=1),
            premiums=premiums,
        )


def _sources(bilateral: Fields) -> dict[str, float]:
    with bilateral.table("sources") as table:
        shares = {name: table.number(name, most=1) for name in table.unread()}
    if not 1 <= len(shares) <= MAX_SOURCES:
        bilateral.refuse("sources", f"must name 1 to {MAX_SOURCES} sources")
    if not math.isclose(math.fsum(shares.values()), 1):
        bilateral.refuse("sources", f"the shares sum to {math.fsum(shares.values()):g}, not to 1")
    return shares


def over_the_counter(
    fields: Fields, rules: MarketRules, points: pd.DataFrame, since_season: int, periods: int
) -> tuple[OtcContract, ...]:
    """Contracts agreed in private, as far as the replay has their periods.

    points: as in a scenario; since_season: periods from the season's start to that of the replay.
    """
    if not _wanted(fields, _OTC, rules):
        return ()
    agreed = [_contract(table, points) for table in fields.list_of_tables(_OTC)]
    replayed = (_within(contract, since_season, periods) for contract in agreed)
    return tuple(contract for contract in replayed if contract is not None)


_OTC = "over_the_counter"


def _contract(table: Fields, points: pd.DataFrame) -> OtcContract:
    with table:
        seller, buyer = (_participant(table, side, points) for side in ("seller", "buyer"))
        if seller == buyer:
            table.refuse("buyer", f"{buyer!r} is the seller as well")
        return OtcContract(
            seller,
            buyer,
            table.integer("first"),
            table.integer("count", least=1, most=MAX_STRIP),
            table.integer("wh", least=LEAST_WH, most=MOST_WH),
            table.integer("price_micro_eur_per_wh", most=MOST_PRICE_MICRO_EUR_PER_WH),
        )


def _within(contract: OtcContract, since_season: int, periods: int) -> OtcContract | None:
    """Part of a contract that the replay has, counted from its start; None if nothing."""
    first = max(contract.first - since_season, 0)
    last = min(contract.first + contract.count - since_season, periods)
    return replace(contract, first=first, count=last - first) if first < last else None


def _participant(table: Fields, side: str, points: pd.DataFrame) -> str:
    point: str = table.text(side)
    if point not in points.index:
        table.refuse(side, f"{point!r} is not a connection point")
    if not points.at[point, "participant"]:
        table.refuse(side, f"{point!r} does not take part in the market")
    return point


def aggregator_auction(fields: Fields, rules: MarketRules, mtu: Mtu) -> AuctionRules | None:
    """Rules of the aggregators' auctions, None without any."""
    if not _wanted(fields, _AUCTION, rules):
        return None
    with fields.table(_AUCTION) as table:
        answers = table.choice("answers", "open", "sealed")
        pricing = table.choice("pricing", "uniform", "pay_as_bid")
        if answers == "open":
            for key in ("bond_micro_eur", "reveal_s"):
                if table.has(key):
                    table.refuse(key, "is of sealed answers, and these are open")
            return AuctionRules(answers, pricing, 0, 0)
        bond = table.integer("bond_micro_eur", most=MOST_BOND_MICRO_EUR)
        # Answers are committed while no earlier period takes any, one second before the reveal.
        reveal_s = table.integer("reveal_s", least=LEAST_REVEAL_SECONDS, most=mtu.seconds - 2)
        return AuctionRules(answers, pricing, bond, reveal_s)


_AUCTION = "aggregator_auction"
MOST_BOND_MICRO_EUR = 10**12


def aggregators(
    fields: Fields, rules: MarketRules, points: pd.DataFrame, tariff: TariffTable
) -> tuple[Aggregator, ...]:
    """Aggregators by name; needed where they hold auctions.

    points: as in a scenario.
    """
    if _AUCTION not in rules.kinds and not fields.has("aggregators"):
        return ()
    found: list[Aggregator] = []
    for name, table in fields.tables("aggregators").items():
        with table:
            found.append(_aggregator(name, table, rules, points, tariff))
            if found[-1].point in [one.point for one in found[:-1]]:
                table.refuse("point", f"{found[-1].point!r} is another aggregator's")
    shares = math.fsum(one.share for one in found)
    if shares > 1:
        fields.refuse("aggregators", f"the shares sum to {shares:g}, to more than 1")
    return tuple(found)


def _aggregator(
    name: str, table: Fields, rules: MarketRules, points: pd.DataFrame, tariff: TariffTable
) -> Aggregator:
    low, high = tariff.feed_in_micro_eur_per_wh, tariff.retail_micro_eur_per_wh

    def price(key: str, default: int) -> int:
        value = table.integer(key, least=low, most=high, default=default)
        if (value - low) % rules.tick_micro_eur_per_wh:
            table.refuse(key, f"{value} is not on a tick of the price band")
        return value

    return Aggregator(
        name=name,
        point=_participant(table, "point", points),
        share=table.number("share", most=1),
        control=table.choice("control", *(one.name.lower() for one in Control)),
        resources=table.choices("resources", *(str(one.name).lower() for one in Resource)),
        permille=table.integer("permille", most=WHOLE_PERMILLE),
        mandate_share=table.number("mandate_share", most=1),
        ceiling_micro_eur_per_wh=price("ceiling_micro_eur_per_wh", high),
        floor_micro_eur_per_wh=price("floor_micro_eur_per_wh", low),
    )


def _wanted(fields: Fields, kind: str, rules: MarketRules) -> bool:
    """True where a kind's table is needed; one that nothing would read is refused."""
    if kind in rules.kinds:
        return True
    if kind in fields.unread():
        fields.refuse(kind, f"{kind} is not one of market.kinds")
    return False
