"""What the flexibility market refuses, with the values that offend; and the TSO's account."""

import pytest

from gridbourse.chain.bindings.flexibility import (
    NO_SEED,
    lot_commitment,
    product_tuple,
    salt_commitment,
)
from gridbourse.model.flexibility.products import (
    CONGESTION,
    CONGESTION_METERED,
    FCR_N,
    VOLTAGE,
    Way,
)
from tests.contracts.bilateral_markets import anchors
from tests.contracts.flexibility_hall import (
    BAND,
    CLEARED,
    DSO,
    FAST,
    GROUP_SIZE,
    NUMBER,
    OPEN,
    PRODUCTS,
    REVEAL,
    SALT,
    SEED,
    TSO,
    FlexibilityHall,
    P,
)
from tests.contracts.market import (
    ALGORITHM,
    CAPACITY_WH,
    FIRST,
    HORIZON,
    MTU,
    PURSE,
    REPORT,
    RETAIL,
    RING,
    SUSPENDED,
)
from tests.contracts.refusal import deployment_refusal, refusal
from tests.contracts.test_flexibility_market import refused_offer

MOST_WH = (1 << 28) - 1


@pytest.fixture(scope="module")
def hall(market):
    return FlexibilityHall(market)


@pytest.fixture(scope="module")
def people(hall):
    return hall.whole.in_area(0)


def refused_request(hall, product, way, wh=100, tick=5, by=None, area=0, period=P, **other):
    terms = hall.terms(product, way, wh, tick, **other)
    return refusal(hall.requests.request, area, period, terms, by=by or hall.whole.dso)


# --- products ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        (1, 0, "directions"), (1, 4, "directions"), (2, True, "symmetric"), (3, 2, "quantity"),
        (7, 0, "evidenceSeconds"), (7, 1, "method"), (9, 0, "penaltyPercent"), (11, 0, "buyers"),
        (11, 8, "buyers"),
    ],
)  # fmt: skip
def test_products_that_prove_nothing_are_refused(hall, place, value, field):
    terms = list(product_tuple(CONGESTION, MTU))
    terms[place] = value
    refused = refusal(hall.products.add, tuple(terms), by=hall.whole.operator)
    expected = {"method": 0}.get(field, int(value))
    assert refused == ("BadProduct", field, expected)


def test_products_without_a_meter_move_no_energy_and_go_both_ways_at_once_or_not(hall):
    terms = list(product_tuple(FCR_N, MTU))
    operator = hall.whole.operator
    terms[10] = 7
    refused = refusal(hall.products.add, tuple(terms), by=operator)
    assert refused == ("BadProduct", "compensationMicroEurPerWh", 7)
    terms[10], terms[1] = 0, 1
    refused = refusal(hall.products.add, tuple(terms), by=operator)
    assert refused == ("BadProduct", "directions", 1)


def test_only_the_operator_adds_products_and_there_is_a_limit(hall):
    terms = product_tuple(CONGESTION, MTU)
    refused = refusal(hall.products.add, terms, by=hall.whole.dso)
    assert refused[0] == "MissingRole"
    unknown = refusal(hall.products.productOf, len(PRODUCTS), by=hall.whole.dso)
    assert unknown == ("UnknownProduct", len(PRODUCTS))
    for _ in range(256 - len(PRODUCTS)):
        hall.products.add(terms, hall.by)
    full = refusal(hall.products.add, terms, by=hall.whole.operator)
    assert full == ("TooManyProducts", 256)


# --- requests ----------------------------------------------------------------------------------


def test_who_may_ask_for_what(hall, people):
    ann = people[0]
    refused = refused_request(hall, VOLTAGE, Way.UP, by=hall.tso)
    assert refused == ("NotABuyer", hall.tso, TSO, NUMBER["voltage"])
    refused = refused_request(hall, FCR_N, Way.BOTH, by=hall.whole.dso)
    assert refused == ("NotABuyer", hall.whole.dso, DSO, NUMBER["FCR-N"])
    refused = refused_request(hall, VOLTAGE, Way.UP, by=ann.account)
    assert refused == ("NotABuyer", ann.account, ann.number, NUMBER["voltage"])
    gateway = hall.whole.gateway
    refused = refused_request(hall, CONGESTION_METERED, Way.UP, by=gateway)
    assert refused == ("UnknownParticipant", gateway)
    refused = refused_request(hall, CONGESTION_METERED, Way.UP, by=ann.account, area=1)
    assert refused == ("OtherArea", ann.number, 0, 1)


