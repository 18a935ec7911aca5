"""The markets of a scenario file: their kinds, their tables, and what is refused."""

import numpy as np
import pytest

from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.rules import OtcContract, PremiumLimits
from gridbourse.scenario.scenario import load
from tests.scenario import miniature

BOOK = {
    "min_wh": 10,
    "max_fills": 16,
    "max_open": 8,
    "rounds": 3,
    "revised_share": 0.5,
    "withdrawn_share": 0.1,
}
NEIGHBOURS = {
    "pricing": "midpoint",
    "choice": "preferences",
    "min_wh": 10,
    "max_open": 4,
    "subscription_micro_eur_per_day": 96 * 7,
    "sources": {"pv": 0.75, "wind": 0.25},
    "strict_share": 0.5,
    "premiums": {
        "source_micro_eur_per_wh": 20,
        "favourite_micro_eur_per_wh": 30,
        "own_zone_micro_eur_per_wh": 10,
        "per_hop_micro_eur_per_wh": 5,
    },
}
CONTRACT = {
    "seller": "A1",
    "buyer": "B1",
    "first": 3,
    "count": 4,
    "wh": 250,
    "price_micro_eur_per_wh": 150,
}
ALL = {
    "market.kinds": ["call_auction", "order_book", "bilateral", "over_the_counter"],
    "order_book": BOOK,
    "bilateral": NEIGHBOURS,
    "over_the_counter": [CONTRACT],
}


@pytest.fixture
def path(tmp_path):
    return miniature.write(tmp_path)


def without_auction(path, *kinds):
    """The miniature with other markets than the call auction."""
    text = miniature.TOML
    for line in ('pricing = "uniform"\n', "max_rounds = 3\n"):
        assert text.count(line) == 1
        text = text.replace(line, "")
    path.write_text(text)
    return {"market.kinds": list(kinds)}


def test_a_scenario_has_a_call_auction_unless_it_says_otherwise(path):
    scenario = load(path)
    assert scenario.market.kinds == ("call_auction",)
    assert (scenario.order_book, scenario.bilateral, scenario.over_the_counter) == (None, None, ())


def test_every_kind_with_its_table(path):
    scenario = load(path, ALL)
    assert scenario.market.kinds == tuple(ALL["market.kinds"])
    assert (scenario.order_book.max_fills, scenario.order_book.revised_share) == (16, 0.5)
    assert scenario.bilateral.sources == {"pv": 0.75, "wind": 0.25}
    assert scenario.bilateral.premiums == PremiumLimits(20, 30, 10, 5)
    assert scenario.over_the_counter == (OtcContract("A1", "B1", 3, 4, 250, 150),)


@pytest.mark.parametrize(
    ("window", "first_and_count"),
    [
        ({}, [(3, 4)]),
        ({"periods": 5}, [(3, 2)]),
        ({"periods": 3}, []),
        ({"start": "2016-06-02T01:15:00Z", "periods": 8}, [(0, 2)]),
    ],
)
def test_a_private_contract_is_replayed_as_far_as_the_replay_goes(path, window, first_and_count):
    contracts = load(path, ALL | window).over_the_counter
    assert [(contract.first, contract.count) for contract in contracts] == first_and_count


