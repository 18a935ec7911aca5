"""The verifying oracle on a real chain: from readings to tokens, and what comes too late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from eth_utils.crypto import keccak

from gridbourse.audit.compare.baselines import Committed, recomputed
from gridbourse.chain.bindings.flexibility import (
    NO_SEED,
    RequestTerms,
    Row,
    lot_commitment,
    lot_drawn,
    salt_commitment,
)
from gridbourse.chain.bindings.registry import Registration
from gridbourse.chain.deployment.deploy import deploy
from gridbourse.chain.deployment.market import FIRST_AREA, Market
from gridbourse.chain.deployment.settings import FlexibilityRules, MarketSettings
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.connect import let_time_pass, session
from gridbourse.chain.node.transactions import Chain
from gridbourse.model.call_auction import Band
from gridbourse.model.flexibility.baseline.methods import METER_BEFORE_METER_AFTER, NUMBERED
from gridbourse.model.flexibility.products import Buyers, Product, Way
from gridbourse.model.house_accounts import DSO_ACCOUNT
from gridbourse.model.periods import Mtu
from oracle.common.journal import Journal
from oracle.meter.feed import MeterFeed
from oracle.verifier.chain_port import ChainVerification
from oracle.verifier.evidence import Calendar, JournalHistory
from oracle.verifier.feed import FlexibilityFeed
from tests.chain.street import fund

MTU, FIRST = 900, 1_630_368
PURSE, SEED, REPORT = 10_000_000, b"seed" * 8, keccak(text="power flow")
SALT = b"salt" * 4
PEOPLE = range(8, 12)
DECLARED, METERED, DAYS = range(3)


def product(name: str, method: int, **other) -> Product:
    return Product(
        name=name, directions=Way.BOTH, buyers=Buyers.DSO, full_activation_seconds=300,
        duration_seconds=MTU, evidence_seconds=MTU, method=method, penalty_percent=100, **other,
    )  # fmt: skip


PRODUCTS = (
    product("declared", 0, compensation_micro_eur_per_wh=395),
    product("meter before", NUMBERED.index(METER_BEFORE_METER_AFTER)),
    product("past days", 2),
)


@dataclass
class Street:
    market: Market

    def key(self, number: int):
        return self.market.keys[f"participant/{number}"]

    def advance_to(self, period: int, seconds: int = 0) -> None:
        self.market.clock.advance_to(self.market.keys["operator"], period * MTU + seconds)

    def bought(self, period: int, what: int, who: list[int], closes: int = 600) -> int:
        """A request upwards of which everybody's offer is awarded and accepted; its number."""
        flex, keys = self.market.flexibility, self.market.keys
        lot = lot_commitment(SEED) if what == DECLARED else bytes(32)
        terms = RequestTerms(what, 0, Way.UP, False, 1_000, 30, period * MTU - closes, lot=lot)
        number = flex.request(keys["dso"], period, terms)
        for each in who:
            if what == DECLARED:
                flex.declare(self.key(each), period, {each: -500})
            committed = salt_commitment(SALT) if what == DECLARED else NO_SEED
            flex.offer(self.key(each), period, number, [Row(each, 5, 200)], committed)
        self.advance_to(period, -closes)
        if what == DECLARED:
            flex.show_seed(keys["operator"], period, number, SEED)
            for each in who:
                flex.show_salt(keys["operator"], period, number, each, SALT)
        flex.clear(keys["operator"], period, number)
        flex.market.award(keys["operator"], period, number)
        for group in flex.market.sealed(period):
            words = [trade.pack() for trade in group.trades]
            self.market.grid.judge(flex.market.address, period, group.number, words, [], {}, REPORT)
        return number


@pytest.fixture(scope="module")
def street() -> Iterator[Street]:
    settings = MarketSettings(
        MTU, 0, Band(80, 4, 50), ("street",), horizon_periods=4, ring_size=12,
        markets=("OverTheCounter", "FlexibilityMarket"),
        flexibility=FlexibilityRules(Band(0, 10, 50), products=PRODUCTS),
    )  # fmt: skip
    with session("devnet-child") as w3:
        market = deploy(Chain(w3, load_artifacts()), Keyring.for_chain(w3), settings)
        street, keys = Street(market), market.keys
        market.tariff.write(keys["supplier"], "set-up", "setEnergyPrices", FIRST_AREA, 0, 300, 80)
        rows = [
            Registration(street.key(n).address, keccak(text=f"{n}"), FIRST_AREA, 0, 5_000, FIRST)
            for n in PEOPLE
        ]
        market.registry.register(keys["operator"], rows)
        fund(market, [DSO_ACCOUNT, *PEOPLE], PURSE)
        street.advance_to(FIRST)
        yield street


@pytest.fixture
def oracle(street, tmp_path):
    """(feed of readings, feed of verification) with one journal."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        port = ChainVerification(
            street.market.flexibility, street.market.keys["verifier"], lambda: PEOPLE
        )
        calendar = Calendar(Mtu(MTU), "Europe/Berlin")
        yield (
            MeterFeed(street.market.meter, journal),
            FlexibilityFeed(
                port, journal, JournalHistory(journal), calendar, tmp_path / "evidence"
            ),
        )


def test_readings_become_verified_delivery_and_anyone_recomputes_the_baseline(
    street, oracle, tmp_path
):
    period, flex = FIRST + 2, street.market.flexibility
    meters, feed = oracle
    number = street.bought(period, METERED, [8, 9])
    declared = street.bought(period, DECLARED, [10, 11], closes=430)
    street.advance_to(period + 1)
    called = [
        who
        for who in (10, 11)
        if lot_drawn(SEED, SALT, FIRST_AREA, period, declared, who) % 200 < 100
    ]
    meters.push(period - 1, dict.fromkeys(PEOPLE, -700))
    assert [each.error for each in feed.verify(period)] == ["MissingReading"] * 4
    meters.push(period, {8: -500, 9: -600} | {w: -300 if w in called else -500 for w in (10, 11)})
    assert feed.verify(period) == []
    assert flex.market.phase(period, number) == flex.market.phase(period, declared) == "ended"
    assert flex.token.supply(flex.token_of(period, number))[0] == 200 + 100
    assert flex.token.supply(flex.token_of(period, declared))[0] == 200 * len(called)
    assert feed.verify(period) == []
    logs = flex.delivery.contract.events.LegVerified().get_logs(from_block=0)
    findings = [log["args"]["result"] for log in logs if log["args"]["request"] == number]
    assert len(findings) == 2
    for found in findings:
        leg = Committed(
            period, found["participant"], found["baselineWh"], found["evidenceSeconds"],
            found["evidence"],
        )  # fmt: skip
        assert recomputed(tmp_path / "evidence", leg) == METER_BEFORE_METER_AFTER


def test_too_few_days_end_with_everything_given_back(street, oracle):
    period, flex = FIRST + 4, street.market.flexibility
    meters, feed = oracle
    number = street.bought(period, DAYS, [8])
    before = street.market.house.balances(9)[8]
    street.advance_to(period + 1)
    meters.push(period, {8: 0})
    (unverified,) = feed.verify(period)
    assert unverified.error == "TooFewDays"
    flex.await_verification(street.market.keys["operator"], period)
    assert feed.expire(period) == []
    let_time_pass(street.market.house.chain.w3, 40 * 86_400)
    assert len(feed.expire(period)) == 1
    assert flex.market.phase(period, number) == "ended"
    assert street.market.house.balances(9)[8] > before, "the bond"
    assert flex.token.supply(flex.token_of(period, number)) == (0, 0)
