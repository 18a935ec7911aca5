"""A market of nine connections in two zones, run through one of everything a log can hold."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gridbourse.chain.deployment.deploy import deploy
from gridbourse.chain.deployment.market import FIRST_AREA, Market
from gridbourse.chain.encoding.lanes import BID, OFFER, lanes56, order_lane, pair
from gridbourse.chain.encoding.signed_orders import OrderTerms, order_domain, sign_order
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import CHECKOUT, load_artifacts
from gridbourse.chain.node.connect import let_time_pass
from gridbourse.chain.node.transactions import Chain
from gridbourse.chain.operations.event_log import deployment_logs
from gridbourse.chain.operations.withdrawals import announce, cancel, finish, pay_waiting, under_way
from gridbourse.deployment.live_market import settings_of
from gridbourse.deployment.participants import account_name, onboard
from gridbourse.deployment.portfolios import conclude
from gridbourse.model.caps import NO_CAP
from gridbourse.model.house_accounts import DSO_ACCOUNT, SUPPLIER_ACCOUNT
from gridbourse.model.trade import MOST_WH
from gridbourse.scenario.scenario import Scenario, load
from tests.chains import own_chain

REPORT = bytes(32)
PERIODS = 4
FAR_FUTURE = 2**40 - 1


def write_scenario(folder: Path) -> Path:
    """The default scenario with a second zone below the first, for every other point."""
    source = CHECKOUT / "scenarios"
    shutil.copytree(source / "rural3", folder / "rural3")
    points = folder / "rural3" / "points.csv"
    header, *rows = points.read_text().splitlines()
    rows = [row.replace("LV3.101", "LV3.102") if i % 2 else row for i, row in enumerate(rows)]
    points.write_text("\n".join([header, *rows]) + "\n")
    zone = (
        '[zones."LV3.102"]\nparent = "LV3.101"\nimport_fee_micro_eur_per_wh = 120\n'
        "local_fee_micro_eur_per_wh = 50\nexport_fee_micro_eur_per_wh = 5\n\n[strategy]"
    )
    text = (source / "rural3.toml").read_text()
    path = folder / "small.toml"
    path.write_text(text.replace("[strategy]", zone))
    return path


def overrides(pricing: str) -> dict[str, Any]:
    """Nine participants with half a euro each, a supplier with little; two clearings a period at most."""
    return {
        "periods": PERIODS,
        "market.pricing": pricing,
        "market.max_rounds": 2,
        "parties.participation": 0.07,
        "parties.deposit_micro_eur": 500_000,
        "parties.supplier_deposit_micro_eur": 300_000,
    }


class SmallMarket:
    """Drives the contracts of a small market by hand, participants by their place (0 to 8)."""

    def __init__(self, scenario: Scenario, groups_a_call: int) -> None:
        self.scenario, self.groups_a_call = scenario, groups_a_call
        self.chain = Chain(own_chain(), load_artifacts())
        self.keys = Keyring.for_chain(self.chain.w3)
        settings = replace(
            settings_of(scenario), reading_window_seconds=0, verdict_window_seconds=0
        )
        aggregators = [self.keys.address(account_name(one.point)) for one in scenario.aggregators]
        self.market: Market = deploy(self.chain, self.keys, settings, aggregators=aggregators)
        members = onboard(self.market, scenario)
        conclude(self.market, scenario, members)
        table = members.table
        self.places = {point: place for place, point in enumerate(table.index)}
        self.numbers: list[int] = table["number"].tolist()
        self.accounts = [self.keys[account_name(point)] for point in table.index]
        self.prices: dict[int, int | None] = {}
        self.traded: set[int] = set()

    # --- steps of a period -------------------------------------------------------------------

    def at(self, timestamp: int) -> None:
        self.market.clock.advance_to(self.keys["operator"], timestamp)

    def open(self, period: int) -> None:
        self.at(period * self.scenario.mtu_seconds - self.scenario.market.gate_closure_s - 1)

    def close(self, period: int) -> None:
        self.at(period * self.scenario.mtu_seconds - self.scenario.market.gate_closure_s)

    def mandated(
        self, period: int, orders: dict[int, tuple[int, int, int]], sequence: int = 1
    ) -> None:
        lanes = {self.numbers[i]: order_lane(*order, sequence) for i, order in orders.items()}
        self.market.auction.place_batch(self.keys["gateway"], FIRST_AREA, period, lanes)

    def signed(self, period: int, i: int, side: int, tick: int, wh: int) -> None:
        gateway = self.keys["gateway"]
        domain = order_domain(self.chain.w3.eth.chain_id, self.market.auction.address)
        number = self.numbers[i]
        terms = OrderTerms(
            FIRST_AREA, period, number, side, tick, wh, 1, gateway.address, FAR_FUTURE
        )
        order = sign_order(self.accounts[i], domain, terms)
        self.market.auction.place_signed(gateway, FIRST_AREA, period, [order])

    def own(self, period: int, i: int, side: int, tick: int, wh: int) -> None:
        self.market.auction.place(self.accounts[i], period, side, tick, wh)

    def clear(self, period: int) -> int | None:
        outcome = self.market.auction.clear(self.keys["operator"], FIRST_AREA, period)
        return outcome.price_micro_eur_per_wh

    def accept(self, period: int) -> None:
        grid = self.market.grid
        grid.accept(period, grid.round(period), grid.book_root(period), REPORT)

    def cap(self, period: int, caps: dict[int, tuple[int, int]]) -> None:
        grid = self.market.grid
        by_number = {self.numbers[i]: cap for i, cap in caps.items()}
        grid.cap(period, grid.round(period), grid.book_root(period), by_number, REPORT)

    def book(self, period: int, price: int | None) -> None:
        self.market.auction.book(self.keys["operator"], FIRST_AREA, period, self.groups_a_call)
        self.prices[period] = price
        self.traded.add(period)

    def meter(self, period: int, version: int, readings: dict[int, int]) -> None:
        by_number = {self.numbers[i]: wh for i, wh in readings.items()}
        self.market.meter.submit(period, version, by_number)

    def settle(self, period: int) -> None:
        self.market.settlement.settle(self.keys["operator"], FIRST_AREA, period, self.groups_a_call)

    @property
    def limit(self) -> int:
        return self.market.registry.seat_limit()

    # --- the way out ---------------------------------------------------------------------------

    def withdraw(self, i: int, amount: int) -> int:
        """Set aside; the withdrawal's number."""
        return announce(self.market, self.accounts[i], self.numbers[i], amount)

    def pass_window(self) -> None:
        let_time_pass(self.chain.w3, self.market.house.read("disputeWindowSeconds"))

    def supplier_pays_in(self, amount: int) -> None:
        treasurer, currency = self.keys["treasurer"], self.market.currency
        currency.write(treasurer, "deposit", "mint", treasurer.address, amount, b"s" * 32)
        currency.write(treasurer, "deposit", "approve", self.market.house.address, amount)
        self.market.house.deposit(treasurer, {SUPPLIER_ACCOUNT: amount})

    # --- what a replay leaves behind ---------------------------------------------------------

    def write(self, folder: Path, scenario_file: Path, given: dict[str, Any]) -> None:
        folder.mkdir()
        self.market.record.save(folder / "deployment.json")
        house = self.market.house
        state = {
            "balances": {str(k): v for k, v in house.balances(self.limit).items()},
            "waiting": {str(who): credit for who, credit in house.waiting(self.limit).items()},
            "under_way": {
                each.number: [each.account, each.recipient.lower(), each.micro_eur, each.ready_at]
                for each in under_way(self.market)
            },
            "prices": {FIRST_AREA: self.prices},
            "positions": {
                FIRST_AREA: {period: self._positions(period) for period in sorted(self.traded)}
            },
            "currency_held": self.market.currency.read("balanceOf", house.address),
            "deposits": house.read("depositsMicroEur"),
            "withdrawals": house.read("withdrawalsMicroEur"),
        }
        files = {
            "logs": {"chain_id": self.chain.w3.eth.chain_id, "logs": deployment_logs(self.market)},
            "scenario": {"file": str(scenario_file), "overrides": given},
            "state": state,
        }
        for name, content in files.items():
            (folder / f"{name}.json").write_text(json.dumps(content))

    def _positions(self, period: int) -> dict[int, list[int]]:
        house = self.market.house
        return {
            who: list(pair(lane))
            for group in self.market.grid.groups()
            for who, lane in lanes56(
                group, house.read("positionsOfGroups", FIRST_AREA, period, [group])[0]
            )
        }