def test_a_market_without_a_pool_needs_no_rules_of_one(path):
    overrides = without_auction(path, "order_book") | {"order_book": BOOK}
    assert load(path, overrides).market.kinds == ("order_book",)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"market.kinds": []}, "market.kinds: must not be empty"),
        ({"market.kinds": "order_book"}, "market.kinds: must be a list, not 'order_book'"),
        ({"market.kinds": ["bazaar"]}, "market.kinds: 'bazaar' is not one of call_auction, order"),
        ({"market.kinds": ["call_auction"] * 2}, "market.kinds: 'call_auction' is there twice"),
        ({"market.kinds": ["order_book"]}, "pricing: is of the call auction, which is not one of"),
        (ALL | {"market.kinds": ["call_auction"]}, "order_book: order_book is not one of market"),
        (
            {"market.kinds": ["call_auction", "order_book"], "bilateral": NEIGHBOURS},
            "order_book: is missing",
        ),
        (ALL | {"order_book": BOOK | {"depth": 3}}, "order_book.depth: is not a key of a scenario"),
        (ALL | {"order_book": BOOK | {"min_wh": 0}}, "order_book.min_wh: 0 is not in 1.."),
        (ALL | {"tariff.retail_micro_eur_per_wh": 304}, "makes 225 ticks; at most 224 are allowed"),
        (ALL | {"order_book": BOOK | {"rounds": 0}}, "order_book.rounds: 0 is not in 1.."),
        (
            ALL | {"order_book": BOOK | {"max_open": 2}},
            "order_book.max_open: 2 must be at least rounds = 3",
        ),
        (
            ALL | {"order_book": BOOK | {"immediate_share": 0.6, "fill_or_kill_share": 0.5}},
            "order_book.fill_or_kill_share: sums to 1.1 with immediate_share, above 1",
        ),
        (
            ALL | {"order_book": BOOK | {"immediate_share": -0.1}},
            "order_book.immediate_share: -0.1 is not in 0..1",
        ),
        (ALL | {"bilateral": NEIGHBOURS | {"pricing": "buyer"}}, "'buyer' is not one of seller, m"),
        (
            ALL | {"bilateral": NEIGHBOURS | {"sources": {"pv": 0.5, "wind": 0.4}}},
            "bilateral.sources: the shares sum to 0.9, not to 1",
        ),
        (ALL | {"bilateral": NEIGHBOURS | {"sources": {}}}, "bilateral.sources: must name 1 to 64"),
        (
            ALL | {"bilateral": NEIGHBOURS | {"subscription_micro_eur_per_day": 100}},
            "subscription_micro_eur_per_day: 100 is not a whole number of µEUR in each of 96 periods",
        ),
        (
            ALL | {"bilateral": NEIGHBOURS | {"premiums": {"luck_micro_eur_per_wh": 1}}},
            "bilateral.premiums.source_micro_eur_per_wh: is missing",
        ),
        (ALL | {"over_the_counter": []}, "over_the_counter: must be an array of at least one"),
        (ALL | {"over_the_counter": CONTRACT}, "over_the_counter: must be an array of tables"),
        (
            ALL | {"over_the_counter": [CONTRACT, CONTRACT | {"seller": "C1"}]},
            "over_the_counter[1].seller: 'C1' is not a connection point",
        ),
        (
            ALL | {"over_the_counter": [CONTRACT | {"buyer": "A1"}]},
            "over_the_counter[0].buyer: 'A1' is the seller as well",
        ),
        (
            ALL | {"over_the_counter": [CONTRACT | {"count": 0}]},
            "over_the_counter[0].count: 0 is not in 1..65535",
        ),
        (
            ALL | {"over_the_counter": [CONTRACT], "parties.participation": 0},
            "over_the_counter[0].seller: 'A1' does not take part in the market",
        ),
    ],
)
def test_a_bad_market_is_named(path, overrides, message):
    with pytest.raises(ScenarioError) as refusal:
        load(path, overrides)
    assert message in str(refusal.value)
    assert str(path) in str(refusal.value)


# --- a market of half-hours on data of quarter-hours --------------------------------------------


def test_half_hours_have_the_energy_of_their_quarter_hours(path, tmp_path):
    quarters = load(path)
    halves = load(path, {"mtu_seconds": 1800, "profile_seconds": 900, "periods": 48})
    assert (halves.first_period, len(halves.profiles.periods)) == (quarters.first_period // 2, 96)
    for period in halves.replayed:
        parts = [quarters.net_wh(2 * period + part) for part in (0, 1)]
        np.testing.assert_array_equal(halves.net_wh(period), np.sum(parts, axis=0))
        both = [quarters.reactive_var(2 * period + part) for part in (0, 1)]
        np.testing.assert_allclose(halves.reactive_var(period), np.mean(both, axis=0))
    day_before = halves.net_wh(halves.first_period - 48)
    np.testing.assert_array_equal(halves.forecast_wh(halves.first_period), day_before)


def test_profiles_that_differ_within_a_half_hour(tmp_path):
    def edit(table):
        table.loc[table.index[:2], "load_w"] = [3000, 5000]  # of A1 and B1, first quarter-hour
        return table

    path = miniature.write(tmp_path, edit_profiles=edit)
    half = load(path, {"mtu_seconds": 1800, "profile_seconds": 900, "periods": 48}).profiles
    assert half.load_w.iloc[0].to_dict() == {"A1": 2000.0, "B1": 4000.0}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"profile_seconds": 600}, "profile_seconds: 600 must divide mtu_seconds = 900"),
        ({"mtu_seconds": 1800, "periods": 48}, "start: '2016-06-01T00:15:00Z' is not the start of"),
        ({"profile_seconds": 300}, "1 of the 3 periods of 300 s are there for 2016-06-01T00:00Z"),
        (
            {"mtu_seconds": 1800, "profile_seconds": 900, "periods": 48}
            | {"start": "2016-06-02T00:15:00Z"},
            "start: 2016-06-02T00:15Z is not the start of a period",
        ),
    ],
)
def test_periods_that_do_not_fit_are_refused(path, overrides, message):
    with pytest.raises(ScenarioError) as refusal:
        load(path, overrides)
    assert message in str(refusal.value)
