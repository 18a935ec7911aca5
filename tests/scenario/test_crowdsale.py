"""A campaign in a scenario: what its panel does, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.scenario.crowdsale import PanelDay, mean_year
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.scenario import load
from tests.scenario import miniature

CAMPAIGN = {
    "name": "barn", "point": "B1", "watt_peak": 10_000, "price_micro_eur_per_watt_peak": 1_000,
    "profile_of": "A1", "profile_watt_peak": 8_000, "profit_share_permille": 500,
    "minimum_micro_eur": 1, "maximum_micro_eur": 9_000_000, "funding_days": 1, "building_days": 2,
    "term_days": 3, "milestones": {"built": 333, "works": 667},
    "funders": {"A1": 4_000_000}, "public": {"Ada": 6_000_007},
}  # fmt: skip


def without(key: str) -> dict[str, object]:
    return {name: value for name, value in CAMPAIGN.items() if name != key}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return miniature.write(tmp_path)


def test_the_panel_is_another_ones_scaled_by_installed_power(path: Path) -> None:
    """A1: 5,000 W at noon of 8,000 W installed, 5,400 the day after; B1 consumes 3,000 W."""
    bare, scenario = load(path), load(path, {"crowdsale": CAMPAIGN})
    panel_w = scenario.profiles.pv_w["B1"].to_numpy()
    assert np.allclose(panel_w, bare.profiles.pv_w["A1"] * 10 / 8)
    assert (scenario.profiles.pv_w["A1"] == bare.profiles.pv_w["A1"]).all()
    assert scenario.net_wh(scenario.first_period).tolist() == [
        1_100,
        round((5_400 * 10 / 8 - 3_000) / 4),
    ]
    assert scenario.forecast_wh(scenario.first_period)[1] == round((5_000 * 10 / 8 - 3_000) / 4)


def test_the_panel_does_not_follow_the_factor_of_the_others(path: Path) -> None:
    """What is installed is what was paid for, however much PV the replay gives the others."""
    one = load(path, {"crowdsale": CAMPAIGN}).profiles.pv_w
    four = load(path, {"crowdsale": CAMPAIGN, "pv_factor": 4}).profiles.pv_w
    assert np.allclose(one["B1"], four["B1"])
    assert np.allclose(one["A1"] * 4, four["A1"])


def test_money_is_split_to_the_micro_euro(path: Path) -> None:
    plan = load(path, {"crowdsale": CAMPAIGN}).crowdsale
    assert plan is not None
    assert (plan.goal, plan.cap) == (10_000_000, 10_000_007)
    assert plan.milestones == {"built": 3_330_000, "works": 6_670_000}
    assert (plan.form, plan.value, plan.term_periods) == ("profit share", 500, 3 * 96)
    odd = CAMPAIGN | {"price_micro_eur_per_watt_peak": 999, "watt_peak": 10_001}
    plan = load(path, {"crowdsale": odd}).crowdsale
    assert plan is not None
    assert sum(plan.milestones.values()) == plan.goal == 999 * 10_001


def test_a_rent_is_by_the_period(path: Path) -> None:
    table = without("profit_share_permille") | {"rent_micro_eur_per_day": 96 * 7}
    plan = load(path, {"crowdsale": table}).crowdsale
    assert plan is not None
    assert (plan.form, plan.value) == ("rent", 7)


def test_the_mean_day_is_over_all_the_data(path: Path) -> None:
    """Two days of 5,000 and 5,400 W behind a load of 3,000 W; one season makes no year."""
    scenario = load(path, {"crowdsale": CAMPAIGN})
    (day,) = scenario.panel_days.values()
    assert day == pytest.approx((5_200 * 10 / 8 * 24, 3_000 * 24, (5_200 * 10 / 8 - 3_000) * 24))
    assert mean_year(scenario.panel_days) is None


def test_a_year_is_the_mean_of_the_seasons() -> None:
    days = {"summer": PanelDay(30, 10, 20), "winter": PanelDay(10, 8, 2)}
    assert mean_year(days) == (20 * 365, 9 * 365, 11 * 365)


def test_without_the_table_there_is_no_campaign(path: Path) -> None:
    scenario = load(path)
    assert scenario.crowdsale is None
    assert scenario.panel_days == {}


def test_the_preset_funds_a_roof_without_pv_whole() -> None:
    scenario = load(CHECKOUT / "scenarios" / "solar-roof.toml")
    plan = scenario.crowdsale
    assert plan is not None
    bare = load(CHECKOUT / "scenarios" / "rural3.toml")
    assert bare.profiles.pv_w[plan.panel.point].max() == 0
    assert plan.cap == plan.goal == 12_870_000_000
    assert plan.funders
    assert plan.public
    assert set(scenario.panel_days) == {"summer", "winter"}
    assert scenario.panel_days["summer"].produced_wh > scenario.panel_days["winter"].produced_wh


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"point": "C1"}, "crowdsale.point: 'C1' is not a connection point"),
        ({"point": "A1"}, "crowdsale.point: 'A1' has PV already"),
        ({"profile_of": "C1"}, "crowdsale.profile_of: 'C1' is not a connection point"),
        ({"watt_peak": 0}, "crowdsale.watt_peak: 0 is not in 1.."),
        ({"watt_peak": 50_000, "funders": {"A1": 9_000_000}}, "crowdsale.funders: all together"),
        ({"price_micro_eur_per_watt_peak": 2**55}, "makes a goal above"),
        ({"profit_share_permille": 1001}, "crowdsale.profit_share_permille: 1001 is not in 1..1000"),
        ({"rent_micro_eur_per_day": 96}, "one of profit_share_permille and rent_micro_eur_per_day"),
        ({"milestones": {"all": 999}}, "milestones: the permille of the goal sum to 999"),
        ({"milestones": {}}, "milestones: must name 1 to 16 milestones"),
        ({"funders": {"C1": 9_000_000}}, "crowdsale.funders.C1: is not a connection point"),
        ({"public": {"B1": 6_000_000}}, "crowdsale.public.B1: is a connection point"),
        ({"funders": {"A1": 1_000}}, "funders: all together give 6001007, not the goal of 10000000"),
        ({"minimum_micro_eur": 5_000_000}, "funders.A1: 4000000 is not in 5000000..9000000"),
        ({"maximum_micro_eur": 5_000_000}, "public.Ada: 6000007 is not in 1..5000000"),
        ({"minimum_micro_eur": 9_000_001}, "maximum_micro_eur: 9000000 is below the minimum"),
        ({"offered_by": "Ada"}, "offered_by: 'Ada' is neither owner nor one of the funders"),
        ({"term_days": 10**9}, "term_days: is more than 4294967295 periods"),
        ({"sunshine": 1}, "crowdsale.sunshine: is not a key of a scenario"),
    ],
)  # fmt: skip
def test_what_is_refused(path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        load(path, {"crowdsale": CAMPAIGN | change})
    assert message in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")


@pytest.mark.parametrize("key", [key for key in CAMPAIGN if key not in ("funders", "public")])
def test_every_key_is_needed(path: Path, key: str) -> None:
    toml = miniature.TOML
    with pytest.raises(ScenarioError, match=f"crowdsale.{key}: "):
        load(path, {"crowdsale": without(key)})
    assert path.read_text() == toml


def test_a_rent_that_is_no_whole_number_a_period(path: Path) -> None:
    table = without("profit_share_permille") | {"rent_micro_eur_per_day": 100}
    with pytest.raises(ScenarioError, match="100 is not a whole number of µEUR in each of 96"):
        load(path, {"crowdsale": table})


def test_no_factor_leaves_nothing_to_scale(path: Path) -> None:
    with pytest.raises(ScenarioError, match="pv_factor 0 leaves no profile to scale"):
        load(path, {"crowdsale": CAMPAIGN, "pv_factor": 0})


def test_a_panel_the_connection_does_not_carry(path: Path) -> None:
    table = CAMPAIGN | {"watt_peak": 90_000, "price_micro_eur_per_watt_peak": 100}
    with pytest.raises(ScenarioError, match=r"B1 reaches \d+ W .* above its connection capacity"):
        load(path, {"crowdsale": table})


def test_net_readings_do_not_tell_what_a_panel_makes() -> None:
    path = CHECKOUT / "scenarios" / "semiurb5.toml"
    points = {"point": "P0001", "profile_of": "P0002", "funders": {"P0002": 10_000_000}}
    with pytest.raises(ScenarioError, match="net readings do not tell what a panel produces"):
        load(path, {"crowdsale": CAMPAIGN | points})