def test_requests_are_of_their_product_and_within_the_grid_of_prices(hall):
    number = NUMBER["congestion-metered"]
    for way in (0, 3, 4):
        refused = refused_request(hall, CONGESTION_METERED, way)
        assert refused == ("BadDirection", number, way)
    refused = refused_request(hall, FCR_N, Way.UP, by=hall.tso)
    assert refused == ("BadDirection", NUMBER["FCR-N"], 1)
    for wh in (0, MOST_WH + 1):
        refused = refused_request(hall, CONGESTION_METERED, Way.UP, wh)
        assert refused == ("QuantityOutOfRange", DSO, wh, MOST_WH)
    refused = refused_request(hall, CONGESTION_METERED, Way.UP, 100, BAND.ticks)
    assert refused == ("TickOutOfBand", DSO, BAND.ticks, BAND.ticks)
    refused = refused_request(hall, CONGESTION_METERED, Way.UP, zone=9)
    assert refused == ("UnknownZone", 9)
    terms = (99, *hall.terms(CONGESTION_METERED, Way.UP, 100, 5)[1:])
    refused = refusal(hall.requests.request, 0, P, terms, by=hall.whole.dso)
    assert refused == ("UnknownProduct", 99)


def test_requests_close_in_time_for_full_activation(hall):
    latest = P * MTU - CONGESTION_METERED.full_activation_seconds
    now = hall.whole.clock.timestamp()
    for closes_at in (now, latest + 1):
        refused = refused_request(hall, CONGESTION_METERED, Way.UP, closes_at=closes_at)
        assert refused == ("BadClosingTime", closes_at, now, latest)
    drawn = latest - 2 * REVEAL  # so that seed and salts are shown in time too
    refused = refused_request(hall, CONGESTION, Way.UP, closes_at=drawn + 1)
    assert refused == ("BadClosingTime", drawn + 1, now, drawn)
    last = hall.whole.clock.lastOpenPeriod()
    assert last == FIRST + HORIZON
    refused = refused_request(hall, CONGESTION_METERED, Way.UP, period=last + 1)
    assert refused == ("BeyondHorizon", last + 1, last)
    refused = refused_request(hall, CONGESTION_METERED, Way.UP, area=2)
    assert refused == ("UnknownArea", 2)


def test_a_lot_belongs_to_declared_schedules_alone(hall, people):
    lot = lot_commitment(SEED)
    refused = refused_request(hall, CONGESTION_METERED, Way.UP, lot=lot)
    assert refused == ("LotMismatch", NUMBER["congestion-metered"], lot)
    refused = refused_request(hall, CONGESTION, Way.UP, lot=NO_SEED)
    assert refused == ("LotMismatch", NUMBER["congestion"], NO_SEED)
    ann = people[0]
    hall.declare(ann, 0)
    offers, salt = [(ann.number, 4, 10)], salt_commitment(SALT)
    for product, given in ((CONGESTION, NO_SEED), (CONGESTION_METERED, salt)):
        posted = hall.request(product, Way.UP, 100, 5)
        refused = refusal(hall.requests.offer, 0, P, posted.number, offers, given, by=ann.account)
        assert refused == ("LotMismatch", NUMBER[product.name], given)


def test_what_a_request_may_cost_has_to_be_there(hall, people):
    ben = people[1]
    wh = PURSE // 490 + 1
    refused = refused_request(hall, CONGESTION_METERED, Way.DOWN, wh, 49, by=ben.account)
    assert refused == ("InsufficientMoney", ben.number, PURSE, wh * 490)
    refused = refused_request(hall, CONGESTION_METERED, Way.UP, CAPACITY_WH + 1, 1, by=ben.account)
    assert refused[:2] == ("AboveConnectionCapacity", ben.number)


def test_an_area_has_so_many_requests_a_period(hall):
    for _ in range(64):
        hall.request(CONGESTION_METERED, Way.UP, 1, 0)
    refused = refused_request(hall, CONGESTION_METERED, Way.UP)
    assert refused == ("TooManyRequests", 0, P, 64)
    assert refusal(hall.market.requestOf, 0, P, 64, by=hall.tso) == ("NoRequest", 0, P, 64)
    assert refusal(hall.market.requestOf, 1, P, 0, by=hall.tso) == ("NoRequest", 1, P, 0)


def test_participants_leave_room_for_dso_and_tso(hall, people):
    """One participant has few, all together half."""
    for who in hall.whole.members[:2]:
        for _ in range(2):
            hall.request(CONGESTION_METERED, Way.UP, 100, 1, who)
        refused = refused_request(hall, CONGESTION_METERED, Way.UP, 100, 1, by=who.account)
        assert refused == ("TooManyRequests", 0, P, 2)
    for _ in range(60):
        hall.request(CONGESTION_METERED, Way.UP, 1, 0)
    refused = refused_request(hall, CONGESTION_METERED, Way.UP)
    assert refused == ("TooManyRequests", 0, P, 64)


