"""Words and signatures are understood by the contracts as they are meant."""

from collections.abc import Iterator

import pytest
from eth_account.messages import encode_typed_data
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.chain.deployment.market import AREA, Market
from gridbourse.chain.encoding.lanes import (
    BID,
    MASK28,
    MISSING_WH,
    OFFER,
    energy_lane,
    group_words,
    lanes56,
    lanes64,
    order_lane,
    pack_readings,
    pair,
    unpack_readings,
)
from gridbourse.chain.encoding.signed_orders import ORDER_TYPE, OrderTerms, order_domain, sign_order
from gridbourse.chain.node.connect import connect
from gridbourse.chain.node.devnet import Devnet
from gridbourse.chain.node.transactions import Reverted
from gridbourse.deployment.live_market import found_market
from gridbourse.deployment.participants import Membership, account_name
from gridbourse.model.caps import NO_CAP
from gridbourse.scenario.scenario import Scenario, load
from tests.replay.noon import write_scenario

NUMBERS = st.integers(8, 400)
ENERGIES = st.integers(0, MASK28)
FAR_FUTURE = (1 << 40) - 1


class Small:
    """A market of nine participants on an anvil, in its first period."""

    def __init__(self, market: Market, members: Membership, scenario: Scenario) -> None:
        self.market, self.scenario, self.period = market, scenario, scenario.first_period
        self.numbers: list[int] = members.table["number"].tolist()
        self.accounts = [market.keys[account_name(point)] for point in members.table.index]

    def advance(self, timestamp: int) -> None:
        self.market.clock.advance_to(self.market.keys["operator"], timestamp)

    @property
    def closure(self) -> int:
        return self.period * self.scenario.mtu_seconds - self.scenario.market.gate_closure_s

    def order_of(self, who: int) -> tuple[int, ...]:
        return tuple(self.market.auction.read("orderOf", who, self.period))


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    scenario = load(write_scenario(tmp_path_factory.mktemp("scenario"), 0.07))
    with Devnet() as devnet:
        small = Small(*found_market(connect(devnet.rpc_url), scenario, {}), scenario)
        small.advance(small.closure - 1)
        yield small


@pytest.fixture
def small(founded: Small) -> Iterator[Small]:
    make = founded.market.chain.w3.provider.make_request
    mark = make("evm_snapshot", [])["result"]  # type: ignore[arg-type]
    yield founded
    make("evm_revert", [mark])  # type: ignore[arg-type]
    founded.market.chain._nonces.clear()


@given(st.dictionaries(NUMBERS, st.tuples(ENERGIES, ENERGIES), min_size=1, max_size=30))
def test_energy_lanes_come_back(energies: dict[int, tuple[int, int]]) -> None:
    words = group_words({who: energy_lane(*both) for who, both in energies.items()})
    back = {who: pair(lane) for word in words for who, lane in lanes56(word >> 224, word)}
    assert {who: both for who, both in back.items() if who in energies} == energies
    assert {who for who in back if who not in energies and back[who] != (0, 0)} == set()
    assert sorted(word >> 224 for word in words) == [word >> 224 for word in words]


@given(st.dictionaries(NUMBERS, st.integers(-MASK28, MASK28), min_size=1, max_size=30))
def test_readings_come_back(readings: dict[int, int]) -> None:
    first, data = pack_readings(readings)
    assert len(data) % 28 == 0
    assert unpack_readings(first, data) == readings


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=4, max_size=4))
def test_signed_lanes_come_back(amounts: list[int]) -> None:
    word = sum((amount % (1 << 64)) << (64 * i) for i, amount in enumerate(amounts))
    assert [amount for _, amount in lanes64(0, word)] == amounts


def test_readings_arrive_as_they_were_packed(small: Small) -> None:
    who = small.numbers
    readings = {who[0]: -1, who[1]: 0, who[3]: MASK28, who[5]: -MASK28, who[8]: 12_345}
    small.advance((small.period + 1) * small.scenario.mtu_seconds)
    tx_hash = small.market.meter.submit(small.period, 1, readings)

    held = {n: small.market.meter.read("readingOf", AREA, small.period, n) for n in who}
    assert held == dict.fromkeys(who, MISSING_WH) | readings
    assert small.market.meter.batch(tx_hash) == readings


