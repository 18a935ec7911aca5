"""Accounts of a replay, as the report wants them: energy and money by the reference model.

Prices, fills and payments come from the chain, charges from the model on the same readings; the two
meet in `require_equal`, which refuses a run whose accounts differ from the model's by a micro-euro.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.agents.homes import forecast_wh
from gridbourse.agents.plant import Delivery, Plant, energy_gap_wh
from gridbourse.deployment.participants import Membership
from gridbourse.grid.network import Flow
from gridbourse.model.house_accounts import (
    DSO_ACCOUNT,
    MARGIN_ACCOUNT,
    OPERATOR_ACCOUNT,
    SPREAD_ACCOUNT,
    SUPPLIER_ACCOUNT,
    TSO_ACCOUNT,
)
from gridbourse.model.settlement import Charges, Prices, settle, without_market
from gridbourse.report.record import FLEXIBILITY_COLUMNS, ORDER_COLUMNS
from gridbourse.scenario.scenario import Scenario
from oracle.dso.grid_check import expected_wh
from replay.markets.market import OUTSIDE, Trading, Transfer
from replay.period_walk import PeriodResult, ReplayError

Ints = NDArray[np.int64]
FEES = ("import_fee", "local_fee", "export_fee")
COMPENSATION = "curtailment_compensation"
"""Kind of transfer to who was curtailed."""
HOUSE = {
    SUPPLIER_ACCOUNT: "supplier",
    OPERATOR_ACCOUNT: "operator",
    SPREAD_ACCOUNT: "spread account",
    MARGIN_ACCOUNT: "margin account",
    TSO_ACCOUNT: "tso",
}
"""House accounts that markets of every area move money to and from, by number."""


@dataclass
class Accounts:
    """Sums over a run. Arrays over participants, in the order of the membership table."""

    scenario: Scenario
    members: Membership
    plant: Plant
    dso_account: int = DSO_ACCOUNT
    periods: list[dict[str, object]] = field(default_factory=list)
    orders: list[pd.DataFrame] = field(default_factory=list)
    flexibility: list[pd.DataFrame] = field(default_factory=list)
    money: dict[str, int] = field(default_factory=dict)
    gap_wh: float = 0.0

    def __post_init__(self) -> None:
        zeros = np.zeros(len(self.members.table), dtype=np.int64)
        self.people = pd.DataFrame(
            {"number": self.members.table["number"]}
            | {name: zeros.copy() for name in PEOPLE_COLUMNS},
            index=self.members.table.index,
        )
        self._house: dict[int, int] = {}
        self._house_names = HOUSE | {self.dso_account: "dso"}
        # What leaves the market goes to a campaign's shareholders.
        self._parties = self._house_names | {OUTSIDE: "shareholders"}
        self._moved: dict[tuple[str, str, str], int] = {}
        self._left: dict[int, int] = {}
        self._rows = self.members.table["at"].to_numpy()
        fees = self.scenario.tariff.fees
        zone_fees = [fees[zone] for zone in self.members.table["zone"]]
        self._prices = Prices(
            self.scenario.tariff.retail_micro_eur_per_wh,
            self.scenario.tariff.feed_in_micro_eur_per_wh,
            np.array([f.import_ for f in zone_fees], dtype=np.int64),
            np.array([f.local for f in zone_fees], dtype=np.int64),
            np.array([f.export for f in zone_fees], dtype=np.int64),
        )
        levy = self.scenario.levy_micro_eur_per_wh
        self._without_levy = replace(self._prices, import_fee=self._prices.import_fee - levy)

    def add(self, result: PeriodResult) -> None:
        """Take a settled period in."""
        delivery, metered = result.delivery, result.metered_wh
        if delivery is None or metered is None:
            raise ReplayError(f"period {result.period}: is not delivered yet")
        readings = metered[self._rows]
        contracts = result.positions_wh[self._rows]
        caps = result.caps.export_cap_wh[self._rows]
        payments = self._payments(result)
        charges = settle(readings, contracts, caps, self._prices)
        self._add_people(readings, contracts, payments, charges, delivery)
        self._add_baselines(readings, caps, delivery)
        self._add_money(result.tradings, charges)
        self.add_transfers([each for trading in result.tradings for each in trading.transfers])
        if result.flexibility is not None:
            self.add_transfers(result.flexibility.transfers)
            self.flexibility.append(result.flexibility.requests)
        gap_wh = energy_gap_wh(metered, delivery.flow, self.scenario.mtu.hours)
        self.gap_wh += abs(gap_wh)
        self.periods.append(
            self._period(result, delivery, readings, contracts) | {"gap_wh": gap_wh}
        )
        metered_of = pd.Series(readings, index=self.members.table["number"].to_numpy())
        orders = result.orders.assign(delivered_wh=delivered_wh(result.orders, metered_of))
        self.orders.append(orders[list(ORDER_COLUMNS)])

    def _payments(self, result: PeriodResult) -> Ints:
        numbers = self.members.table["number"]
        of_markets = [
            [trading.payments_micro_eur.get(who, 0) for who in numbers]
            for trading in result.tradings
        ]
        return np.sum(of_markets, axis=0, dtype=np.int64)

    def _add_people(
        self, readings: Ints, contracts: Ints, payments: Ints, charges: Charges, delivery: Delivery
    ) -> None:
        people = self.people
        people["bill_micro_eur"] += payments + charges.delta
        people["sold_wh"] += np.maximum(contracts, 0)
        people["bought_wh"] += np.maximum(-contracts, 0)
        people["exported_wh"] += np.maximum(readings, 0)
        people["imported_wh"] += np.maximum(-readings, 0)
        people["local_bought_wh"] += _both(-readings, -contracts)
        people["fees_micro_eur"] += charges.dso
        people["curtailed_wh"] += delivery.curtailed_wh[self._rows]

    def _add_baselines(self, readings: Ints, caps: Ints, delivery: Delivery) -> None:
        """Add the period's bills with the supplier alone: uncurtailed, and under the caps.

        What an import cap kept somebody from drawing is in neither: no meter saw it, and to its owner
        it was worth more than it would have cost. Without compensation there is no levy for it.
        """
        held_back = np.maximum(delivery.uncurtailed_wh - delivery.readings_wh, 0)[self._rows]
        uncurtailed = readings + held_back
        for name, bill in (
            ("no_market_micro_eur", without_market(uncurtailed, self._without_levy)),
            ("no_market_capped_micro_eur", without_market(uncurtailed, self._without_levy, caps)),
        ):
            self.people[name] += bill.delta

    def _add_money(self, tradings: Sequence[Trading], charges: Charges) -> None:
        paid = sum(trading.paid_micro_eur for trading in tradings)
        spread = -sum(sum(trading.payments_micro_eur.values()) for trading in tradings)
        flows = {
            "energy": paid - spread,
            "spread": spread,
            "retail": int(charges.retail.sum()),
            "feed_in": -int(charges.feed_in.sum()),
        } | {fee: int(getattr(charges, fee).sum()) for fee in FEES}
        for kind, amount in flows.items():
            self.money[kind] = self.money.get(kind, 0) + amount

    def add_transfers(self, transfers: Iterable[Transfer]) -> None:
        """Take money in that moved for other reasons than energy.

        What leaves the market is in no bill: it is not what the market's energy came to.
        """
        for transfer in transfers:
            payer, payee = (self._parties.get(each, "participants") for each in transfer[:2])
            way = (payer, payee, transfer.kind)
            self._moved[way] = self._moved.get(way, 0) + transfer.micro_eur
            for account, amount in (
                (transfer.payer, -transfer.micro_eur), (transfer.payee, transfer.micro_eur),
            ):  # fmt: skip
                if transfer.payee == OUTSIDE:
                    self._left[account] = self._left.get(account, 0) + amount
                elif account in self._house_names:
                    self._house[account] = self._house.get(account, 0) + amount
                else:
                    who = self.people["number"] == account
                    self.people.loc[who, "bill_micro_eur"] += amount
                    if transfer.kind == COMPENSATION:
                        self.people.loc[who, "compensation_micro_eur"] += amount

    def _period(
        self, result: PeriodResult, delivery: Delivery, readings: Ints, contracts: Ints
    ) -> dict[str, object]:
        placed = result.orders.groupby("side")["wh"].sum()
        generation, load = self._gross(result.period, delivery)
        forecast = forecast_wh(self.scenario, self.plant.homes, result.period)
        before = expected_wh(forecast, result.contracts_wh + self._rejected_wh(result.trades))
        after = expected_wh(forecast, result.contracts_wh)
        if result.moved_wh is not None:
            after = after + result.moved_wh
        after = result.caps.clip(after)
        states = {
            "unchecked": self.plant.expected_flow(result.period, before),
            "checked": self.plant.expected_flow(result.period, after),
            "delivered": delivery.flow,
        }
        hours = self.scenario.mtu.hours
        exchange = round(delivery.flow.exchange_w[0] * hours)
        return {
            "period": result.period,
            "bid_wh": int(placed.get("bid", 0)),
            "offer_wh": int(placed.get("offer", 0)),
            "matched_wh": sum(trading.matched_wh for trading in result.tradings),
            "price_micro_eur_per_wh": self._price(result.tradings),
            "verdict": _last_word(result),
            "rounds": len(result.verdicts) - len(result.flexibility_verdicts),
            "curtailed_wh": int(delivery.curtailed_wh.sum()),
            "generation_wh": int(generation.sum()),
            "load_wh": int(load.sum()),
            "self_used_wh": int(np.minimum(generation, load).sum()),
            "local_bought_wh": int(_both(-readings, -contracts).sum()),
            "local_sold_wh": int(_both(readings, contracts).sum()),
            "import_wh": max(exchange, 0),
            "export_wh": max(-exchange, 0),
            "losses_wh": round(delivery.flow.losses_w[0] * hours),
            **{key: value for name, flow in states.items() for key, value in _extremes(name, flow)},
        }

    def _rejected_wh(self, trades: pd.DataFrame) -> Ints:
        """Net energy of every connection point in the trades the DSO rejected, + sells."""
        net: Ints = np.zeros(len(self.scenario.points), dtype=np.int64)
        if len(trades):
            rejected = trades[trades["rejected"]]
            for side, sign in (("seller", 1), ("buyer", -1)):
                sums = rejected.groupby(side)["wh"].sum().reindex(self.scenario.points.index)
                net += sign * sums.fillna(0).to_numpy(np.int64)
        return net

    def _gross(self, period: int, delivery: Delivery) -> tuple[Ints, Ints]:
        """Production and consumption behind each meter, Wh, such that their difference is the reading.

        What scheduled devices draw is consumption; what they give back is less of it, so that energy
        from a battery is not produced a second time.
        """
        hours = self.scenario.mtu.hours
        profile = np.rint(self.scenario.profiles.load_w.loc[period].to_numpy() * hours)
        wanted = np.maximum(profile.astype(np.int64) - delivery.devices_wh, 0)
        produces = self.scenario.profiles.pv_w.loc[period].to_numpy() > 0
        # Where nothing is produced the reading is the consumption, less what an import cap held back.
        drawn = np.maximum(-delivery.readings_wh, 0)
        load = np.where(produces, np.maximum(wanted, drawn), drawn)
        return delivery.readings_wh + load, load

    def _price(self, tradings: Sequence[Trading]) -> int | None:
        """The mean paid per Wh, rounded to a tick: in an auction with one price, that price."""
        matched = sum(trading.matched_wh for trading in tradings)
        if not matched:
            return None
        paid = sum(trading.paid_micro_eur for trading in tradings)
        tick = self.scenario.market.tick_micro_eur_per_wh
        return round(paid / matched / tick) * tick

    def money_table(self) -> pd.DataFrame:
        """Flows of money, by group."""
        ways = {
            "energy": ("buyers", "sellers"),
            "spread": ("buyers", "spread account"),
            "retail": ("participants", "supplier"),
            "feed_in": ("supplier", "participants"),
        } | dict.fromkeys(FEES, ("participants", "dso"))
        rows = [(*ways[kind], kind, amount) for kind, amount in self.money.items() if amount]
        rows += [(*way, amount) for way, amount in self._moved.items() if amount]
        return pd.DataFrame(rows, columns=["payer", "payee", "kind", "micro_eur"])

    def flexibility_table(self) -> pd.DataFrame:
        """A row a request of flexibility."""
        blank = pd.DataFrame(columns=list(FLEXIBILITY_COLUMNS))
        asked = [requests for requests in self.flexibility if len(requests)]
        return pd.concat(asked, ignore_index=True) if asked else blank

    def changes(self) -> dict[int, int]:
        """Change of every account that the area's energy and transfers come to, µEUR by number."""
        expected = dict(zip(self.people["number"], self.people["bill_micro_eur"], strict=True))
        house = dict.fromkeys(self._house_names, 0) | self._house
        house[SUPPLIER_ACCOUNT] += self.money.get("retail", 0) - self.money.get("feed_in", 0)
        house[self.dso_account] += sum(self.money.get(fee, 0) for fee in FEES)
        house[SPREAD_ACCOUNT] += self.money.get("spread", 0)
        expected |= house
        for account, amount in self._left.items():
            if account != OUTSIDE:
                expected[account] += amount
        return expected