def test_what_a_participant_asks_for_is_worth_the_wait(hall, people):
    ann = people[0]
    for wh, tick in ((99, 1), (100, 0)):
        refused = refused_request(hall, CONGESTION_METERED, Way.UP, wh, tick, by=ann.account)
        assert refused == ("RequestTooSmall", ann.number, wh, 100, tick)
    hall.request(CONGESTION_METERED, Way.UP, 100, 1, ann)
    hall.request(CONGESTION_METERED, Way.UP, 1, 0)


def test_who_is_no_member_in_the_period_asks_for_nothing(hall, people):
    ann = people[0]
    hall.whole.registry.suspend(ann.number, hall.by)
    refused = refused_request(hall, FAST, Way.UP, by=ann.account)
    assert refused == ("NotAMember", ann.number, SUSPENDED)
    hall.whole.registry.reinstate(ann.number, hall.by)
    hall.whole.registry.leaveMarket(ann.number, ann.sends)
    refused = refused_request(hall, FAST, Way.UP, by=ann.account)
    assert refused == ("NotAMember", ann.number, 0)
    posted = hall.request(VOLTAGE, Way.UP, 100, 5)
    assert refused_offer(hall, posted, ann, 5, 10) == ("NotAMember", ann.number, 0)


# --- offers ------------------------------------------------------------------------------------


def test_who_may_offer_what(hall, people):
    ann, ben, far = people[0], people[1], hall.whole.in_area(1)[0]
    posted = hall.request(CONGESTION_METERED, Way.UP, 1_000, 5, ben)

    def refused(who, tick=5, wh=10, by=None):
        return refused_offer(hall, posted, who, tick, wh, by)

    assert refused(ann, by=ben.account) == ("NotForAnother", ann.number, ben.number)
    other = hall.whole.other_gateway
    assert refused(ann, by=other) == ("NoMandate", ann.number, 1, 2)
    assert refused(ben) == ("OwnRequest", ben.number, posted.number)
    assert refused(far) == ("OtherArea", far.number, 1, 0)
    assert refused(ann, tick=6) == ("BeyondCeiling", ann.number, 6, 5)
    assert refused(ann, wh=MOST_WH + 1) == ("QuantityOutOfRange", ann.number, MOST_WH + 1, MOST_WH)
    above = CAPACITY_WH + 1
    assert refused(ann, wh=above) == ("PromisedAboveCapacity", ann.number, above, CAPACITY_WH)
    hall.whole.registry.suspend(ann.number, hall.by)
    assert refused(ann) == ("NotAMember", ann.number, SUSPENDED)
    hall.close_requests()
    closes_at = P * MTU - 800
    assert refused(people[2]) == ("RequestClosed", posted.number, closes_at, closes_at)


def test_who_is_suspended_may_take_back(hall, people):
    ann = people[0]
    posted = hall.request(CONGESTION_METERED, Way.UP, 1_000, 5)
    hall.offer(posted, ann, 4, 400)
    hall.whole.registry.suspend(ann.number, hall.by)
    hall.offer(posted, ann, 0, 0)
    assert (hall.balance(ann), hall.reserved(ann)) == (PURSE, (0, 0))


def test_offers_of_a_request_stay_countable(hall, people):
    """So that no gathering can fail: more than 32 bits of Wh are refused as they come in."""
    posted = hall.request(CONGESTION_METERED, Way.UP, 1_000, 0)
    entry = lambda who: who << 88 | MOST_WH << 40 | MOST_WH << 8  # noqa: E731
    entries = [entry(who.number) for who in people[:2]]
    refused = refusal(hall.market.enter, 0, P, posted.number, entries, by=hall.requests.address)
    assert refused[0] == "AboveConnectionCapacity"
    limit = (1 << 32) - 1
    many = [entry(100_000 + i) for i in range(17)]
    refused = refusal(hall.market.enter, 0, P, posted.number, many, by=hall.requests.address)
    assert refused == ("TooMuchOffered", posted.number, 17 * MOST_WH, limit)


def test_a_bond_has_to_be_there(hall, people):
    ann = people[0]
    posted = hall.request(MFRR_LIKE, Way.UP, 25_000, 49)
    bond = 24_000 * 490 * 33 // 100
    spent = PURSE - bond + 1
    hall.whole.house.withdraw(spent, ann.sends)
    refused = refused_offer(hall, posted, ann, 4, 24_000)
    assert refused == ("InsufficientMoney", ann.number, bond - 1, bond)


