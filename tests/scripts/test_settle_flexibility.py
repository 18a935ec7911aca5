"""`scripts.settle` on a chain with a flexibility market: verified, minted, redeemed, and told to the µEUR."""

from pathlib import Path

import pytest

from gridbourse.audit.statement import statement
from gridbourse.chain.bindings.flexibility import (
    RequestTerms,
    Row,
    lot_commitment,
    lot_drawn,
    salt_commitment,
)
from gridbourse.chain.bindings.portfolios import GATEWAY_BIT
from gridbourse.chain.deployment.market import FIRST_AREA, Market
from gridbourse.chain.node.connect import session
from gridbourse.chain.node.transactions import Reverted
from gridbourse.deployment.live_market import found_market
from gridbourse.deployment.participants import Membership, account_name
from gridbourse.index.history import read_history
from gridbourse.model.flexibility.market import LOT_REVEAL_SECONDS
from gridbourse.model.flexibility.products import CONGESTION, Way
from gridbourse.scenario.scenario import load
from scripts.settle import settle
from tests.audit.mixed_market import without_pool
from tests.replay.markets import BOOK
from tests.replay.noon import write_scenario

FLEXIBILITY = {
    "pricing": "uniform", "tick_micro_eur_per_wh": 5, "ticks": 120, "deposit_micro_eur": 1_000_000_000,
    "products": {"congestion": {"compensation_micro_eur_per_wh": 395}},
    "dso": {"products": ["congestion"], "ceiling_micro_eur_per_wh": 100},
}  # fmt: skip
OVERRIDES = {
    "market.kinds": ["order_book"], "order_book": BOOK, "periods": 1, "flexibility": FLEXIBILITY,
}  # fmt: skip
SEED = b"a seed nobody else can guess ...".ljust(32, b"!")
SALT = b"and a salt of it"
AGENT = GATEWAY_BIT | 1
"""The gateway brings the offers of all, and is the first of its kind."""
CLOSES_S = CONGESTION.full_activation_seconds + 2 * LOT_REVEAL_SECONDS
"""Before delivery, at the latest: seed and salts are shown one after the other, then all get ready."""
PRICE, OFFERED = 50, 100


@pytest.fixture
def founded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("COLUMNS", "200")
    scenario = load(without_pool(write_scenario(tmp_path, 0.07)), OVERRIDES)
    with session("devnet-child") as w3:
        market, members = found_market(w3, scenario, {"file": "none", "overrides": {}})
        yield market, members, scenario.first_period


