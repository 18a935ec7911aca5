"""Comparison of the chain's rules, tariff and participants with those of the scenario."""

from gridbourse.audit.compare.crowdsale import compare_crowdsale
from gridbourse.audit.compare.markets import compare_markets
from gridbourse.audit.core.rules import Rules
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.deployment.market import AREA
from gridbourse.scenario.scenario import Scenario

WHAT = "scenario"
NAME_BYTES = 32


def compare_scenario(rebuilt: Rebuilt, rules: Rules, scenario: Scenario) -> None:
    """Compare every rule, zone, price and connection point; points are registered in scenario order."""
    _compare_rules(rebuilt, rules, scenario)
    compare_markets(rebuilt, rules, scenario)
    compare_crowdsale(rebuilt, scenario)
    _compare_tariff(rebuilt, scenario)
    _compare_participants(rebuilt, scenario)
    settled = sorted(rebuilt.metering.finished_in(AREA))
    missing = sorted(set(scenario.replayed) - set(settled))
    rebuilt.findings.compare(WHAT, "periods that were not settled", missing, [])
    beyond = sorted(set(settled) - set(scenario.replayed))
    rebuilt.findings.compare(WHAT, "periods settled beyond it", beyond, [])


def _compare_rules(rebuilt: Rebuilt, rules: Rules, scenario: Scenario) -> None:
    market = scenario.market
    for name, chain, wanted in (
        ("gate closure, s", rules.gate_closure_seconds, market.gate_closure_s),
        ("market time unit, s", rules.mtu_seconds, scenario.mtu_seconds),
        ("dispute window, s", rules.dispute_window_seconds, scenario.settlement.dispute_window_s),
        ("silent, permille", rules.silent_permille, scenario.settlement.silent_permille),
        ("areas", rebuilt.members.areas, [_label(market.area)]),
    ):
        rebuilt.findings.compare(WHAT, name, chain, wanted)


def _compare_tariff(rebuilt: Rebuilt, scenario: Scenario) -> None:
    """Compare prices and fees of every period replayed, whatever version sets them."""
    findings, tariffs, wanted = rebuilt.findings, rebuilt.tariffs, scenario.tariff
    zones = _zone_numbers(rebuilt)
    energy = (wanted.retail_micro_eur_per_wh, wanted.feed_in_micro_eur_per_wh)
    for period in scenario.replayed:
        where = f"(retail, feed-in), period {period}"
        findings.compare(WHAT, where, tuple(tariffs.energy(AREA, period)), energy)
        for name, fees in wanted.fees.items():
            number = zones.get(_label(name))
            chain = None if number is None else tuple(tariffs.fees(AREA, number, period))
            where = f"(import, local, export) fee, zone {name}, period {period}"
            findings.compare(WHAT, where, chain, (fees.import_, fees.local, fees.export))


def _compare_participants(rebuilt: Rebuilt, scenario: Scenario) -> None:
    """Compare participants by the order of their points, since metering points are pseudonyms."""
    findings, zones = rebuilt.findings, _zone_numbers(rebuilt)
    chain = [rebuilt.members.participants[n] for n in sorted(rebuilt.members.participants)]
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
            (zones.get(_label(zone)), int(capacity_w * scenario.mtu.hours), scenario.first_period),
        )


def _zone_numbers(rebuilt: Rebuilt) -> dict[bytes, int]:
    return {zone.name: number for number, zone in enumerate(rebuilt.members.zones) if number}


def _label(name: str) -> bytes:
    """Name as the registry stores it."""
    return name.encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0")