MFRR_LIKE = next(product for product in PRODUCTS if product.name == "pooled")


def test_only_the_board_brings_in_what_it_has_checked(hall, people):
    ann = people[0].account
    asked = tuple(
        hall.market.requestOf(0, P, hall.request(CONGESTION_METERED, Way.UP, 1, 0).number)
    )
    rules = (0, 0, 0, True, False, False)
    for method, arguments in (
        (hall.market.post, (0, asked, rules)),
        (hall.market.enter, (0, P, 0, [])),
        (hall.market.mark, (0, P, 0, [], [])),
        (hall.market.conclude, (0, P, 0, 0)),
        (hall.market.annul, (0, P, 0, True)),
    ):
        assert refusal(method, *arguments, by=ann) == ("OnlyRequests", ann)


# --- clearing and awards -----------------------------------------------------------------------


def test_each_step_has_its_time(hall, people):
    by = hall.whole.stranger
    posted = hall.request(CONGESTION, Way.UP, 100, 5)
    clear, seed = (0, P, posted.number, 9), (0, P, posted.number, SEED)
    salt = (0, P, posted.number, people[0].number, SALT)
    closes_at, now = P * MTU - 800, hall.whole.clock.timestamp()
    for method, arguments in (
        (hall.requests.clear, clear),
        (hall.requests.showSeed, seed),
        (hall.requests.showSalt, salt),
    ):
        refused = refusal(method, *arguments, by=by)
        assert refused == ("RequestOpen", posted.number, closes_at, now)
    hall.declare(people[0], 0)
    hall.offer(posted, people[0], 4, 10)
    wrong = lambda phase: ("WrongPhase", 0, P, posted.number, phase)  # noqa: E731
    assert refusal(hall.market.award, 0, P, posted.number, 9, by=by) == wrong(OPEN)
    hall.close_requests()
    refused = refusal(hall.requests.showSalt, *salt, by=by)
    assert refused == ("SeedAwaited", posted.number, closes_at + REVEAL)
    refused = refusal(hall.requests.showSeed, 0, P, posted.number, bytes(32), by=by)
    given = lot_commitment(bytes(32))
    assert refused == ("OtherSeed", posted.number, lot_commitment(SEED), given)
    hall.requests.showSeed(*seed, {"from": by})
    shown_at = hall.whole.clock.timestamp()
    assert refusal(hall.requests.showSeed, *seed, by=by) == ("ShownBefore", posted.number, DSO)
    who = people[0].number
    refused = refusal(hall.requests.clear, *clear, by=by)
    assert refused == ("SaltAwaited", posted.number, who, shown_at + REVEAL)
    refused = refusal(hall.requests.showSalt, 0, P, posted.number, who, bytes(16), by=by)
    committed, other = (salt_commitment(salt)[:27] for salt in (SALT, bytes(16)))
    assert refused == ("OtherSalt", posted.number, who, committed, other)
    nobody = (0, P, posted.number, people[1].number, SALT)
    refused = refusal(hall.requests.showSalt, *nobody, by=by)
    assert refused[:3] == ("OtherSalt", posted.number, people[1].number)
    hall.requests.showSalt(*salt, {"from": by})
    assert refusal(hall.requests.showSalt, *salt, by=by) == ("ShownBefore", posted.number, who)
    hall.clear(posted)
    assert refusal(hall.requests.clear, *clear, by=by) == ("ClearedBefore", 0, P, posted.number)
    assert hall.phase(posted) == CLEARED
    hall.award(posted)
    ended = 3  # awarded: it stands by or waits for its verdict
    assert refusal(hall.market.award, 0, P, posted.number, 9, by=by) == wrong(ended)


def test_a_period_waits_for_its_requests(hall, people):
    posted = hall.request(CONGESTION_METERED, Way.UP, 100, 5)
    hall.offer(posted, people[0], 4, 100)
    (trade,) = hall.run(posted)
    hall.deliver({})
    settle = (0, P, 100)
    refused = refusal(hall.whole.settlement.settle, *settle, by=hall.tso)
    assert refused == ("NotBooked", hall.market.address, 0, P)
    late = (hall.market, 0, P, 0, [trade.pack()], 0, ALGORITHM, REPORT, [])
    refused = refusal(hall.whole.grid.judge, *late, by=hall.whole.grid_oracle)
    assert refused[0] == "DeliveryBegun"


