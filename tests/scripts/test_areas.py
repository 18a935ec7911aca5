"""Commands on a market with two areas of two DSOs: each acts in the area it names."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from gridbourse.chain.deployment.market import Market
from gridbourse.chain.node.connect import session
from gridbourse.chain.operations.market_areas import PlaceError
from gridbourse.chain.operations.period_end import finish
from gridbourse.crowdsale.errors import CrowdsaleError
from gridbourse.deployment.live_market import LiveArea, found_areas
from gridbourse.index.history import read_history
from gridbourse.metering.points import read_numbers
from gridbourse.onboarding.mapping import found_mapping
from gridbourse.scenario.areas import load_areas
from scripts import agents, bill, offices, onboard, settle, withdraw
from tests.audit.mixed_market import without_pool
from tests.onboarding.applying import row, write
from tests.replay.noon import write_scenario
from tests.scripts.conftest import next_commands
from tests.scripts.test_settle_flexibility import OFFERED, OVERRIDES, PRICE, sell

NAMES = ("rural", "town")
PASSWORD = "a long enough one"
Call = Callable[..., str]


@pytest.fixture(scope="module")
def areas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LiveArea]]:
    """Two areas of the same nine points and zones, whose names say nothing of the area."""
    folder = tmp_path_factory.mktemp("areas")
    noon = without_pool(write_scenario(folder, 0.07))
    path = folder / "two.toml"
    path.write_text(
        'name = "two"\ndescription = "two DSOs"\n'
        + "".join(f'[areas.{name}]\nfile = "{noon.name}"\n' for name in NAMES)
    )
    scenarios = load_areas(path, OVERRIDES)
    with session("devnet-child") as w3:
        there = found_areas(w3, [*scenarios], {"file": str(path), "overrides": OVERRIDES})
        record = folder / "here.json"
        there[0].market.record.save(record)
        for name, live in zip(NAMES, there, strict=True):
            mapping = record.with_suffix(
                f".{name}.participants.csv" if name == "town" else ".participants.csv"
            )
            found_mapping(mapping, live.members.table.reset_index().to_dict("records"))
        yield dict(zip(NAMES, there, strict=True))


@pytest.fixture
def call(
    areas: dict[str, LiveArea],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Call:
    """What a command says on the market's chain."""
    market = areas["rural"].market
    record = Path(market.record.scenario["file"]).with_name("here.json")
    monkeypatch.setattr("scripts.record_path", lambda network: record)
    monkeypatch.setenv("GRIDBOURSE_KEYSTORE_PASSWORD", PASSWORD)
    monkeypatch.setenv("COLUMNS", "250")

    def said(script: ModuleType, *words: object) -> str:
        capsys.readouterr()
        script.main(*map(str, words), web3=market.chain.w3)
        market.chain._nonces.clear()  # the script has a Chain of its own
        return capsys.readouterr().out

    return said


def test_who_names_no_area_of_two_is_asked_for_one(call: Call) -> None:
    for script, *words in (
        (agents, "status", "--by", "P0002"),
        (withdraw, "status"),
        (bill, "P0002", "--month", "2016-07"),
        (onboard, "apply", "none.csv"),
    ):
        with pytest.raises(PlaceError, match="2 are open, name one: rural, town"):
            call(script, *words)


def test_a_point_is_the_one_of_the_area_named(call: Call, areas: dict[str, LiveArea]) -> None:
    point = next(iter(areas["town"].members.number_of))
    numbers = {name: live.members.number_of[point] for name, live in areas.items()}
    assert len({*numbers.values()}) == 2
    for name, number in numbers.items():
        assert f"participant {number}\n" in call(agents, "status", "--by", point, "--area", name)
    said = call(agents, "mandate", "no", "--by", point, "--area", "town")
    assert "nobody orders in its name" in said
    registry = areas["town"].market.registry
    assert [registry.read("profileOf", numbers[name])[3] for name in NAMES] == [1, 0]
    (limit,) = next_commands(call(agents, "mandate", "yes", "--by", point, "--area", "town"))
    assert "--area town" in limit


def test_a_dso_takes_out_what_its_own_area_earned(call: Call, areas: dict[str, LiveArea]) -> None:
    market = areas["town"].market
    earn(market, 5_000_000)
    before = [
        areas[name].market.house.read("balanceOf", areas[name].market.dso_account) for name in NAMES
    ]
    said = call(withdraw, "announce", "2.50", "--by", "dso", "--area", "town")
    assert "2.5 EUR set aside" in said
    after = [
        areas[name].market.house.read("balanceOf", areas[name].market.dso_account) for name in NAMES
    ]
    assert [was - is_ for was, is_ in zip(before, after, strict=True)] == [0, 2_500_000]


