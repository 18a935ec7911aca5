"""The table [flexibility]: what it says, and what is refused by name."""

from pathlib import Path
from typing import Any

import pytest

from gridbourse.agents.flexibility_offers import Sellers
from gridbourse.agents.homes import Homes
from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.model.flexibility.market import lead_seconds
from gridbourse.model.flexibility.products import Way
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.scenario import load

TRADER = CHECKOUT / "scenarios" / "trader.toml"
NOON = {"start": "2016-07-24T11:00Z", "periods": 1}


def refused(**changes: Any) -> str:
    with pytest.raises(ScenarioError) as error:
        load(TRADER, NOON | {f"flexibility.{key}": value for key, value in changes.items()})
    return str(error.value)


def test_the_preset_says_who_buys_what() -> None:
    table = load(TRADER).flexibility_table
    names = [product.name for product in table.products]
    assert names == ["congestion", "support", "balancing", "curtailment"]
    assert table.dso is not None
    assert [names[n] for n in table.dso.products] == ["congestion", "support", "curtailment"]
    assert table.steps == 4
    bought = [call for call in table.calls if call.buyer == "P0098"]
    assert len(bought) == 16
    assert {(call.way, call.wh) for call in bought} == {(Way.UP, 1_000)}
    assert {call.buyer for call in table.calls} == {"tso", "P0098"}
    assert table.products[0].compensation_micro_eur_per_wh == 395


def test_requests_close_before_energy_is_traded_and_in_time_for_activation() -> None:
    scenario = load(TRADER)
    products = scenario.flexibility_table.products
    assert [lead_seconds(product, 60) - 300 for product in products] == [120, 120, 120, 0]
    assert scenario.opens_s == 300 + 120 + 4
    plain = load(CHECKOUT / "scenarios" / "rural3.toml")
    assert plain.opens_s == 301
    assert plain.flexibility is None
    with pytest.raises(ScenarioError, match="has no table flexibility"):
        _ = plain.flexibility_table


def test_who_can_sell_is_drawn_once_and_asks_its_cost() -> None:
    scenario = load(TRADER, NOON)
    table, period = scenario.flexibility_table, scenario.first_period
    homes = Homes(scenario)
    sellers = Sellers(scenario, table, homes)
    by_home = sellers.able(period, table.products[0], Way.DOWN)
    curtailed = sellers.able(period, table.products[3], Way.DOWN)
    assert by_home
    assert {one.point_id for one in by_home} <= set(homes.households)
    assert curtailed
    assert not {one.point_id for one in curtailed} & set(homes.households)
    expected = dict(zip(scenario.points.index, scenario.forecast_wh(period), strict=True))
    assert all(one.wh == int(expected[one.point_id] * 0.9) for one in curtailed)
    assert all(10 <= table.band.price(one.tick) <= 120 + 5 for one in curtailed)
    assert sellers.able(period, table.products[3], Way.UP) == []
    again = Sellers(scenario, table, homes).able(period, table.products[3], Way.DOWN)
    assert again == curtailed


def test_what_can_not_be_is_refused_by_name() -> None:
    for changes, said in (
        ({"ticks": 1}, "flexibility.ticks: 1 is not in 2..256"),
        ({"tick_micro_eur_per_wh": 600}, "flexibility.ticks: the highest price"),
        ({"pricing": "free"}, "flexibility.pricing: 'free' is not one of"),
        ({"products": {"odd": {}}}, "flexibility.products.odd.like: 'odd' is not one of"),
        ({"products": {"FCR-N": {}}}, "FCR-N needs evidence that meters of 900 s do not give"),
        (
            {"products": {"congestion": {"penalty_percent": 0}}},
            "a schedule without penalty proves nothing",
        ),
        (
            {"products": {"congestion": {"method": "guess"}}},
            "flexibility.products.congestion.method: 'guess' is not one of",
        ),
        ({"dso": {"ceiling_micro_eur_per_wh": 3}}, "flexibility.dso.ceiling_micro_eur_per_wh: 3"),
        ({"dso": {"products": ["heat"]}}, "flexibility.dso.products: 'heat' is not one of"),
        ({"tso": {"up": "balancing"}}, "flexibility.tso.up: balancing does not go up"),
        ({"tso": {"zone": "nowhere"}}, "flexibility.tso.zone: 'nowhere' is not a grid zone"),
        ({"curtailment": {"cost_micro_eur_per_wh": [9, 1]}}, "9 is above 1"),
        ({"unknown": 1}, "flexibility.unknown: is not a key of a scenario"),
        (
            {"purchases": [{"point": "P9", "product": "support"}]},
            "flexibility.purchases[0].point: 'P9' is not a connection point that takes part",
        ),
    ):
        assert said in refused(**changes), changes


def test_a_market_nobody_buys_in_is_refused(tmp_path: Path) -> None:
    text = TRADER.read_text()
    start, end = text.index("[flexibility]"), text.index("[homes]")
    table = """[flexibility]
pricing = "uniform"
tick_micro_eur_per_wh = 5
ticks = 120
deposit_micro_eur = 0
[flexibility.products.congestion]
"""
    folder = f'folder = "{TRADER.parent / "rural3"}"'
    path = tmp_path / "nobody.toml"
    path.write_text((text[:start] + table + text[end:]).replace('folder = "rural3"', folder))
    with pytest.raises(ScenarioError, match="nobody buys"):
        load(path, NOON)


def series(
    tmp_path: Path, row: str, header: str = "time,direction,wh,ceiling_micro_eur_per_wh"
) -> str:
    path = tmp_path / "calls.csv"
    path.write_text(f"{header}\n{row}\n")
    return refused(tso={"calls": str(path)})


def test_a_bad_series_of_calls_is_refused_by_row(tmp_path: Path) -> None:
    good = "2016-07-24T11:00:00Z"
    for row, said in (
        ("noon,up,100,200", "line 2: time: 'noon' is no ISO 8601 time"),
        ("2016-07-24T11:00:00,up,100,200", "line 2: time:"),
        ("2016-07-24T11:01:00Z,up,100,200", "line 2: time: is not the start of a period"),
        (f"{good},sideways,100,200", "line 2: direction: 'sideways' is not one of up, down"),
        (f"{good},up,ten,200", "line 2: wh: 'ten' is not a whole number"),
        (f"{good},up,0,200", "line 2: wh: 0 is not in 1.."),
        (f"{good},up,100,203", "line 2: ceiling_micro_eur_per_wh: 203 is not on a tick"),
    ):
        assert said in series(tmp_path, row), row
    assert "wh: column is missing; is 'kwh' meant to be it?" in series(
        tmp_path, f"{good},up,100", "time,direction,kwh"
    )
    assert "is missing" in refused(tso={"calls": str(tmp_path / "none.csv")})
