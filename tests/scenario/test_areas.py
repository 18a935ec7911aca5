"""Market areas of a scenario file: what each inherits, what all share, and what is refused."""

from pathlib import Path

import pytest

from gridbourse.scenario.areas import Areas, load_areas
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.scenario import load

SCENARIOS = Path(__file__).parents[2] / "scenarios"
HEAD = 'name = "two"\ndescription = "two areas"\nperiods = 8\n'
TWO = """
[areas.east]
file = "rural3.toml"
[areas.west]
file = "rural3.toml"
pv_factor = 1.0
[areas.west.tariff]
retail_micro_eur_per_wh = 320
[areas.west.grid]
v_max_pu = 1.05
"""


@pytest.fixture
def write(tmp_path):
    """Write a file with areas beside links to the presets, and read it."""
    for path in SCENARIOS.iterdir():
        (tmp_path / path.name).symlink_to(path)

    def written(text: str, head: str = HEAD, **overrides) -> Areas:
        (tmp_path / "two.toml").write_text(head + text)
        return load_areas(tmp_path / "two.toml", overrides)

    return written


def test_a_file_without_areas_has_one():
    one = load_areas(SCENARIOS / "rural3.toml", {"periods": 8})
    assert (one.names, one.name, one.named(None)) == (["rural3"], "rural3", 0)
    assert one.first.periods == 8


def test_an_area_has_its_own_tables_those_of_the_file_and_those_of_its_base(write):
    two = write(TWO)
    east, west = two
    assert two.names == ["east", "west"]
    assert (east.name, west.name) == ("rural3", "rural3")
    assert (east.periods, west.periods) == (8, 8)  # of the file's top level
    assert (east.pv_factor, west.pv_factor) == (4.0, 1.0)
    assert (east.tariff.retail_micro_eur_per_wh, west.tariff.retail_micro_eur_per_wh) == (300, 320)
    assert (east.limits.v_max_pu, west.limits.v_max_pu) == (1.10, 1.05)
    assert west.band.ticks == east.band.ticks + 20  # on the same grid of prices


def test_an_override_holds_in_every_area(write):
    assert [area.pv_factor for area in write(TWO, pv_factor=2.0)] == [2.0, 2.0]


def test_an_area_is_found_by_its_name(write):
    two = write(TWO)
    assert two.named("west") == 1
    with pytest.raises(ScenarioError, match=r"two.toml: no area is named; areas: east, west"):
        two.named(None)
    with pytest.raises(ScenarioError, match="'north' is no area; areas: east, west"):
        two.named("north")


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ("[areas.west.market]\nmax_rounds = 2", "areas.west.call_auction: is not as in area east"),
        ("[areas.west.market]\ngate_closure_s = 60", "areas.west.market.gate_closure_s: 60 is not"),
        (
            "[areas.west.settlement]\nsilent_permille = 500",
            "areas.west.settlement: .* of area east",
        ),
        ("[areas.'up north']\nfile = 'rural3.toml'", "areas.up north: a name has letters"),
        ("[areas.north]\nfile = 'two.toml'", "areas.north.file: two.toml has areas itself"),
        ("[areas.north]\nfile = 'nowhere.toml'", "nowhere.toml: "),
        ("[areas.north]\nfile = 'rural3.toml'\npv = 2", "two.toml, area north: pv: is not a key"),
    ],
)
def test_what_does_not_go_in_step_is_refused_with_area_and_key(write, more, refused):
    with pytest.raises(ScenarioError, match=refused):
        write(TWO + more)


def test_the_feed_in_tariff_is_the_floor_of_all_prices(write):
    lower = TWO.replace("retail_micro_eur_per_wh = 320", "feed_in_micro_eur_per_wh = 70")
    with pytest.raises(
        ScenarioError, match=r"areas.west.tariff.feed_in_micro_eur_per_wh: 70 is not"
    ):
        write(lower)


def test_one_contract_has_one_set_of_rules(write):
    book = """
[areas.{}.market]
kinds = ["order_book", "call_auction"]
[areas.{}.order_book]
min_wh = {}
max_fills = 8
max_open = 8
rounds = 2
revised_share = 0.1
withdrawn_share = 0.1
"""
    two = TWO.replace("320", "300")  # a book has 224 ticks at most
    assert len(write(two + book.format("east", "east", 1) + book.format("west", "west", 1))) == 2
    with pytest.raises(ScenarioError, match=r"areas.west.order_book: is not as in area east"):
        write(two + book.format("east", "east", 1) + book.format("west", "west", 2))


def test_a_file_with_areas_is_no_scenario_of_one(write, tmp_path):
    write(TWO)
    with pytest.raises(ScenarioError, match="areas: one area is wanted here"):
        load(tmp_path / "two.toml")