def test_a_role_of_an_area_moves_in_it_alone(call: Call, areas: dict[str, LiveArea]) -> None:
    said = call(offices, "status")
    town = areas["town"].market
    for role, name in (
        ("DSO", "dso"),
        ("METER_ORACLE", "meter oracle"),
        ("GRID_ORACLE", "grid oracle"),
    ):
        assert f"{role} of area town" in said
        assert town.keys.address(name) in said
    given = call(offices, "role", "propose", "METER_ORACLE", "public/ada", "--area", "town")
    assert "METER_ORACLE of area town for 0x" in given
    (give,) = next_commands(given)
    assert "--area town" in give
    listed = call(offices, "status")
    assert "role METER_ORACLE of area town for 0x" in listed
    assert "--area town" in next_commands(listed)[-1]
    address = give.split("METER_ORACLE ")[1].split()[0]
    call(offices, "role", "withdraw", "METER_ORACLE", address, "--area", "town")
    assert "Nothing is proposed." in call(offices, "status")
    with pytest.raises(CrowdsaleError):
        call(offices, "role", "propose", "METER_ORACLE", "none such", "--area", "town")


def test_each_areas_tokens_are_redeemed(call: Call, areas: dict[str, LiveArea]) -> None:
    """The second area's period is ended before the command is called, so its tokens are there already."""
    first, rural, town = areas["rural"].scenario.first_period, areas["rural"], areas["town"]
    periods = {"rural": first, "town": first + 1}
    called = {name: sell(live.market, live.members, periods[name]) for name, live in areas.items()}
    market = rural.market
    market.clock.advance_to(market.keys["operator"], (first + 2) * market.clock.read("mtuSeconds"))
    for live in areas.values():
        for period in periods.values():
            readings = dict.fromkeys(live.members.number_of.values(), 0)
            if period == periods[live.market.area_name]:
                readings |= dict.fromkeys(called[live.market.area_name], -OFFERED)
            live.market.meter.submit(period, 1, readings)
    finish(town.market, town.market.keys["operator"], periods["town"])
    assert town.market.flexibility.token.supply(token_of(town.market, periods["town"])) != (0, 0)
    said = call(settle)
    for name, live in areas.items():
        token = live.market.flexibility.token
        assert token.supply(token_of(live.market, periods[name])) == (0, 0), name
        assert f"{len(called[name]) * OFFERED * PRICE / 1e6:,.6f}" in said
    assert said.count("tokens redeemed") == 2
    assert read_history(market).rebuilt.findings.differences == []


def test_people_of_an_area_are_charged_by_its_dso(
    call: Call, areas: dict[str, LiveArea], tmp_path: Path
) -> None:
    """Both areas have zones of the same names: in the other's an applicant would pay no fees."""
    live = areas["town"]
    zone = max(live.members.zones, key=live.members.zones.__getitem__)
    assert live.members.zones[zone] != areas["rural"].members.zones[zone]
    file = write(tmp_path / "people.csv", row("S1", zone=zone))
    assert "1 applied, 0 rows refused" in call(onboard, "apply", file, "--area", "town")
    assert "Nobody has applied." in call(onboard, "status", "--area", "rural")
    assert "S1" in call(onboard, "status", "--area", "town")
    call(onboard, "check", "--all", "--operator", "Grace", "--area", "town")
    said = call(onboard, "register", "--area", "town")
    assert "1 registered, 0 refused" in said
    record = Path(live.market.record.scenario["file"]).with_name("here.json")
    assert "S1" not in read_numbers(record.with_suffix(".participants.csv"))
    (number,) = read_numbers(record.with_suffix(".town.participants.csv"))["S1"]
    area, its_zone = live.market.registry.read("profileOf", number)[:2]
    assert (area, its_zone) == (live.market.area, live.members.zones[zone])


def token_of(market: Market, period: int) -> int:
    """The token of the area's one request."""
    number: int = market.flexibility.token_of(period, 0)
    return number


def earn(market: Market, micro_eur: int) -> None:
    """Pay into the account of the area's DSO."""
    treasurer, currency = market.keys["treasurer"], market.currency
    currency.write(treasurer, "deposit", "mint", treasurer.address, micro_eur, b"e" * 32)
    currency.write(treasurer, "deposit", "approve", market.house.address, micro_eur)
    market.house.deposit(treasurer, {market.dso_account: micro_eur})
