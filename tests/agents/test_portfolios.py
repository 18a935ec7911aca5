"""Aggregators of a scenario: who has a contract, what is asked for and answered, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from gridbourse.agents.portfolios import Portfolios, Posted
from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.model.aggregator_auction import Auction
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scenario.scenario import Scenario, load

PRESET = CHECKOUT / "scenarios" / "smart-watts.toml"
NOON = {"start": "2016-07-24T10:00Z", "periods": 4}
WORKS = {
    "point": "P0098", "share": 0.3, "control": "mixed", "resources": ["battery", "pv"],
    "permille": 700, "mandate_share": 0.5,
}  # fmt: skip
OUTSIDER = "P0003"
SEALED = {"answers": "sealed", "pricing": "uniform", "bond_micro_eur": 5_000, "reveal_s": 60}


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load(PRESET, NOON)


@pytest.fixture(scope="module")
def portfolios(scenario: Scenario) -> Portfolios:
    return Portfolios(scenario)


def test_contracts_are_drawn_by_share_one_a_participant(
    scenario: Scenario, portfolios: Portfolios
) -> None:
    own = {one.point for one in scenario.aggregators}
    participants = set(scenario.points.index[scenario.points["participant"]])
    assert set(portfolios.aggregator_of) <= participants - own
    counts = [list(portfolios.aggregator_of.values()).count(one) for one in scenario.aggregators]
    for one, count in zip(scenario.aggregators, counts, strict=True):
        assert count / len(participants - own) == pytest.approx(one.share, abs=0.12)
    assert portfolios.mandated < set(portfolios.aggregator_of)
    assert Portfolios(scenario).aggregator_of == portfolios.aggregator_of, "drawn once"


def test_each_contract_has_its_aggregators_terms_for_the_whole_replay(
    scenario: Scenario, portfolios: Portfolios
) -> None:
    numbers = {str(point): 8 + place for place, point in enumerate(scenario.points.index)}
    contracts = [*portfolios.contracts(numbers)]
    assert len(contracts) == len(portfolios.aggregator_of)
    of = {one.participant: one for one in contracts}
    point, aggregator = next(
        (p, a) for p, a in portfolios.aggregator_of.items() if a.name == "works"
    )
    terms = of[numbers[point]]
    assert (terms.aggregator, terms.permille) == (numbers["P0098"], 700)
    assert (terms.resources, terms.control) == (1 | 16, 2)
    assert terms.may_trade == (point in portfolios.mandated)
    assert range(terms.from_period, terms.until_period) == scenario.replayed
    assert aggregator.point == "P0098"


def test_a_shortage_is_asked_for_under_the_ceiling_and_a_surplus_sold_above_the_floor(
    scenario: Scenario, portfolios: Portfolios
) -> None:
    rows = {str(point): row for row, point in enumerate(scenario.points.index)}
    wanted = np.zeros(len(rows), dtype=np.int64)
    wanted[rows["P0098"]], wanted[rows["P0001"]] = -700, 900
    solar, works = portfolios.auctions(wanted)
    assert (solar.auction, works.auction) == (Auction(False, 900, 20), Auction(True, 700, 180))
    assert portfolios.auctions(np.zeros_like(wanted)) == []


def test_prosumers_answer_their_own_aggregator_within_its_limit(
    scenario: Scenario, portfolios: Portfolios
) -> None:
    period = scenario.first_period
    wanted = scenario.forecast_wh(period)
    posted = portfolios.auctions(wanted)
    answers = portfolios.answers(period, wanted, posted)
    rows = {str(point): row for row, point in enumerate(scenario.points.index)}
    assert len({answer.point_id for answer in answers}) == len(answers) > 20
    for answer in answers:
        asked = posted[answer.auction]
        assert portfolios.aggregator_of.get(answer.point_id) in (None, asked.aggregator)
        net = wanted[rows[answer.point_id]]
        assert answer.wh == abs(net)
        assert asked.auction.buys == (net > 0)
        limit = asked.auction.tick
        assert answer.tick <= limit if asked.auction.buys else answer.tick >= limit


def test_who_has_no_contract_answers_what_offers_it_most(
    scenario: Scenario, portfolios: Portfolios
) -> None:
    """Two aggregators buy: the higher ceiling gets every free prosumer, for members their own."""
    solar, works = scenario.aggregators
    posted = [Posted(solar, Auction(True, 900, 100)), Posted(works, Auction(True, 900, 150))]
    wanted = np.full(len(scenario.points), 50, dtype=np.int64)
    answers = portfolios.answers(scenario.first_period, wanted, posted)
    free = [a for a in answers if a.point_id not in portfolios.aggregator_of]
    assert {a.auction for a in free} == {1}
    bound = {a.auction for a in answers if portfolios.aggregator_of.get(a.point_id) is solar}
    assert bound == {0}
    own = {solar.point, works.point}
    assert not own & {a.point_id for a in answers}


def test_sealed_answers_have_a_bond_and_a_time(scenario: Scenario) -> None:
    assert (scenario.reveal_s, scenario.auction_rules.is_sealed) == (0, False)
    sealed = load(PRESET, NOON | {"aggregator_auction": SEALED})
    with_keys = {key: value for key, value in SEALED.items() if key != "answers"}
    rules = sealed.auction_rules
    assert (rules.bond_micro_eur, sealed.reveal_s, rules.is_sealed) == (5_000, 60, True)
    with pytest.raises(ScenarioError, match="bond_micro_eur: is of sealed answers"):
        load(PRESET, {"aggregator_auction": {"answers": "open"} | with_keys})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"point": "P9999"}, "aggregators.works.point: 'P9999' is not a connection point"),
        ({"point": OUTSIDER}, f"aggregators.works.point: {OUTSIDER!r} does not take part"),
        ({"point": "P0001"}, "aggregators.works.point: 'P0001' is another aggregator's"),
        ({"share": 0.7}, "aggregators: the shares sum to 1.1, to more than 1"),
        ({"control": "none"}, "aggregators.works.control: 'none' is not one of direct, indirect"),
        ({"resources": ["boiler"]}, "aggregators.works.resources: 'boiler' is not one of battery"),
        ({"permille": 1_001}, "aggregators.works.permille: 1001 is not in 0..1000"),
        ({"mandate_share": 1.5}, "aggregators.works.mandate_share: 1.5 is not in 0..1"),
        ({"ceiling_micro_eur_per_wh": 301}, "ceiling_micro_eur_per_wh: 301 is not in 80..300"),
        ({"floor_micro_eur_per_wh": 79}, "floor_micro_eur_per_wh: 79 is not in 80..300"),
        ({"colour": "red"}, "aggregators.works.colour: is not a key of a scenario"),
    ],
)
def test_aggregators_outside_the_rules_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        load(PRESET, {"aggregators": {"works": WORKS | change}})
    assert words in str(refused.value)


def test_a_limit_between_two_ticks_is_refused() -> None:
    change = {"works": WORKS | {"ceiling_micro_eur_per_wh": 261}}
    with pytest.raises(ScenarioError, match="261 is not on a tick of the price band"):
        load(PRESET, {"market.tick_micro_eur_per_wh": 2, "aggregators": change})


@pytest.mark.parametrize("seconds", [0, 899])
def test_the_time_to_reveal_leaves_time_to_commit(seconds: int) -> None:
    with pytest.raises(ScenarioError, match=rf"reveal_s: {seconds} is not in 60..898"):
        load(PRESET, {"aggregator_auction": SEALED | {"reveal_s": seconds}})


def test_auctions_need_aggregators_and_rules(scenario: Scenario, tmp_path) -> None:  # type: ignore[no-untyped-def]
    text = PRESET.read_text()
    start = text.index("[aggregators.solar]")
    without = text[:start] + text[text.index("# What the homes have") :]
    path = PRESET.with_name("smart-watts.toml")
    copy = tmp_path / "without.toml"
    copy.write_text(without.replace('folder = "rural3"', f'folder = "{path.parent / "rural3"}"'))
    with pytest.raises(ScenarioError, match="aggregators: is missing"):
        load(copy)
    with pytest.raises(ScenarioError, match=r"aggregator_auction is not one of market\.kinds"):
        _ = replace(scenario, tables={}).auction_rules
