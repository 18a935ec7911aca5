"""The chain's rules, tariff and participants against those of the scenario it claims to replay."""

from collections.abc import Mapping, Sequence

from gridbourse.audit.compare.all_markets import compare_markets
from gridbourse.audit.compare.crowdsale import compare_crowdsale
from gridbourse.audit.core.rules import Rules
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.scenario.scenario import Scenario

WHAT = "scenario"
NAME_BYTES = 32


def compare_scenario(rebuilt: Rebuilt, rules: Rules, areas: Sequence[Scenario]) -> None:
    """Every rule, zone, price and connection point of every area, in the order of their numbers; zones
    and points are registered in scenario order."""
    _compare_rules(rebuilt, rules, areas)
    zones = _zones_of(rebuilt, areas)
    compare_markets(rebuilt, rules, areas, zones)
    for area, scenario in enumerate(areas):
        compare_crowdsale(rebuilt, area, scenario)
        _compare_tariff(rebuilt, area, scenario, zones[area])
        _compare_participants(rebuilt, area, scenario, zones[area])
        settled = sorted(rebuilt.metering.finished_in(area))
        missing = sorted(set(scenario.replayed) - set(settled))
        of_area = f", area {area}" if area else ""
        rebuilt.findings.compare(WHAT, f"periods that were not settled{of_area}", missing, [])
        beyond = sorted(set(settled) - set(scenario.replayed))
        rebuilt.findings.compare(WHAT, f"periods settled beyond it{of_area}", beyond, [])


def _zones_of(rebuilt: Rebuilt, areas: Sequence[Scenario]) -> list[dict[str, int]]:
    """Number of each zone by name, area by area: each adds its own, one after the other."""
    found, first = [], 1  # 0 is the flat zone
    for scenario in areas:
        own = rebuilt.members.zones[first : first + len(scenario.zones)]
        numbers = {zone.name: first + place for place, zone in enumerate(own)}
        found.append(
            {name: numbers[_label(name)] for name in scenario.zones if _label(name) in numbers}
        )
        first += len(scenario.zones)
    return found


def _compare_rules(rebuilt: Rebuilt, rules: Rules, areas: Sequence[Scenario]) -> None:
    scenario = areas[0]
    market = scenario.market
    for name, chain, wanted in (
        ("gate closure, s", rules.gate_closure_seconds, market.gate_closure_s),
        ("market time unit, s", rules.mtu_seconds, scenario.mtu_seconds),
        ("dispute window, s", rules.dispute_window_seconds, scenario.settlement.dispute_window_s),
        ("silent, permille", rules.silent_permille, scenario.settlement.silent_permille),
        ("areas", rebuilt.members.areas, [_label(each.market.area) for each in areas]),
    ):
        rebuilt.findings.compare(WHAT, name, chain, wanted)


def _compare_tariff(
    rebuilt: Rebuilt, area: int, scenario: Scenario, zones: Mapping[str, int]
) -> None:
    """Prices and fees due in every period replayed, whatever the versions they come from."""
    findings, tariffs, wanted = rebuilt.findings, rebuilt.tariffs, scenario.tariff
    energy = (wanted.retail_micro_eur_per_wh, wanted.feed_in_micro_eur_per_wh)
    for period in scenario.replayed:
        where = f"(retail, feed-in), period {period}"
        findings.compare(WHAT, where, tuple(tariffs.energy(area, period)), energy)
        for name, fees in wanted.fees.items():
            number = zones.get(name)
            chain = None if number is None else tuple(tariffs.fees(area, number, period))
            where = f"(import, local, export) fee, zone {name}, period {period}"
            findings.compare(WHAT, where, chain, (fees.import_, fees.local, fees.export))


def _compare_participants(
    rebuilt: Rebuilt, area: int, scenario: Scenario, zones: Mapping[str, int]
) -> None:
    """The metering points themselves are pseudonyms, so points are told by their order."""
    findings = rebuilt.findings
    chain = [rebuilt.members.participants[n] for n in rebuilt.members.numbers_in(area)]
    points = scenario.points[scenario.points["participant"]]
    findings.compare(WHAT, "participants", len(chain), len(points))
    distinct = len({participant.metering_point for participant in chain})
    findings.compare(WHAT, "metering points", distinct, len(points))
    rows = zip(points.index, points["zone"], points["capacity_w"], strict=True)
    for participant, (point, zone, capacity_w) in zip(chain, rows, strict=False):
        where = f"(zone, capacity Wh, from period) of {point}, participant {participant.number}"
        findings.compare(
            WHAT,
            where,
            (participant.zone, participant.capacity_wh, participant.from_period),
            (zones.get(zone), int(capacity_w * scenario.mtu.hours), scenario.first_period),
        )


def _label(name: str) -> bytes:
    """A name as the registry holds it."""
    return name.encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0")