def sell(market: Market, members: Membership, period: int) -> list[int]:
    """All nine offer under a request of the DSO; who is called, in participant order.

    By the lot of the buyer's seed and the gateway's salt, which both commit to before anything is offered.
    """
    flex, keys = market.flexibility, market.keys
    numbers = sorted(members.number_of.values())
    start = period * market.clock.read("mtuSeconds")
    closes = start - CLOSES_S
    market.clock.advance_to(keys["operator"], closes - 60)
    lot = lot_commitment(SEED)
    terms = RequestTerms(
        0, min(members.zones.values()), Way.DOWN, False, len(numbers) * OFFERED, 20, closes, lot=lot
    )
    with pytest.raises(Reverted, match="BadClosingTime"):
        flex.request(keys["dso"], period, terms._replace(closes_at=closes + 1))
    number = flex.request(keys["dso"], period, terms)
    flex.declare(keys["gateway"], period, dict.fromkeys(numbers, 0))
    rows = [Row(who, PRICE // 5, OFFERED) for who in numbers]
    flex.offer(keys["gateway"], period, number, rows, salt_commitment(SALT))
    market.clock.advance_to(keys["operator"], closes)
    flex.show_seed(keys["operator"], period, number, SEED)
    flex.show_salt(keys["operator"], period, number, AGENT, SALT)
    flex.clear(keys["operator"], period, number)
    flex.market.award(keys["operator"], period, number)
    for group in flex.market.sealed(period):
        words = [trade.pack() for trade in group.trades]
        market.grid.judge(flex.market.address, period, group.number, words, [], {}, bytes(32))
    legs = flex.market.legs(period, number, numbers)
    called = [who for who, leg in sorted(legs.items()) if not leg.stands_by]
    draws = {who: lot_drawn(SEED, SALT, market.area, period, number, who) for who in numbers}
    assert called == [who for who, drawn in draws.items() if drawn % 300 < 200]
    return called


def test_it_mints_pays_charges_fees_and_says_where_it_went(
    founded: tuple[Market, Membership, int], capsys: pytest.CaptureFixture[str]
) -> None:
    market, members, period = founded
    called = sell(market, members, period)
    numbers = sorted(members.number_of.values())
    assert 0 < len(called) < len(numbers), "by lot some stand by"
    mtu = market.clock.read("mtuSeconds")
    market.clock.advance_to(market.keys["operator"], (period + 1) * mtu)
    assert settle(market, members.number_of) == 1, "nothing is metered: awaited"
    assert "awaited" in capsys.readouterr().out

    short, *others = called
    readings = dict.fromkeys(numbers, 0) | dict.fromkeys(others, -OFFERED) | {short: -40}
    market.meter.submit(period, 1, readings)
    before = market.house.balances(market.registry.seat_limit())
    assert settle(market, members.number_of) == 0
    said = capsys.readouterr().out
    after = market.house.balances(market.registry.seat_limit())
    delivered = len(others) * OFFERED + 40
    penalty = 60 * (PRICE + 395) * 2  # downwards the energy that comes with it is at stake too
    bond = OFFERED * (100 + 395) * 2
    # Back come the bond and what was held for the energy; the local fee is due on what was drawn.
    back = bond + OFFERED * 395
    assert after[short] - before[short] == 40 * PRICE - penalty + back - 40 * 40
    for who in others:
        assert after[who] - before[who] == OFFERED * PRICE + back - OFFERED * 40
    assert after[6] == 0, "no escrow, bond or claim is left"
    assert market.flexibility.token.supply(market.flexibility.token_of(period, 0)) == (0, 0)

    told = statement(read_history(market).rebuilt, FIRST_AREA, period)
    flows = told.flows.set_index(["payer", "payee", "kind"])["micro_eur"]
    assert flows["dso", "participants", "flexibility"] == delivered * PRICE
    assert flows["participants", "dso", "flexibility_penalty"] == penalty
    assert flows["dso", "supplier", "compensation"] == delivered * 395
    # What was drawn is covered by what was bought: fees, and nothing at the retail price.
    assert flows["participants", "dso", "local_fee"] == delivered * 40
    assert ("participants", "supplier", "retail") not in flows
    assert told.energy_wh["flexibility_down"] == told.energy_wh["metered_into"] == delivered
    assert told.energy_wh["traded"] == told.energy_wh["from_supplier"] == 0
    for word in ("where each euro went", "where each watt-hour went", "tokens redeemed"):
        assert word in said
    assert f"{delivered * PRICE / 1e6:,.6f}" in said
    assert settle(market, members.number_of) == 0
    assert "Nothing is due." in capsys.readouterr().out


def test_what_waits_for_the_verifier_waits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    metered = {"congestion": {"like": "congestion-metered"}}
    table = FLEXIBILITY | {"products": metered}
    scenario = load(
        without_pool(write_scenario(tmp_path, 0.07)), OVERRIDES | {"flexibility": table}
    )
    with session("devnet-child") as w3:
        market, members = found_market(w3, scenario, {"file": "none", "overrides": {}})
        flex, keys, period = market.flexibility, market.keys, scenario.first_period
        start = period * scenario.mtu_seconds
        market.clock.advance_to(keys["operator"], start - 400)
        number = flex.request(
            keys["dso"], period, RequestTerms(0, 1, Way.DOWN, False, 50, 20, start - 350)
        )
        point, who = next(iter(members.number_of.items()))
        flex.offer(keys[account_name(point)], period, number, [Row(who, 1, 50)])
        market.clock.advance_to(keys["operator"], start - 350)
        flex.clear(keys["operator"], period, number)
        flex.market.award(keys["operator"], period, number)
        for group in flex.market.sealed(period):
            words = [trade.pack() for trade in group.trades]
            market.grid.judge(flex.market.address, period, group.number, words, [], {}, bytes(32))
        market.clock.advance_to(keys["operator"], start + scenario.mtu_seconds)
        market.meter.submit(period, 1, dict.fromkeys(members.number_of.values(), 0))
        assert settle(market, members.number_of) == 1
        assert (
            "the verifier has not verified 1 leg of flexibility request" in capsys.readouterr().out
        )