def test_nobody_ends_a_request_by_another_number_of_its_area(hall, people):
    """It has no groups, so all offers would be lost and what backs them kept for ever."""
    posted = hall.request(CONGESTION_METERED, Way.UP, 100, 5)
    hall.offer(posted, people[0], 4, 100)
    hall.close_requests()
    alias, by = (P % RING) << 64, hall.whole.stranger
    out_of_range = ("AreaOutOfRange", alias)
    clear = (alias, P, posted.number, 9)
    assert refusal(hall.requests.clear, *clear, by=by) == out_of_range
    hall.clear(posted)
    assert refusal(hall.market.award, alias, P, posted.number, 9, by=by) == out_of_range
    assert len(hall.award(posted)) == 1


# --- schedules ---------------------------------------------------------------------------------


def test_schedules_are_declared_in_time_by_who_may(hall, people):
    ann, ben = people[:2]
    declare = lambda who, wh, by, period=P: refusal(  # noqa: E731
        hall.schedules.declare, period, [who.number], [wh], by=by
    )
    assert declare(ann, 1, ben.account) == ("NotForAnother", ann.number, ben.number)
    for wh in (MOST_WH + 1, -MOST_WH - 1):
        assert declare(ann, wh, ann.account) == ("ScheduleOutOfRange", ann.number, wh, MOST_WH)
    lengths = refusal(hall.schedules.declare, P, [ann.number], [], by=ann.account)
    assert lengths == ("LengthsDiffer", 1, 0)
    last = hall.whole.clock.lastOpenPeriod()
    assert declare(ann, 1, ann.account, last + 1) == ("BeyondHorizon", last + 1, last)
    current = hall.whole.clock.currentPeriod()
    assert declare(ann, 1, ann.account, current) == ("DeliveryBegun", current, current)
    hall.schedules.declare(
        P, [ann.number, ben.number], [-MOST_WH, MOST_WH], {"from": hall.whole.gateway}
    )
    assert tuple(hall.schedules.scheduleOf(P, ann.number)) == (True, -MOST_WH)
    assert tuple(hall.schedules.scheduleOf(P, ben.number)) == (True, MOST_WH)
    assert tuple(hall.schedules.scheduleOf(P + 1, ben.number)) == (False, 0)


def test_only_the_market_fixes_schedules(hall, people):
    ann, operator = people[0], hall.whole.operator
    for method in (hall.schedules.fix, hall.schedules.release):
        assert refusal(method, P, ann.number, by=ann.account) == ("OnlyMarket", ann.account)
    refused = refusal(hall.schedules.connect, ann.account, by=operator)
    assert refused == ("MarketIsSet", hall.requests.address)
    assert refusal(hall.schedules.connect, ann.account, by=ann.account)[0] == "MissingRole"


# --- deployment, and the TSO's account ---------------------------------------------------------


def test_a_grid_of_prices_fits_a_trade(hall):
    container = hall.whole.contracts.FlexibilityMarket
    for grid in ((0, 0, 5), (0, 1, 0), (0, 1, 260), (65_000, 100, 7)):
        settings = (anchors(hall.whole), *grid, GROUP_SIZE)
        assert deployment_refusal(container, settings, by=hall.whole.operator) == ("BadBand", *grid)


def test_the_tso_pays_in_and_takes_out_whatever_others_owe(hall, people):
    """Its money is no part of what the house accounts keep for debts."""
    whole, before = hall.whole, hall.balance(TSO)
    ann = people[0]
    whole.house.withdraw(PURSE, ann.sends)
    whole.deliver(FIRST)
    whole.meter(FIRST, {m.number: -1_000 if m is ann else 0 for m in whole.members})
    whole.settle(FIRST)
    debt = -hall.balance(ann)
    assert debt > 1_000 * RETAIL
    assert whole.house.debtsMicroEur() == debt
    refused = refusal(whole.house.withdrawHouse, TSO, 1, by=whole.operator)
    assert refused[0] == "MissingRole"
    refused = refusal(whole.house.withdrawHouse, TSO, before + 1, by=hall.tso)
    assert refused == ("InsufficientMoney", TSO, before, before + 1)
    everything = hall.balance(DSO) + hall.balance(2)
    whole.house.withdrawHouse(DSO, hall.balance(DSO), {"from": whole.dso})
    kept = hall.balance(2)
    refused = refusal(whole.house.withdrawHouse, 2, kept, by=whole.supplier)
    assert refused == ("HouseMustCover", 2, kept, kept - debt, 0)
    whole.house.withdrawHouse(TSO, before, {"from": hall.tso})
    assert (hall.balance(TSO), whole.currency.balanceOf(hall.tso)) == (0, before)
    assert everything > debt
    assert whole.money_sum() == 0