def run(scenario_file: Path, folder: Path, pricing: str) -> SmallMarket:
    """Four periods to their settlement, then two that are left half-way."""
    given = overrides(pricing)
    scenario = load(scenario_file, given)
    m = SmallMarket(scenario, groups_a_call=1 if pricing == "pay_as_bid" else 500)
    stories = (_trade, _cap_once, _cap_until_void, _estimate, _leave_half_way)
    first = scenario.first_period
    # A gate closes before the period before is over: all trade first, then all deliver.
    running = [story(m, period) for period, story in enumerate(stories, start=first)]
    for story in running:
        next(story)
    m.at((first + PERIODS) * scenario.mtu_seconds)
    for story in running:
        next(story, None)
    m.write(folder, scenario_file, given)
    return m


def _trade(m: SmallMarket, period: int) -> Iterator[None]:
    """By every route, with a replaced, a cancelled and a rationed order; a reading is corrected."""
    m.open(period)
    m.market.registry.write(m.accounts[0], "limit", "limitAgents", 600, 0)
    m.mandated(period, {0: (OFFER, 20, 600), 1: (OFFER, 50, 333), 2: (BID, 200, 350)})
    m.market.registry.write(m.accounts[0], "limit", "limitAgents", MOST_WH, MOST_WH)
    m.signed(period, 3, BID, 90, 211)
    m.signed(period, 4, BID, 90, 307)
    m.own(period, 5, BID, 60, 200)
    m.own(period, 5, BID, 90, 150)
    m.own(period, 6, OFFER, 0, 50)
    m.market.auction.write(m.accounts[6], "cancel", "cancel", period)
    m.mandated(period, {2: (BID, 150, 300)}, sequence=2)
    m.close(period)
    price = m.clear(period)
    m.accept(period)
    m.book(period, price)
    yield
    readings = {0: 640, 1: 300, 2: -310, 3: -200, 4: -350, 5: -20, 6: 45, 7: -80, 8: 0}
    m.meter(period, 1, readings)
    m.meter(period, 2, {0: 630})
    m.settle(period)
    assert m.withdraw(6, 100_000) == 1
    assert m.withdraw(5, 30_000) == 2
    assert m.withdraw(4, 70_000) == 3
    assert announce(m.market, m.keys["dso"], DSO_ACCOUNT, 1_000) == 4
    cancel(m.market, m.accounts[5], 2)


