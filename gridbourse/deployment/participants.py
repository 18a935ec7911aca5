"""Registers a scenario's participants, tariff and money in a new market."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from eth_utils import keccak

from gridbourse.agents.listings import Neighbours
from gridbourse.chain.bindings.registry import Registration
from gridbourse.chain.deployment.market import Market
from gridbourse.model.house_accounts import SUPPLIER_ACCOUNT, TSO_ACCOUNT
from gridbourse.model.settlement import Prices
from gridbourse.onboarding.pseudonyms import deployment_salt, pseudonym
from gridbourse.scenario.scenario import Scenario

ROWS_A_CALL = 50
"""Registrations in one transaction: about 9 M gas."""
SIGNATURE_LIFE_S = 3_600
ROUTES = ("own", "signed", "mandate")


@dataclass(frozen=True)
class Membership:
    """Mapping of points to participants, kept beside the chain.

    table: index point_id, columns number (participant number), account (address), at (row of the
    point in the scenario's arrays). zones: number of each grid zone.
    """

    table: pd.DataFrame
    zones: Mapping[str, int] = field(default_factory=dict)

    @property
    def number_of(self) -> dict[str, int]:
        """Participant number by point id."""
        return dict(zip(self.table.index, self.table["number"].tolist(), strict=True))

    @property
    def point_of(self) -> dict[int, str]:
        """Point id by participant number."""
        return dict(zip(self.table["number"].tolist(), self.table.index, strict=True))

    @property
    def row_of(self) -> dict[int, int]:
        """Row in the scenario's arrays by participant number."""
        return dict(zip(self.table["number"].tolist(), self.table["at"].tolist(), strict=True))


def onboard(market: Market, scenario: Scenario) -> Membership:
    """Set the tariff, register every participating point, and put its deposit into its account."""
    zones = _set_tariff(market, scenario)
    table = _register(market, scenario, zones)
    _give_mandates(market, table[~table.index.isin(without_mandate(scenario))])
    _pay_in(market, scenario, table)
    members = Membership(table, zones)
    if scenario.bilateral is not None:
        _attest(market, Neighbours(scenario, members.number_of, zones))
    return members


def account_name(point_id: str) -> str:
    """Name of a participant's key in the keyring."""
    return f"participant/{point_id}"


def without_mandate(scenario: Scenario) -> frozenset[str]:
    """Points that act for themselves alone: a gateway may not answer the auction of an aggregator whose
    mandate it holds, so where there are auctions aggregators give none.
    """
    if "aggregator_auction" not in scenario.market.kinds:
        return frozenset()
    return frozenset(one.point for one in scenario.aggregators)


def zone_prices(scenario: Scenario, zone: str) -> Prices:
    """Energy prices and grid fees of a zone."""
    tariff = scenario.tariff
    fees = tariff.fees[zone]
    return Prices(
        tariff.retail_micro_eur_per_wh,
        tariff.feed_in_micro_eur_per_wh,
        fees.import_,
        fees.local,
        fees.export,
    )


def _set_tariff(market: Market, scenario: Scenario) -> dict[str, int]:
    """Add the zones by name, each with its fees; then the energy prices, which open the tariff.

    Nothing has a price before the first period, so nobody can fill the ring with past ones.
    """
    operator, dso, supplier = (market.keys[n] for n in ("operator", "dso", "supplier"))
    zones: dict[str, int] = {}
    for name in _from_the_top(scenario.zones):
        parent = zones.get(scenario.zones[name] or "", 0)
        number = market.registry.add_zone(operator, name, parent)
        prices = zone_prices(scenario, name)
        fees = (prices.import_fee, prices.local_fee, prices.export_fee)
        first = scenario.first_period
        market.tariff.write(dso, "tariff", "setGridFees", market.area, number, first, fees)
        zones[name] = number
    retail, feed_in = (
        scenario.tariff.retail_micro_eur_per_wh,
        scenario.tariff.feed_in_micro_eur_per_wh,
    )
    market.tariff.write(
        supplier, "tariff", "setEnergyPrices", market.area, scenario.first_period, retail, feed_in
    )
    return zones


def _from_the_top(zones: dict[str, str | None]) -> list[str]:
    """Zones with every parent before its children."""

    def depth(name: str) -> int:
        parent = zones[name]
        return 0 if parent is None else 1 + depth(parent)

    return sorted(zones, key=lambda name: (depth(name), name))


def _register(market: Market, scenario: Scenario, zones: dict[str, int]) -> pd.DataFrame:
    points = scenario.points.assign(at=range(len(scenario.points)))
    table = points[points["participant"]].copy()
    table["account"] = [market.keys[account_name(p)].address for p in table.index]
    hours = scenario.mtu_seconds / 3600
    salt = deployment_salt(market.keys)
    rows = [
        Registration(
            point.account,
            pseudonym(salt, str(point_id)),
            market.area,
            zones[point.zone],
            int(point.capacity_w * hours),
            scenario.first_period,
        )
        for point_id, point in table.iterrows()
    ]
    numbers: list[int] = []
    for start in range(0, len(rows), ROWS_A_CALL):
        numbers += market.registry.register(
            market.keys["operator"], rows[start : start + ROWS_A_CALL]
        )
    table["number"] = numbers
    return table[["number", "account", "at", "zone"]]


def _give_mandates(market: Market, table: pd.DataFrame) -> None:
    gateway = market.registry.read("gatewayNumberOf", market.keys["gateway"].address)
    for point_id in table.index:
        account = market.keys[account_name(point_id)]
        market.registry.write(account, "mandate", "giveMandate", gateway)


def source_bits(people: Neighbours, sources: Collection[str]) -> int:
    """Sources as the registry encodes them, one bit each."""
    return sum(1 << people.sources.index(source) for source in sources)


def _attest(market: Market, people: Neighbours) -> None:
    """Let the operator attest the source of each seller's energy."""
    for seller in people.sellers:
        bits = source_bits(people, [people.source_of(seller)])
        number = people.numbers[seller]
        market.registry.write(market.keys["operator"], "attest", "attest", number, bits)


def _pay_in(market: Market, scenario: Scenario, table: pd.DataFrame) -> None:
    """Let the treasurer mint against bank deposits and pay into the accounts."""
    treasurer = market.keys["treasurer"]
    amounts = {int(number): scenario.parties.deposit_micro_eur for number in table["number"]}
    amounts[SUPPLIER_ACCOUNT] = scenario.parties.supplier_deposit_micro_eur
    if scenario.flexibility is not None:
        amounts |= dict.fromkeys(
            (market.dso_account, TSO_ACCOUNT), scenario.flexibility.deposit_micro_eur
        )
    total = sum(amounts.values())
    of_area = f"/{market.area}" if market.area else ""
    reference = keccak(text=f"bank/{scenario.name}/{scenario.first_period}{of_area}")
    market.currency.write(
        treasurer, "deposit", "mint", treasurer.address, total, reference, units=0
    )
    market.currency.write(treasurer, "deposit", "approve", market.house.address, total, units=0)
    numbers = list(amounts)
    for start in range(0, len(numbers), 4 * ROWS_A_CALL):
        some = numbers[start : start + 4 * ROWS_A_CALL]
        market.house.deposit(treasurer, {number: amounts[number] for number in some})


def routes_of(scenario: Scenario, members: Membership) -> dict[str, str]:
    """point_id -> "own", "signed" or "mandate", drawn once by the seed; without a gateway: own."""
    points, parties = list(members.table.index), scenario.parties
    draw = np.random.default_rng([scenario.strategy.seed, len(points)]).random(len(points))
    edges = [parties.own_share, parties.own_share + parties.signed_share]
    drawn = dict(zip(points, (ROUTES[i] for i in np.digitize(draw, edges)), strict=True))
    return drawn | dict.fromkeys(without_mandate(scenario) & drawn.keys(), "own")