def require_equal(
    areas: Iterable[Accounts], before: Mapping[int, int], after: Mapping[int, int]
) -> None:
    """ReplayError unless every account changed on the chain as the model says, over all areas.

    Credits that wait for the supplier's money count as its participant's.
    """
    expected: dict[int, int] = defaultdict(int)
    for area in areas:
        for account, change in area.changes().items():
            expected[account] += change
    for account, change in expected.items():
        found = after[account] - before[account]
        if found != change:
            raise ReplayError(
                f"account {account}: changed by {found} µEUR on the chain, {change} by the model"
            )


PEOPLE_COLUMNS = (
    "bill_micro_eur",
    "no_market_micro_eur",
    "no_market_capped_micro_eur",
    "compensation_micro_eur",
    "bought_wh",
    "sold_wh",
    "imported_wh",
    "exported_wh",
    "local_bought_wh",
    "fees_micro_eur",
    "curtailed_wh",
)


def delivered_wh(orders: pd.DataFrame, readings_wh: pd.Series) -> pd.Series:
    """Part of each order's trades that the meter confirms: where it is less, the last booked falls short.

    orders: of one period, with number, side, fill_wh, in the order in which they were booked.
    readings_wh: net by participant number, + injects. A participant's contract is the net of its
    trades, so what it sold and bought meets in it.
    """
    selling, fills = orders["side"] == "offer", orders["fill_wh"]
    contract = fills.where(selling, -fills).groupby(orders["number"]).transform("sum")
    reading = orders["number"].map(readings_wh)
    sign = np.where(selling, 1, -1)
    owed = (sign * contract).clip(lower=0)
    short = owed - np.minimum((sign * reading).clip(lower=0), owed)
    newest_first = orders[::-1].groupby(["number", "side"])["fill_wh"].cumsum()[::-1]
    missing = np.minimum((short - (newest_first - fills)).clip(lower=0), fills)
    return fills - missing


def _both(metered: Ints, contracted: Ints) -> Ints:
    """min(contract, metered) of one direction, never negative."""
    return np.minimum(np.maximum(metered, 0), np.maximum(contracted, 0))


def _last_word(result: PeriodResult) -> str:
    if any(trading.fallback for trading in result.tradings):
        return "fallback"
    return "capped" if result.caps.binding.any() else "accepted"


def _extremes(name: str, flow: Flow) -> list[tuple[str, float]]:
    return [
        (f"u_min_{name}", float(flow.u_pu.min())),
        (f"u_max_{name}", float(flow.u_pu.max())),
        (f"loading_{name}", float(flow.loading.max())),
    ]
