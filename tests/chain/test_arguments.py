"""What no call can carry is refused by name and range, and nothing is sent."""

from collections.abc import Callable

import pytest

from gridbourse.chain.bindings.registry import Registration
from gridbourse.chain.deployment.deploy import MarketSettings, deploy
from gridbourse.chain.deployment.market import FIRST_AREA, Market
from gridbourse.chain.encoding.arguments import ArgumentError, label, range_of
from gridbourse.chain.keys.accounts import DEVELOPMENT_SECRET, Keyring
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.connect import connect
from gridbourse.chain.node.transactions import Chain
from gridbourse.model.call_auction import Band
from tests.invariants.ring_market import FIRST
from tests.oracle.meter.late import LateMarket

Act = Callable[[Market], object]


@pytest.fixture(scope="module")
def market() -> Market:
    return LateMarket().market


def place(period: object = FIRST + 1, tick: object = 1, wh: object = 5) -> Act:
    return lambda m: m.auction.place(m.keys["participant/8"], period, 0, tick, wh)


def submit(readings: dict[object, object]) -> Act:
    return lambda m: m.meter.submit(FIRST, 1, readings)


def deposit(amounts: dict[int, int]) -> Act:
    return lambda m: m.house.deposit(m.keys["treasurer"], amounts)


def register(capacity_wh: int = 100, known_as: bytes = bytes(32)) -> Act:
    def act(m: Market) -> object:
        row = Registration(m.keys["someone"].address, known_as, FIRST_AREA, 1, capacity_wh, FIRST)
        return m.registry.register(m.keys["operator"], [row])

    return act


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (place(tick=-1), "place: tick: -1 is not a whole number in 0 to 2^"),
        (place(tick=2**300), "place: tick: 20370359763344860862"),
        (place(wh=-5), "place: wh: -5 is not a whole number in 0 to 2^"),
        (place(wh=5.5), "place: wh: 5.5 is not a whole number in 0 to 2^"),
        (place(period=-1), "place: period: -1 is not a whole number in 0 to 2^32 - 1 (uint32)"),
        (place(period=2**40), "place: period: 1099511627776 is not a whole number in 0 to 2^32"),
        (deposit({8: -1}), "deposit: amountsMicroEur[0]: -1 is not a whole number in 0 to 2^"),
        (deposit({8: 1, -9: 1}), "deposit: accounts[1]: -9 is not a whole number in 0 to 2^"),
        (register(known_as=b"\1" * 33), "register: rows[0].meteringPoint: b'"),
        (register(-4), "register: rows[0].capacityWh: -4 is not a whole number in 0 to 2^"),
        (submit({8: 2**31}), "submit: readings: 2147483648 is not a whole number in -(2^31 - 1)"),
        (submit({8: -(2**31)}), "submit: readings: -2147483648 is not a whole number"),
        (submit({8: 1.5}), "submit: readings: 1.5 is not a whole number"),
        (submit({}), "submit: readings: {} is not at least one reading"),
        (submit({-8: 1}), "submit: participant: -8 is not a participant's number"),
        (lambda m: m.clock.advance_to(m.keys["operator"], -5), "advanceTo: time: -5 is not"),
        (lambda m: m.house.read("balanceOf", -1), "balanceOf: "),
    ],
)
def test_it_is_named_with_its_range(market: Market, act: Act, said: str) -> None:
    block = market.chain.w3.eth.block_number
    with pytest.raises(ArgumentError) as refused:
        act(market)
    assert str(refused.value).startswith(said)
    assert len(str(refused.value)) < 200
    assert market.chain.w3.eth.block_number == block


def test_a_name_is_one_word_or_refused() -> None:
    assert label("addZone", "Łódź") == "Łódź".encode() + bytes(25)
    with pytest.raises(ArgumentError, match=r"addZone: name: 'ä+' is not within 32 bytes"):
        label("addZone", "ä" * 17)


def test_an_area_of_too_long_a_name_is_not_deployed() -> None:
    chain = Chain(connect("embedded"), load_artifacts())
    settings = MarketSettings(900, 300, Band(80, 1, 2), ("x" * 33,))
    with pytest.raises(ArgumentError, match=r"addArea: name: 'x+' is not within 32 bytes"):
        deploy(chain, Keyring(DEVELOPMENT_SECRET), settings)
    assert chain.w3.eth.block_number == 0


def test_ranges_are_those_of_the_type() -> None:
    assert range_of("int64") == "a whole number in -2^63 to 2^63 - 1 (int64)"
    assert range_of("address") == "an address"
