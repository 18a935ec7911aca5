"""One participant against a price tick of the order book, by orders that it places and takes back."""

import random

import pytest

from gridbourse.audit.markets.tick_queue import WORDS, TickQueue
from gridbourse.chain.encoding.book_order import Action, BookOrder
from gridbourse.chain.encoding.lanes import OFFER
from tests.contracts.market import FIRST
from tests.contracts.order_books import Hall, trades_of
from tests.contracts.refusal import refusal

P = FIRST + 2
TICK = 40
PAGE = 96


@pytest.fixture
def hall(market):
    return Hall.open(market, maxOpen=255)


@pytest.fixture
def queue():
    """Where the contract has to keep each order, and no order but by its time."""
    return TickQueue()


def order(who, wh=10):
    return BookOrder(who.number, side=OFFER, tick=TICK, wh=wh)


def cancellation(who, position):
    return BookOrder(who.number, Action.CANCEL, tick=TICK, position=position)


def send(hall, orders):
    for start in range(0, len(orders), PAGE):
        hall.batch(P, *orders[start : start + PAGE])


def test_who_places_and_cancels_cannot_block_a_tick(market, hall, queue):
    """Before: 864 pairs behind one order that stayed, and nobody else could offer at the price."""
    attacker, honest, buyer = market.members[:3]
    stays, last, orders = queue.append(0), queue.append(1), [order(attacker), order(attacker)]
    for pair in range(2, 902):
        behind = queue.append(pair)
        queue.remove(last)
        orders += [order(attacker), cancellation(attacker, last)]
        last = behind
    send(hall, orders)
    assert [position for _, position, _ in hall.queue(P, TICK)] == [stays, last]

    hall.offer(P, honest, TICK, 500)
    assert hall.queue(P, TICK)[-1] == (honest.number, queue.append(902), 500)
    fills = trades_of(hall.bid(P, buyer, TICK, 520))
    assert [(seller, wh) for seller, _, wh, _ in fills] == [
        (attacker.number, 10), (attacker.number, 10), (honest.number, 500),
    ]  # fmt: skip


def test_a_tick_is_full_when_every_word_of_it_holds_an_order_and_not_before(market, hall):
    """832 orders at rest, each backed: with the 16 that one has open by default, 52 participants."""
    makers = [member for member in market.in_area(0)[:4] for _ in range(WORDS)]
    send(hall, [order(maker) for maker in makers])
    maker, late = makers[0], market.members[5]
    refused = refusal(hall.contract.place, P, OFFER, TICK, 10, 0, by=late.account)
    assert refused == ("LevelFull", TICK)
    before = hall.queue(P, TICK)
    middle = [row for row in before if row[1] // 4 == 20]
    send(hall, [cancellation(maker, position) for _, position, _ in middle])
    hall.offer(P, late, TICK, 10)

    left = [row for row in before if row not in middle]
    assert hall.queue(P, TICK) == [*left, (late.number, 80, 10)]


@pytest.mark.parametrize("seed", range(2))
def test_whatever_comes_and_goes_the_first_to_come_trades_first(market, hall, queue, seed):
    """Random orders and cancellations at one tick against a plain list."""
    rng = random.Random(seed)
    members = market.in_area(0)[:5]
    rows, orders = [], []
    for number in range(160):
        if rows and rng.random() < 0.45:
            who, position, _ = rows.pop(rng.randrange(len(rows)))
            queue.remove(position)
            orders.append(cancellation(who, position))
        else:
            who, wh = rng.choice(members), rng.randrange(10, 50)
            rows.append((who, queue.append(number), wh))
            orders.append(order(who, wh))
    send(hall, orders)

    assert hall.queue(P, TICK) == [(who.number, position, wh) for who, position, wh in rows]
    assert hall.depth(P, OFFER, 1) == [(TICK, sum(wh for *_, wh in rows), len(rows))]