def _cap_once(m: SmallMarket, period: int) -> Iterator[None]:
    """Caps on who sells, who buys and who did not order; then the smaller book is accepted."""
    m.open(period)
    m.mandated(period, {0: (OFFER, 10, 900), 2: (BID, 100, 400), 7: (BID, 80, 300)})
    m.close(period)
    m.clear(period)
    m.cap(period, {0: (500, NO_CAP), 2: (NO_CAP, 350), 8: (0, NO_CAP)})
    price = m.clear(period)
    m.accept(period)
    m.book(period, price)
    yield
    m.meter(period, 1, {0: 700, 1: 0, 2: -350, 3: 0, 4: -10, 5: 0, 6: 20, 7: -150, 8: 90})
    m.settle(period)


def _cap_until_void(m: SmallMarket, period: int) -> Iterator[None]:
    """No round is left: nothing trades, the caps still bind; one participant falls into debt.

    Withdrawals end: one is paid, of one the debt is paid first, and one stays under way.
    """
    m.open(period)
    m.mandated(period, {0: (OFFER, 10, 900), 3: (BID, 100, 400)})
    m.close(period)
    m.clear(period)
    m.cap(period, {0: (400, NO_CAP)})
    m.clear(period)
    m.cap(period, {0: (100, NO_CAP)})
    m.book(period, None)
    yield
    m.meter(period, 1, {0: 800, 1: 0, 2: 0, 3: -400, 4: -5_000, 5: 0, 6: 0, 7: 0, 8: 0})
    m.settle(period)
    m.pass_window()
    by = m.keys["operator"]
    assert finish(m.market, by, 1) == (100_000, 0)
    assert finish(m.market, by, 3) == (0, 70_000), "all of it pays the debt"
    m.withdraw(1, 5_000)


def _estimate(m: SmallMarket, period: int) -> Iterator[None]:
    """Bids only; one reading never comes, one no connection could carry: estimated after the deadline.

    What the supplier credits waits, until it pays in; part of it still does after that.
    """
    m.open(period)
    m.mandated(period, {2: (BID, 100, 100)})
    m.close(period)
    price = m.clear(period)
    m.accept(period)
    m.book(period, price)
    yield
    m.meter(period, 1, {0: 10, 1: 0, 2: -100, 3: 0, 4: -1, 5: 7, 6: 3, 7: 2_000_000})
    m.market.settlement.write(m.keys["operator"], "await", "awaitReadings", FIRST_AREA, period)
    let_time_pass(m.chain.w3, 1)  # the window is of no length
    m.settle(period)
    house, waiting = m.market.house, m.market.house.waiting(m.limit)
    assert waiting == {m.numbers[5]: 7 * 80, m.numbers[6]: 3 * 80}, "of the group with the debt"
    m.supplier_pays_in(100 - house.read("coverMicroEur"))
    assert pay_waiting(m.market, m.keys["operator"]) == {m.numbers[5]: 100}


def _leave_half_way(m: SmallMarket, period: int) -> Iterator[None]:
    """One period booked but not settled, one with an open book: money stays held."""
    m.open(period)
    m.mandated(period, {0: (OFFER, 10, 250), 2: (BID, 100, 200)})
    m.close(period)
    price = m.clear(period)
    m.accept(period)
    m.book(period, price)
    yield
    m.mandated(period + 1, {3: (BID, 100, 77)})
