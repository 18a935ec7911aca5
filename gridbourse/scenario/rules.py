"""What a scenario says besides its data: market, tariff, limits, strategies, parties."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MarketRules:
    """pricing: "uniform" or "pay_as_bid".  gate_closure_s: seconds before delivery begins."""

    pricing: str
    tick_micro_eur_per_wh: int
    max_rounds: int
    gate_closure_s: int
    area: str


@dataclass(frozen=True)
class ZoneFees:
    """Grid fees of a zone, µEUR per Wh imported, traded locally, exported."""

    import_: int
    local: int
    export: int


@dataclass(frozen=True)
class TariffTable:
    """Energy prices of the supplier, without fees, and the grid fees that come on top, by zone."""

    retail_micro_eur_per_wh: int
    feed_in_micro_eur_per_wh: int
    fees: dict[str, ZoneFees]


@dataclass(frozen=True)
class Limits:
    """Voltage band at every node (EN 50160: 0.9 to 1.1 pu); loading 1.0 = rated current."""

    v_min_pu: float
    v_max_pu: float
    loading_max: float


@dataclass(frozen=True)
class StrategySpec:
    """truthful_share of the participants order at their valuation, the rest zero-intelligence."""

    truthful_share: float
    seed: int


@dataclass(frozen=True)
class Parties:
    """Who takes part and how they reach the market.

    participation: share of the connection points that trade; the others are metered and supplied.
    own_share: of the participants, who send their own transactions; signed_share: who sign each
    order for the gateway; the rest has given the gateway a mandate.
    """

    participation: float
    deposit_micro_eur: int
    supplier_deposit_micro_eur: int
    signed_share: float
    own_share: float
