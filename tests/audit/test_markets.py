"""Deployments with any mix of markets are rebuilt to the last order and micro-euro."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gridbourse.audit.check import check
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import Run, load_run
from gridbourse.chain.deployment.record import MARKETS
from gridbourse.model.order_book import Side
from gridbourse.scenario.scenario import Scenario, load
from tests.audit.mixed_market import EVERY_KIND, LISTING_FEE, MixedMarket

Made = tuple[MixedMarket, Path]
Content = dict[str, Any]


def _check(folder: Path) -> Rebuilt:
    run = load_run(folder)
    return check(run, [load(run.scenario_file, run.overrides)])


@pytest.fixture(scope="module")
def rebuilt(every_market: Made) -> Rebuilt:
    """The run with every market, rebuilt."""
    return _check(every_market[1])


# --- honest runs -------------------------------------------------------------------------------


def test_every_market_at_once_is_rebuilt(rebuilt: Rebuilt) -> None:
    assert [*map(str, rebuilt.findings.differences)] == []
    # Flexibility has a run of its own: tests/replay/test_flexibility.py.
    there = [name for name in MARKETS if name != "FlexibilityMarket"]
    assert [market.name for market in rebuilt.markets] == there
    assert set(rebuilt.findings.compared) >= {
        "group", "trade", "verdict", "fill", "payment", "order", "reservation", "cap", "listing",
        "pairing", "subscription", "transfer", "deal", "default", "module", "identity",
        "auction", "auction answer", "seal", "award", "contract",
    }  # fmt: skip


def test_a_deployment_without_a_pool_is_rebuilt(book_alone: Made) -> None:
    rebuilt = _check(book_alone[1])
    assert [*map(str, rebuilt.findings.differences)] == []
    assert rebuilt.pool is rebuilt.bilateral is rebuilt.over_the_counter is None
    assert rebuilt.aggregator_auction is rebuilt.portfolios is None
    assert rebuilt.order_book is not None
    assert rebuilt.order_book.trades == 2
    period = book_alone[0].scenario.first_period
    assert rebuilt.common.caps.of(period, book_alone[0].numbers[0])[0] == 400, "caps only fall"
    assert rebuilt.money.position(period, book_alone[0].numbers[0]).sold_wh == 300, "one expired"


def test_reservations_are_those_of_the_chain(every_market: Made, rebuilt: Rebuilt) -> None:
    """Resting, listed, waiting and accepted, over all markets: what the clearing house holds."""
    m, _ = every_market
    for period in m.traded:
        for number in m.numbers:
            account = m.market.house.read("accountInPeriod", number, period)
            reserved = tuple(rebuilt.common.reservations.reserved[period, number])
            assert (period, number, reserved) == (period, number, tuple(account[1:3]))


def test_the_resting_book_is_that_of_the_chain(every_market: Made, rebuilt: Rebuilt) -> None:
    """Of the second period nothing was released: the same orders at the same positions."""
    m, _ = every_market
    period, book = m.scenario.first_period + 1, m.market.order_book
    assert rebuilt.order_book is not None
    mine = rebuilt.order_book.book(0, period)
    ticks = sorted(level.tick for side in Side for level in book.depth(period, side))
    chain = [order for tick in ticks for order in book.queue(period, tick)]
    assert len(chain) == 4
    assert [mine.word(order) for order in mine.resting()] == chain


def test_the_story_is_in_the_rebuilt_markets(every_market: Made, rebuilt: Rebuilt) -> None:
    m, _ = every_market
    first = m.scenario.first_period
    assert rebuilt.order_book is not None
    assert rebuilt.bilateral is not None
    assert rebuilt.over_the_counter is not None
    ledger = rebuilt.order_book.ledger(0, first)
    assert [len(group) for group in ledger.sealed] == [64, 6], "full, and the rest"
    assert ledger.decided == {0: 1 << 1 | 1 << 63, 1: 0}
    assert rebuilt.order_book.ledger(0, first + 1).decided == {0: 1}, "nobody judged it"
    assert rebuilt.bilateral.ledger(0, first).decided == {0: 0, 1: 1, 2: 0}
    assert rebuilt.money.free[3] == 4 * 2 * LISTING_FEE, "four subscribed for two periods"
    strip, spot = rebuilt.over_the_counter.deals.values()
    assert (strip.performed, [d.owed for d in strip.defaults]) == ({first}, [(300 - 150) * 300])
    assert (strip.terms is None, [d.owed for d in spot.defaults]) == (False, [0, 0])
    assert spot.terms is None, "hidden for good"
    assert rebuilt.money.free[6] == rebuilt.over_the_counter.margins_left == 0, "both closed"
    assert rebuilt.pool is not None
    assert rebuilt.pool.book(0, first + 1).orders[m.numbers[0]].wh == 400, "shrunk while open"


# --- another scenario --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "place"),
    [
        ({"order_book": EVERY_KIND["order_book"] | {"max_fills": 31}}, "max fills"),
        ({"order_book": EVERY_KIND["order_book"] | {"min_wh": 6}}, "min wh"),
        ({"bilateral": EVERY_KIND["bilateral"] | {"pricing": "seller"}}, "seller price"),
        (
            {"bilateral": EVERY_KIND["bilateral"] | {"subscription_micro_eur_per_day": 96}},
            "subscription",
        ),
        ({"over_the_counter": EVERY_KIND["over_the_counter"][1:]}, "no contract agrees on"),
        (
            {"over_the_counter": [
                *EVERY_KIND["over_the_counter"], EVERY_KIND["over_the_counter"][0],
            ]},
            "neither performed nor in default",
        ),
    ],
    ids=["fills", "least energy", "pricing", "subscription", "a deal less", "a deal more"],
)  # fmt: skip
def test_another_scenario(
    mixed_run: tuple[Run, Scenario], overrides: dict[str, Any], place: str
) -> None:
    run, _ = mixed_run
    found = check(run, [load(run.scenario_file, EVERY_KIND | overrides)]).findings.differences
    assert {d.what for d in found} == {"scenario"}
    assert any(place in d.where for d in found), found


def test_a_market_the_scenario_does_not_name(mixed_run: tuple[Run, Scenario]) -> None:
    run, _ = mixed_run
    kinds = [kind for kind in EVERY_KIND["market.kinds"] if kind != "over_the_counter"]
    overrides = {k: v for k, v in EVERY_KIND.items() if k != "over_the_counter"}
    scenario = load(run.scenario_file, overrides | {"market.kinds": kinds})
    found = check(run, [scenario]).findings.differences
    assert {"markets", "markets in service"} <= {d.where for d in found if d.what == "scenario"}


def test_margins_that_are_not_there(mixed_run: tuple[Run, Scenario]) -> None:
    run, scenario = mixed_run
    state = replace(run.state, balances=run.state.balances | {6: 1})
    found = check(replace(run, state=state), [scenario]).findings.differences
    place = "margin account = margins left of all deals, bonds of sealed answers, flexibility, µEUR"
    assert place in {d.where for d in found}
