"""Quotes of participants in an order book: times of their visits, and their orders.

Before gate closure each participant visits several times, each time in another, seeded order. At first
it places its expected energy at a price from its strategy (see ``bidding``), mostly to rest
until it is taken, otherwise as immediate-or-cancel or fill-or-kill. If it still has a resting order at a
later visit, it may cancel that for good, or, if it prices with zero intelligence, give it a
newly drawn price: Gode and Sunder's traders draw for every quote. A participant with no resting order but
energy left to trade (its order was cancelled unfilled, or the DSO rejected its trade) orders again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gridbourse.agents.bidding import Trader
from gridbourse.model.order_book import Kind
from gridbourse.scenario import seeded_draws as draws
from gridbourse.scenario.rules import OrderBookRules
from gridbourse.scenario.scenario import Scenario

Step = Literal["place", "keep", "replace", "withdraw"]


@dataclass(frozen=True)
class Visit:
    """Visit of a participant.

    step: its action on a resting order; "place" in the first round, when it has none.
    wh: energy it has to trade, tick: its limit price now, kind: of the order it places, if it does.
    """

    point_id: str
    side: Literal["bid", "offer"]
    wh: int
    tick: int
    step: Step
    kind: Kind


def visits(
    scenario: Scenario, period: int, round_: int, wanted_wh: NDArray[np.int64]
) -> Iterator[Visit]:
    """Visits of one round, in order; deterministic by (seed, period, round, point).

    wanted_wh: net energy of every point to trade, Wh, + has a surplus.  A point with less to trade than
    the least order does not visit.
    """
    rules = scenario.book_rules
    seed, band = scenario.strategy.seed, scenario.band
    taking_part = np.flatnonzero(
        scenario.points["participant"].to_numpy() & (np.abs(wanted_wh) >= rules.min_wh)
    )
    order = draws.generator(seed, f"arrival {round_}", "", period)
    for row in order.permutation(taking_part):
        point_id, wh = str(scenario.points.index[row]), int(wanted_wh[row])
        side: Literal["bid", "offer"] = "offer" if wh > 0 else "bid"
        trader = Trader.drawn(scenario, point_id)
        yield Visit(
            point_id,
            side,
            abs(wh),
            trader.tick(side, period, seed, band, round_),
            _step(rules, trader, seed, period, round_),
            _kind(rules, draws.generator(seed, f"kind {round_}", point_id, period)),
        )


def _kind(rules: OrderBookRules, rng: np.random.Generator) -> Kind:
    edges = np.cumsum([rules.immediate_share, rules.fill_or_kill_share])
    kinds = (Kind.IMMEDIATE_OR_CANCEL, Kind.FILL_OR_KILL, Kind.LIMIT)
    return kinds[int(np.digitize(rng.random(), edges))]


def _step(rules: OrderBookRules, trader: Trader, seed: int, period: int, round_: int) -> Step:
    if round_ == 0:
        return "place"
    mood = draws.generator(seed, f"mood {round_}", trader.point_id, period)
    withdrawn, revised = mood.random(2)
    if withdrawn < rules.withdrawn_share:
        return "withdraw"
    return "replace" if not trader.truthful and revised < rules.revised_share else "keep"
