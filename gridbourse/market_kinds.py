"""Kinds of market: the one registry, and what each layer has a file of.

A new kind of market is an entry in KINDS, its contract, and a file of the kind's name in each package of
LAYERS. Nothing else has to name it, but `AGENTS_ACT` of `chain.deployment.deploy` where agents act in it.
"""

from importlib import import_module
from typing import Any, Final, NamedTuple


class MarketKind(NamedTuple):
    """Kind of market.

    name: in scenario files, and of its file in every layer; contract: name of its contract; title: in
    reports and bills; colour: in pictures; turn: place in the order in which markets trade (what was
    agreed in private first, then what finds its partner at once; what is cleared when the gate is closed
    last); transfers: what the market moves between accounts beside trades, as a bill says it.
    """

    name: str
    contract: str
    title: str
    colour: str
    turn: int
    transfers: str = "other"


KINDS: Final[dict[str, MarketKind]] = {
    kind.name: kind
    for kind in (
        MarketKind("call_auction", "CallAuction", "Call auction", "#0f766e", 5),
        MarketKind("order_book", "OrderBook", "Order book", "#2563eb", 3),
        MarketKind(
            "bilateral", "BilateralMarket", "Neighbour to neighbour", "#ea7a0c", 2, "subscription"
        ),
        MarketKind(
            "over_the_counter", "OverTheCounter", "Over the counter", "#9333ea", 1, "damages of deals"
        ),
        MarketKind(
            "aggregator_auction", "AggregatorAuction", "Aggregators' auctions", "#be123c", 4,
            "aggregators' auctions",
        ),
    )
}  # fmt: skip
"""Every kind of energy market by name."""

SCENARIO: Final = "gridbourse.scenario.markets"
DEPLOYMENT: Final = "gridbourse.chain.deployment.markets"
BINDINGS: Final = "gridbourse.chain.bindings"
REBUILD: Final = "gridbourse.audit.markets"
COMPARISON: Final = "gridbourse.audit.compare.markets"
REPLAY: Final = "replay.markets"
LAYERS: Final[dict[str, tuple[str, ...]]] = {
    SCENARIO: ("read", "of_contract"),
    DEPLOYMENT: ("Rules", "arguments"),
    BINDINGS: ("{contract}",),
    REBUILD: ("rules_of", "rebuild"),
    COMPARISON: ("expected", "compare"),
    REPLAY: ("{contract}Venue",),
}
"""Packages with a file for each kind, and the names that the file must have."""


def by_turn() -> list[MarketKind]:
    """Kinds in the order in which they trade."""
    return sorted(KINDS.values(), key=lambda kind: kind.turn)


def of_contract(contract: str) -> MarketKind:
    """Kind whose contract has a name; KeyError for one that is no market's."""
    return {kind.contract: kind for kind in KINDS.values()}[contract]


def part(layer: str, name: str, what: str) -> Any:
    """A name of a kind's file in a layer, such as `read` of the scenario's order book."""
    return getattr(import_module(f"{layer}.{name}"), what.format(contract=KINDS[name].contract))