def test_orders_under_mandate_arrive_as_they_were_packed(small: Small) -> None:
    who, ticks = small.numbers, small.scenario.band.ticks
    last = small.market.auction.read("MAX_GATEWAY_SEQUENCE")
    orders = {
        who[0]: (BID, 0, 1, 1),
        who[1]: (OFFER, ticks - 1, 77, 1),
        who[4]: (BID, ticks - 1, 999, last),
        who[8]: (OFFER, 3, 400, 2),
    }
    lanes = {number: order_lane(*order) for number, order in orders.items()}
    small.market.auction.place_batch(small.market.keys["gateway"], AREA, small.period, lanes)

    for number, (side, tick, wh, sequence) in orders.items():
        assert small.order_of(number) == (side, tick, wh, sequence)
    assert small.order_of(who[2]) == (0, 0, 0, 0)


def test_caps_and_fills_come_back_as_they_went(small: Small) -> None:
    """Energy lanes and payments, both ways through cap, clear and book."""
    market, who = small.market, small.numbers
    lanes = {who[0]: order_lane(OFFER, 10, 500, 1), who[1]: order_lane(BID, 20, 400, 1)}
    market.auction.place_batch(market.keys["gateway"], AREA, small.period, lanes)
    small.advance(small.closure)
    market.auction.clear(market.keys["operator"], AREA, small.period)
    caps = {who[0]: (300, NO_CAP), who[2]: (NO_CAP, 0), who[8]: (0, MASK28 - 1)}
    market.grid.cap(small.period, 0, market.grid.book_root(small.period), caps, bytes(32))
    assert market.grid.caps(small.period) == caps

    outcome = market.auction.clear(market.keys["operator"], AREA, small.period)
    price = outcome.price_micro_eur_per_wh
    fills = market.auction.fills(AREA, small.period)
    assert price is not None
    assert fills == {who[0]: (300, 300 * price), who[1]: (-300, -300 * price)}

    market.grid.accept(small.period, 1, market.grid.book_root(small.period), bytes(32))
    market.auction.book(market.keys["operator"], AREA, small.period, 100)
    positions = market.house.positions(AREA, small.period, market.auction.groups(AREA))
    assert positions == {who[0]: (300, 0), who[1]: (0, 300)}


def terms(small: Small, place: int, **changed: object) -> OrderTerms:
    chosen = {
        "area": AREA, "period": small.period, "participant": small.numbers[place], "side": OFFER,
        "tick": 17, "wh": 250, "sequence": 1, "gateway": small.market.keys["gateway"].address,
        "expiry": FAR_FUTURE,
    }  # fmt: skip
    return OrderTerms(**(chosen | changed))  # type: ignore[arg-type]


def domain(small: Small) -> dict:
    return order_domain(small.market.chain.w3.eth.chain_id, small.market.auction.address)


def test_the_domain_is_the_contracts_own(small: Small) -> None:
    message = encode_typed_data(domain(small), ORDER_TYPE, vars(terms(small, 0)))
    assert message.header == small.market.auction.read("domainSeparator")
    fields = ",".join(f"{f['type']} {f['name']}" for f in ORDER_TYPE["Order"])
    assert keccak(text=f"Order({fields})") == small.market.auction.read("ORDER_TYPEHASH")


def place(small: Small, signer: int, given_terms: OrderTerms) -> None:
    order = sign_order(small.accounts[signer], domain(small), given_terms)
    gateway = small.market.keys["gateway"]
    small.market.auction.place_signed(gateway, AREA, small.period, [order])


@pytest.mark.parametrize("sides", [(BID, 0), (OFFER, 220)])
def test_a_signed_order_is_the_participants(small: Small, sides: tuple[int, int]) -> None:
    side, tick = sides
    for signer in range(4):  # signatures of both parities
        place(small, signer, terms(small, signer, side=side, tick=tick, sequence=3))
        assert small.order_of(small.numbers[signer]) == (side, tick, 250, 3)


@pytest.mark.parametrize(
    "changed",
    [{"gateway": "0x" + "12" * 20}, {"period": 7}, {"area": 1}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_signature_binds_what_is_not_in_the_lane(small: Small, changed: dict) -> None:
    with pytest.raises(Reverted) as refused:
        place(small, 0, terms(small, 0, **changed))
    assert refused.value.name == "SignerIsNotParticipant"
    assert refused.value.values["participant"] == small.numbers[0]
    assert refused.value.values["account"] == small.accounts[0].address.lower()


def test_another_ones_signature_is_refused(small: Small) -> None:
    with pytest.raises(Reverted) as refused:
        place(small, 1, terms(small, 0))
    assert refused.value.name == "SignerIsNotParticipant"
    assert refused.value.values["signer"] == small.accounts[1].address.lower()
