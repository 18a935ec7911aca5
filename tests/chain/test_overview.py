"""What is due: every delivered period with members, touched or not, that can still be settled."""

from collections.abc import Iterator

import pytest

from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.node.connect import let_time_pass
from gridbourse.chain.operations.market_state import due
from gridbourse.chain.operations.period_end import finish
from scripts import settle
from tests.chains import forgotten
from tests.invariants.ring_market import FIRST, MTU, NUMBERS, RING
from tests.oracle.meter.late import TRUE, LateMarket


@pytest.fixture(scope="module")
def delivered() -> LateMarket:
    return LateMarket()


@pytest.fixture
def market(delivered: LateMarket) -> Iterator[LateMarket]:
    """One period traded and over, which is the first that has members."""
    with forgotten(delivered.chain):
        yield delivered


def go_to(market: LateMarket, period: int) -> None:
    market.market.clock.advance_to(market.keys["operator"], period * MTU)


def test_a_period_nobody_touched_is_due(market: LateMarket) -> None:
    assert due(market.market) == [FIRST]
    go_to(market, FIRST + 3)
    assert due(market.market) == [FIRST, FIRST + 1, FIRST + 2]
    assert due(market.market, FIRST + 2) == [FIRST + 2]


def test_it_is_settled_by_its_readings(market: LateMarket) -> None:
    go_to(market, FIRST + 2)
    market.meter(FIRST, TRUE)
    market.meter(FIRST + 1, dict.fromkeys(NUMBERS, -10))
    before = market.accounts()
    for period in due(market.market):
        finish(market.market, market.keys["gateway"], period)

    assert market.market.settlement.done(FIRST_AREA, FIRST + 1)
    assert due(market.market) == []
    assert all(market.accounts()[n] < before[n] for n in (12, 13)), "who did not trade, drew"


def test_its_missing_readings_are_awaited_and_estimated(market: LateMarket) -> None:
    go_to(market, FIRST + 2)
    market.meter(FIRST, TRUE)
    assert settle.settle(market.market, ()) == 1
    assert due(market.market) == [FIRST + 1]
    let_time_pass(market.chain.w3, 1)  # the window is of no length
    assert settle.settle(market.market, ()) == 0
    assert due(market.market) == []


def test_a_clock_that_jumps_leaves_what_the_ring_has_room_for(market: LateMarket) -> None:
    years = FIRST + 100_000
    go_to(market, years)
    assert due(market.market) == [FIRST, *range(years - RING, years)]


def test_before_anyone_is_a_member_nothing_is_due(
    market: LateMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for now in (0, 1, FIRST):
        monkeypatch.setattr(market.market.clock, "timestamp", lambda now=now: now * MTU)
        assert due(market.market) == []
