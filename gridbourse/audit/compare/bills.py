"""Bills of a run without a market, from the logs and the scenario's profiles alone.

Two bills with the supplier alone: uncurtailed, as if the DSO had capped nobody, and under the caps that
were in force. Their difference is the cost of curtailment. Shares no code with the replay's accounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.settlement.metering import Metering
from gridbourse.chain.deployment.market import AREA
from gridbourse.scenario.scenario import Scenario

WHAT = "bill without a market"


class Baselines(NamedTuple):
    """All participants' bills with the supplier alone, µEUR, + received."""

    no_market: int
    no_market_capped: int

    @property
    def curtailment(self) -> int:
        """Cost of the caps, µEUR."""
        return self.no_market - self.no_market_capped


def baselines(rebuilt: Rebuilt, scenario: Scenario) -> Baselines | None:
    """Bills over all settled periods; None where devices or sold curtailment changed the metered energy,
    which no log tells."""
    if scenario.homes is not None or scenario.flexibility is not None:
        return None
    points = scenario.points
    rows = [row for row, takes_part in enumerate(points["participant"]) if takes_part]
    numbers = sorted(rebuilt.members.participants)  # registered in the scenario's order
    row_of = dict(zip(numbers, rows, strict=False))
    uncurtailed = capped = 0
    for period in sorted(rebuilt.metering.finished_in(AREA)):
        profile_wh = scenario.net_wh(period)
        prices = rebuilt.tariffs.energy(AREA, period)
        for who, row in row_of.items():
            zone = rebuilt.members.participants[who].zone
            fees = rebuilt.tariffs.fees(AREA, zone, period)
            fees = fees._replace(import_fee=fees.import_fee - scenario.levy_micro_eur_per_wh)
            reading, cap = _metered(rebuilt.metering, period, who)
            wh = reading + max(int(profile_wh[row]) - cap, 0)
            bills = [_bill(each, prices, fees) for each in (wh, min(wh, cap))]
            uncurtailed, capped = uncurtailed + bills[0], capped + bills[1]
    return Baselines(uncurtailed, capped)


def compare_bills(rebuilt: Rebuilt, scenario: Scenario, told: Mapping[str, Any] | None) -> None:
    """Compare a summary's bills without a market with the rebuilt ones; told: its `bills_micro_eur`."""
    found = baselines(rebuilt, scenario)
    if found is None or told is None:
        return
    for name in ("no_market", "no_market_capped", "curtailment"):
        rebuilt.findings.compare(WHAT, f"{name}, µEUR", told.get(name), getattr(found, name))


def _metered(metering: Metering, period: int, who: int) -> tuple[int, int]:
    """Reading, 0 where there is none, and export cap, Wh."""
    return metering.reading(period, who) or 0, metering.caps_of(period, who)[0]


def _bill(wh: int, prices: tuple[int, int], fees: tuple[int, int, int]) -> int:
    """Bill of a net reading with the supplier alone, µEUR, + received."""
    (retail, feed_in), (import_fee, _, export_fee) = prices, fees
    return wh * (feed_in - export_fee) if wh > 0 else wh * (retail + import_fee)
