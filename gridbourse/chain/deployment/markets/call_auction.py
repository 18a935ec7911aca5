"""Call auction of a deployment."""

from dataclasses import dataclass
from typing import Any

from gridbourse.chain.deployment.market_place import MarketPlace


@dataclass(frozen=True)
class Rules:
    """Pricing, and most clearings of a period."""

    pay_as_bid: bool = False
    max_rounds: int = 3


def arguments(rules: Rules, place: MarketPlace) -> list[Any]:
    """Constructor arguments."""
    own = (rules.pay_as_bid, rules.max_rounds, place.verdict_window_seconds)
    return [[*place.at, place.tariff, *place.prices, *own]]
