"""The flexibility market through its chain classes, from deployment to redeemed tokens."""

from collections.abc import Iterator

import pytest
from eth_utils import keccak

from gridbourse.chain.bindings.flexibility import (
    Report,
    RequestTerms,
    Row,
    lot_commitment,
    lot_drawn,
    product_tuple,
    salt_commitment,
)
from gridbourse.chain.deployment.deploy import deploy
from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.deployment.record import FLEXIBILITY, DeploymentError, DeploymentRecord
from gridbourse.chain.deployment.settings import MarketSettings
from gridbourse.chain.node.transactions import Reverted
from gridbourse.model.call_auction import Band
from gridbourse.model.flexibility.baseline.schedule import UntruthfulTerms
from gridbourse.model.flexibility.products import PRODUCTS, Buyers, Product, ProductError, Way
from gridbourse.model.house_accounts import DSO_ACCOUNT, MARGIN_ACCOUNT, TSO_ACCOUNT
from gridbourse.model.settlement import Prices
from tests.chain.street import FIRST, MTU, Street, open_street

P = FIRST + 2
DECLARED, METERED = 0, 1
EVIDENCE = keccak(text="method and evidence")
SEED = b"seed" * 8


@pytest.fixture(scope="module")
def street() -> Iterator[Street]:
    with open_street() as found:
        yield found


def terms(product: int, way: Way, wh: int, **other) -> RequestTerms:
    return RequestTerms(product, 0, way, False, wh, 30, P * MTU - 600, **other)


def test_a_period_from_request_to_redeemed_tokens(street):
    market, flex, keys = street.market, street.market.flexibility, street.market.keys
    number = flex.request(keys["dso"], P, terms(METERED, Way.UP, 1_000))
    lot = lot_commitment(SEED)
    declared = flex.request(keys["tso"], P, terms(DECLARED, Way.DOWN, 2_000, lot=lot))
    for who, tick, wh in ((8, 5, 400), (9, 7, 800)):
        flex.offer(street.key(who), P, number, [Row(who, tick, wh)])
    salts = {who: bytes([who]) * 16 for who in (10, 11)}
    for who, salt in salts.items():
        flex.declare(street.key(who), P, {who: -500})
        flex.offer(street.key(who), P, declared, [Row(who, 4, 300)], salt_commitment(salt))
    street.advance_to(P, -600)
    operator = keys["operator"]
    flex.clear(operator, P, number)
    flex.show_seed(operator, P, declared, SEED)
    for who, salt in salts.items():
        flex.show_salt(operator, P, declared, who, salt)
    flex.clear(operator, P, declared, groups_a_call=1)

    trades = flex.market.award(operator, P, number, groups_a_call=1)
    assert [(t.seller, t.buyer, t.wh, t.price_micro_eur_per_wh) for t in trades] == [
        (8, DSO_ACCOUNT, 400, 70),
        (9, DSO_ACCOUNT, 600, 70),
    ]
    called = [
        who
        for who, salt in salts.items()
        if lot_drawn(SEED, salt, FIRST_AREA, P, declared, who) % 300 < 200
    ]
    trades = flex.market.award(operator, P, declared)
    assert [(t.seller, t.buyer) for t in trades] == [(TSO_ACCOUNT, who) for who in called]
    legs = flex.market.legs(P, declared, [10, 11])
    assert {who: leg.stands_by for who, leg in legs.items()} == {
        who: who not in called for who in (10, 11)
    }
    street.judge(P)

    street.advance_to(P + 1)
    readings = {8: 400, 9: -700, 10: -500 - 300 * (10 in called), 11: -500 - 300 * (11 in called)}
    market.meter.submit(P, 1, readings)
    reports = [Report(8, 0, MTU, EVIDENCE), Report(9, -1_000, MTU, EVIDENCE)]
    found = flex.verify(keys["verifier"], P, number, reports)
    assert [(f["deliveredWh"], f["offWh"]) for f in found] == [(400, 0), (300, 300)]
    found = flex.verify_declared(operator, P, declared, [10, 11])
    assert all(f["offWh"] == 0 for f in found)
    assert flex.market.phase(P, number) == flex.market.phase(P, declared) == "ended"

    token = flex.token_of(P, number)
    assert flex.token.supply(token) == (700, 700 * 70)
    flex.token.transfer(street.key(8), street.key(9).address, token, 100)
    flex.token.redeem(street.key(8), [token])
    flex.token.redeem(street.key(9), [token])
    assert flex.token.supply(token) == (0, 0)
    for who in called:
        flex.token.redeem(street.key(who), [flex.token_of(P, declared)])
    market.settlement.settle(operator, FIRST_AREA, P, 10)
    assert market.house.balances(12)[MARGIN_ACCOUNT] == 0
    assert market.house.money_sum(market.registry.seat_limit()) == 0


def test_who_may_not_is_told(street):
    flex, keys = street.market.flexibility, street.market.keys
    with pytest.raises(Reverted, match="MissingRole"):
        flex.verify(keys["operator"], P, 0, [])
    with pytest.raises(Reverted, match="NotABuyer"):
        flex.request(keys["dso"], P + 2, terms(3, Way.BOTH, 100))


def test_the_chain_has_the_products_of_the_settings(street):
    flex = street.market.flexibility
    for number, product in enumerate(PRODUCTS):
        expected = product_tuple(product, MTU)
        assert tuple(flex.products.read("productOf", number)) == expected
        assert flex.products.read("metered", number) == product.metered(MTU)


def test_an_unsound_product_is_refused_before_it_is_sent():
    bad = Product("bad", Way.UP, Buyers.DSO, 0, 900, 1, method=0, penalty_percent=100)
    with pytest.raises(ProductError, match="product bad: no reading proves it"):
        product_tuple(bad, MTU)


def test_no_market_is_deployed_whose_products_reward_a_lie(street):
    settings = MarketSettings(
        MTU, 0, Band(80, 4, 50), ("street",), markets=("FlexibilityMarket",),
        energy_prices=(Prices(301, 80, 95, 40, 0),),
    )  # fmt: skip
    w3 = street.market.chain.w3
    block = w3.eth.block_number
    with pytest.raises(UntruthfulTerms, match=r"product congestion: compensation: 395 .* the 396"):
        deploy(street.market.chain, street.market.keys, settings)
    assert w3.eth.block_number == block


def test_the_record_names_every_contract(street, tmp_path):
    record = street.market.record
    record.save(tmp_path / "record.json")
    kept = DeploymentRecord.load(tmp_path / "record.json")
    assert {*FLEXIBILITY} < kept.contracts.keys()
    for name in FLEXIBILITY:
        less = {n: c for n, c in kept.contracts.items() if n != name}
        lacking = DeploymentRecord(**{**vars(kept), "contracts": less})
        with pytest.raises(DeploymentError, match=name):
            lacking.require_chain(street.market.chain.w3)
