"""Verdicts of the DSO: what they bind, how caps fall, what comes after the last round."""

import pytest
from brownie import GridOracle, chain

from gridbourse.chain.encoding.lanes import BID, OFFER, energy_lane, group_words
from gridbourse.model.caps import NO_CAP
from tests.contracts.market import (
    ACCEPTED,
    ALGORITHM,
    BOOKED,
    CAPPED,
    CAPPING,
    FALLBACK,
    FIRST,
    HOLD_RATE,
    MAX_ROUNDS,
    NO_VERDICT,
    OPEN,
    PURSE,
    REPORT,
    VERDICT_WINDOW,
    VOID,
    role,
)
from tests.contracts.refusal import fact, refusal

P = FIRST + 2
FREE = energy_lane(NO_CAP, NO_CAP)
OTHER_ROOT = b"\x01" * 20


@pytest.fixture
def cleared(market):
    """Three offers and two bids in three groups, cleared and waiting for a verdict."""
    m = market.members
    orders = {
        m[0]: (OFFER, 10, 6_000),
        m[1]: (BID, 50, 4_000),
        m[4]: (OFFER, 12, 3_000),
        m[8]: (BID, 45, 5_000),
        m[9]: (OFFER, 40, 2_000),
    }
    market.place(P, orders)
    market.close_gate(P)
    market.clear(P)
    return market


def verdict(market, area=0):
    return tuple(market.grid.verdictOf(area, P))


def caps(market, member):
    return market.grid.capsOf(P, member.group) >> (56 * member.lane) & ((1 << 56) - 1)


def order(market, member):
    """(side, tick, Wh) as the book has it."""
    return tuple(market.auction.orderOf(member.number, P))[:3]


def refused_accept(market, *changes, by=None):
    arguments = list(market.judged(P))
    for at, value in changes:
        arguments[at] = value
    return refusal(market.grid.accept, *arguments, by=by or market.grid_oracle)


def refused_cap(market, words, *changes, last=True):
    arguments = list(market.judged(P))
    for at, value in changes:
        arguments[at] = value
    return refusal(market.grid.cap, *arguments, words, last, by=market.grid_oracle)


# --- what a verdict binds ----------------------------------------------------------------------


def test_an_acceptance_names_book_round_algorithm_and_report(cleared):
    _, round_, root = cleared.auction.bookOf(0, P)
    tx = cleared.accept(P)

    assert fact(tx, "Accepted") == (0, P, 0, root, ALGORITHM, "0x" + REPORT.hex())
    assert verdict(cleared) == (ACCEPTED, 0, False)
    assert round_ == 0


def test_a_verdict_on_another_book_or_round_is_refused(cleared):
    root = bytes(cleared.auction.bookOf(0, P)[2])

    refused = refused_accept(cleared, (3, OTHER_ROOT))
    assert refused == ("OtherBook", 0, P, 0, root, 0, OTHER_ROOT)
    assert refused_accept(cleared, (2, 1)) == ("OtherBook", 0, P, 0, root, 1, root)
    assert refused_cap(cleared, [], (3, OTHER_ROOT))[0] == "OtherBook"


def test_the_root_grows_with_every_order(market):
    a, b = market.members[:2]
    roots = [market.auction.bookOf(0, P)[2]]
    for sequence, wh in ((1, 100), (2, 101)):
        market.place(P, {a: (OFFER, 10, wh)}, sequence)
        roots.append(market.auction.bookOf(0, P)[2])
    market.auction.place(P, BID, 5, 10, b.sends)
    roots.append(market.auction.bookOf(0, P)[2])
    market.auction.cancel(P, b.sends)
    roots.append(market.auction.bookOf(0, P)[2])

    assert len(set(map(str, roots))) == 5


def test_there_is_nothing_to_judge_before_clearing(market):
    assert refused_accept(market) == ("NothingToJudge", 0, P)
    market.place(P, {market.members[0]: (OFFER, 10, 5)})
    assert refused_accept(market) == ("NothingToJudge", 0, P)


def test_there_is_nothing_to_judge_after_booking(cleared):
    cleared.accept(P)
    cleared.book(P)

    assert refused_accept(cleared) == ("NothingToJudge", 0, P)


def test_an_acceptance_stands(cleared):
    cleared.accept(P)

    assert refused_accept(cleared)[0] == "OtherBook"
    assert refused_cap(cleared, [])[0] == "OtherBook"


def test_the_grid_oracle_alone_judges(cleared):
    for account in (cleared.operator, cleared.dso, cleared.meter_oracle):
        refused = refused_accept(cleared, by=account)
        assert refused == ("MissingRole", account, role("GRID_ORACLE"))


# --- caps --------------------------------------------------------------------------------------


def test_caps_shrink_orders_and_reopen_the_book(cleared):
    seller, buyer, other = cleared.members[0], cleared.members[1], cleared.members[4]
    tx = cleared.cap(P, {seller: (2_500, NO_CAP), buyer: (NO_CAP, 1_000)})

    told = fact(tx, "Capped")
    words = group_words(
        {8: energy_lane(2_500, NO_CAP), 9: energy_lane(NO_CAP, 1_000), 10: FREE, 11: FREE}
    )
    assert (told[0], told[1], list(told[6]), told[7]) == (0, P, words, True)
    assert fact(tx, "Reopened") == (0, P, 1)
    assert verdict(cleared) == (CAPPED, 0, True)
    assert [order(cleared, m) for m in (seller, buyer, other)] == [
        (OFFER, 10, 2_500),
        (BID, 50, 1_000),
        (OFFER, 12, 3_000),
    ]
    assert caps(cleared, cleared.members[2]) == FREE


def test_a_cap_gives_back_what_backed_the_rest_of_the_order(cleared):
    seller, buyer = cleared.members[:2]
    cleared.cap(P, {seller: (2_500, NO_CAP), buyer: (NO_CAP, 1_000)})

    assert cleared.house.balanceOf(buyer.number) == PURSE - 1_000 * HOLD_RATE
    held = tuple(cleared.house.accountInPeriod(buyer.number, P))
    assert held == (1_000 * HOLD_RATE, 0, 1_000, 0, 0)
    assert tuple(cleared.house.accountInPeriod(seller.number, P))[1] == 2_500


def test_a_cap_of_the_other_direction_leaves_an_order(cleared):
    seller = cleared.members[0]
    tx = cleared.cap(P, {seller: (NO_CAP, 0)})

    assert order(cleared, seller) == (OFFER, 10, 6_000)
    assert "OrdersShrunk" not in tx.events
    assert caps(cleared, seller) == energy_lane(NO_CAP, 0)


def test_a_cap_of_nothing_takes_an_order_out_and_keeps_its_sequence(cleared):
    seller = cleared.members[0]
    cleared.cap(P, {seller: (0, NO_CAP)})

    assert tuple(cleared.auction.orderOf(seller.number, P)) == (OFFER, 10, 0, 1)


def test_the_capped_book_clears_again_and_the_new_outcome_can_be_accepted(cleared):
    seller = cleared.members[0]
    first = cleared.auction.outcomeOf(0, P)["volumeWh"]
    cleared.cap(P, {seller: (500, NO_CAP)})
    cleared.clear(P)

    assert cleared.auction.outcomeOf(0, P)["volumeWh"] < first
    cleared.accept(P)
    assert verdict(cleared) == (ACCEPTED, 1, True)
    cleared.book(P)
    sold = [cleared.house.accountInPeriod(m.number, P)[3] for m in cleared.in_area(0)]
    assert sold[0] == 500


def test_caps_only_fall(cleared):
    seller, other = cleared.members[0], cleared.members[2]
    cleared.cap(P, {seller: (2_500, 9_000)})
    cleared.clear(P)

    lane = lambda *pair: group_words({8: energy_lane(*pair), 9: FREE, 10: FREE, 11: FREE})  # noqa: E731
    assert refused_cap(cleared, lane(2_501, 9_000)) == ("CapRaised", 8, 2_500, 2_501)
    assert refused_cap(cleared, lane(2_500, 9_001)) == ("CapRaised", 8, 9_000, 9_001)
    cleared.cap(P, {seller: (2_000, 9_000), other: (0, 0)})
    assert caps(cleared, seller) == energy_lane(2_000, 9_000)
    assert caps(cleared, other) == 0


def test_caps_come_in_pages_that_bind_the_book_they_began_with(cleared):
    seller, far = cleared.members[0], cleared.members[4]
    begun_with = cleared.judged(P)
    by = {"from": cleared.grid_oracle}
    page = lambda number: group_words(  # noqa: E731
        {n: energy_lane(100, 100) for n in range(number, number + 4)}
    )
    cleared.grid.cap(*begun_with, page(8), False, by)
    assert verdict(cleared) == (CAPPING, 0, True)
    assert cleared.judged(P) != begun_with  # the page changed the book

    refused = refusal(cleared.grid.accept, *begun_with, by=cleared.grid_oracle)
    assert refused == ("CapsUnfinished", 0, P)
    refused = refusal(cleared.auction.book, 0, P, 9, by=cleared.stranger)
    assert refused == ("NotAccepted", 0, P, CAPPING, 0, 0)
    refused = refused_cap(cleared, page(12), (3, begun_with[3]), (4, ALGORITHM + 1))
    assert refused == ("OtherAlgorithm", 0, P, ALGORITHM, ALGORITHM + 1)
    assert refused_cap(cleared, page(12))[0] == "OtherBook"  # the root of now
    cleared.grid.cap(*begun_with, page(12), True, by)
    assert verdict(cleared) == (CAPPED, 0, True)
    assert [order(cleared, m)[2] for m in (seller, far)] == [100, 100]


@pytest.mark.parametrize("group", [0, 1, 5, 7, 900])
def test_caps_are_for_groups_of_the_area(cleared, group):
    word = group << 224 | (1 << 224) - 1

    assert refused_cap(cleared, [word]) == ("GroupOfOtherArea", group, 0)


def test_caps_end_with_their_period(cleared):
    seller = cleared.members[0]
    cleared.cap(P, {seller: (1, 1)})

    assert cleared.grid.capsOf(P + 1, seller.group) & ((1 << 224) - 1) == (1 << 224) - 1
    assert tuple(cleared.grid.verdictOf(0, P + 1)) == (NO_VERDICT, 0, False)
    assert verdict(cleared, area=1) == (NO_VERDICT, 0, False)


# --- rounds and fallback -----------------------------------------------------------------------


def exhaust_rounds(market):
    """Caps every round there is; returns the transaction of the last."""
    for round_ in range(MAX_ROUNDS):
        tx = market.cap(P, {market.members[0]: (1_000 - round_, NO_CAP)})
        if round_ + 1 < MAX_ROUNDS:
            market.clear(P)
    return tx


def test_after_the_last_round_the_period_runs_on_caps_and_supplier_alone(cleared):
    tx = exhaust_rounds(cleared)

    assert fact(tx, "Voided") == (0, P)
    assert verdict(cleared) == (FALLBACK, MAX_ROUNDS - 1, True)
    assert cleared.auction.sessionOf(0, P)["phase"] == VOID
    refused = refusal(cleared.auction.clear, 0, P, by=cleared.stranger)
    assert refused == ("WrongPhase", 0, P, VOID)
    assert refused_accept(cleared) == ("NothingToJudge", 0, P)
    tx = cleared.book(P)
    assert fact(tx, "Booked") == (0, P, 0, 0)
    members = cleared.in_area(0)
    traded = [tuple(cleared.house.accountInPeriod(m.number, P))[3:] for m in members]
    assert set(traded) == {(0, 0)}


def test_a_book_that_waits_for_its_verdict_is_not_booked(cleared):
    refused = refusal(cleared.auction.book, 0, P, 9, by=cleared.stranger)
    assert refused == ("NotAccepted", 0, P, NO_VERDICT, 0, 0)
    cleared.cap(P, {cleared.members[0]: (1_000, NO_CAP)})
    cleared.clear(P)
    refused = refusal(cleared.auction.book, 0, P, 9, by=cleared.stranger)
    assert refused == ("NotAccepted", 0, P, CAPPED, 0, 1)


# --- no verdict in time ------------------------------------------------------------------------


def refused_expiry(market):
    return refusal(market.auction.expire, 0, P, by=market.stranger)


def test_a_book_without_a_verdict_is_void_once_its_window_has_passed(cleared):
    buyer = cleared.members[1]
    deadline = chain[-1].timestamp + VERDICT_WINDOW
    assert refused_expiry(cleared) == ("VerdictAwaited", 0, P, deadline)
    chain.sleep(VERDICT_WINDOW - 60)
    chain.mine()
    assert refused_expiry(cleared) == ("VerdictAwaited", 0, P, deadline)

    chain.sleep(61)
    tx = cleared.auction.expire(0, P, {"from": cleared.stranger})
    assert fact(tx, "Voided") == (0, P)
    assert cleared.auction.sessionOf(0, P)["phase"] == VOID
    assert refused_accept(cleared) == ("NothingToJudge", 0, P)
    assert fact(cleared.book(P), "Booked") == (0, P, 0, 0)
    cleared.deliver(P)
    cleared.meter(P, {m.number: 0 for m in cleared.in_area(0)})
    cleared.settle(P)
    assert cleared.house.balanceOf(buyer.number) == PURSE


def test_half_a_verdict_does_not_keep_a_book_alive(cleared):
    words = group_words({number: energy_lane(9, 9) for number in range(8, 12)})
    cleared.grid.cap(*cleared.judged(P), words, False, {"from": cleared.grid_oracle})
    chain.sleep(VERDICT_WINDOW + 1)
    cleared.auction.expire(0, P, {"from": cleared.stranger})

    assert fact(cleared.book(P), "Booked") == (0, P, 0, 0)


def test_each_clearing_has_a_window_of_its_own(cleared):
    chain.sleep(VERDICT_WINDOW + 1)
    cleared.cap(P, {cleared.members[0]: (1_000, NO_CAP)})
    assert refused_expiry(cleared) == ("WrongPhase", 0, P, OPEN)
    cleared.clear(P)

    assert refused_expiry(cleared)[0] == "VerdictAwaited"


def test_what_was_accepted_does_not_expire(cleared):
    cleared.accept(P)
    chain.sleep(VERDICT_WINDOW + 1)
    chain.mine()

    assert refused_expiry(cleared)[0] == "VerdictAwaited"
    cleared.book(P, groups=1)
    assert refused_expiry(cleared)[0] == "VerdictAwaited"
    cleared.book(P)
    assert refused_expiry(cleared) == ("WrongPhase", 0, P, BOOKED)


# --- caps beside a pool ------------------------------------------------------------------------


def cap_schedule(market, caps):
    words = group_words({member.number: energy_lane(*pair) for member, pair in caps.items()}, FREE)
    return (0, P, ALGORITHM, REPORT, words)


def test_what_flows_outside_the_pool_is_capped_before_delivery(market):
    capped = market.members[0]
    arguments = cap_schedule(market, {capped: (500, NO_CAP)})
    tx = market.grid.capSchedule(*arguments, {"from": market.grid_oracle})

    assert fact(tx, "ScheduleCapped")[:3] == (0, P, ALGORITHM)
    assert fact(tx, "PeriodActivated")[:2] == (0, P)  # nothing else has touched the period yet
    assert caps(market, capped) == energy_lane(500, NO_CAP)
    assert verdict(market) == (NO_VERDICT, 0, True)
    refused = refusal(market.grid.capSchedule, *arguments, by=market.stranger)
    assert refused == ("MissingRole", market.stranger, role("GRID_ORACLE"))
    market.advance_to(P)
    refused = refusal(market.grid.capSchedule, *arguments, by=market.grid_oracle)
    assert refused == ("DeliveryBegun", P, P)


def test_caps_take_no_ring_slot_before_their_time(market):
    arguments = list(cap_schedule(market, {market.members[0]: (500, NO_CAP)}))
    last = market.clock.lastOpenPeriod()
    arguments[1] = last + 1

    refused = refusal(market.grid.capSchedule, *arguments, by=market.grid_oracle)
    assert refused == ("BeyondHorizon", last + 1, last)


def test_nobody_is_capped_for_what_has_flown(cleared):
    words = group_words({number: energy_lane(0, 0) for number in range(8, 12)})
    cleared.advance_to(P)

    assert refused_cap(cleared, words) == ("DeliveryBegun", P, P)


def test_caps_shrink_an_open_pool_wait_for_a_cleared_one_and_leave_an_accepted_one(market):
    seller, buyer = market.members[:2]
    market.place(P, {seller: (OFFER, 10, 6_000), buyer: (BID, 50, 6_000)})
    by = {"from": market.grid_oracle}
    market.grid.capSchedule(*cap_schedule(market, {seller: (5_000, NO_CAP)}), by)
    assert order(market, seller) == (OFFER, 10, 5_000)
    market.close_gate(P)
    market.clear(P)
    further = cap_schedule(market, {seller: (4_000, NO_CAP)})
    refused = refusal(market.grid.capSchedule, *further, by=market.grid_oracle)
    assert refused == ("PoolUnjudged", 0, P)

    market.accept(P)
    market.grid.capSchedule(*further, by)
    assert order(market, seller) == (OFFER, 10, 5_000)
    assert verdict(market) == (ACCEPTED, 0, True)
    assert fact(market.book(P), "Booked") == (0, P, 5_000, 0)
    market.deliver(P)
    market.meter(P, {m.number: 5_000 if m is seller else 0 for m in market.in_area(0)})
    market.settle(P)
    assert market.money_sum() == 0


def test_only_a_market_of_the_clearing_house_is_judged(market):
    arguments = (market.dso, 0, P, 0, [], 0, ALGORITHM, REPORT, [])

    refused = refusal(market.grid.judge, *arguments, by=market.grid_oracle)
    assert refused == ("NotAMarket", market.dso)
    refused = refusal(market.grid.judge, *arguments, by=market.dso)
    assert refused == ("MissingRole", market.dso, role("GRID_ORACLE"))


# --- wiring ------------------------------------------------------------------------------------


def test_the_market_is_named_once_by_the_operator(market):
    refused = refusal(market.grid.setMarket, market.auction, by=market.operator)
    assert refused == ("MarketIsSet", market.auction.address)

    fresh = GridOracle.deploy(
        market.registry, market.clock, market.house, {"from": market.operator}
    )
    refused = refusal(fresh.setMarket, market.auction, by=market.grid_oracle)
    assert refused == ("MissingRole", market.grid_oracle, role("OPERATOR"))
    tx = fresh.setMarket(market.auction, {"from": market.operator})
    assert fact(tx, "MarketSet") == (market.auction,)


def test_orders_are_capped_and_books_reopened_by_the_grid_oracle_alone(cleared):
    for method, arguments in (("applyCaps", (0, P, 2, 0)), ("reopen", (0, P))):
        refused = refusal(getattr(cleared.auction, method), *arguments, by=cleared.grid_oracle)
        assert refused == ("OnlyGridOracle", cleared.grid_oracle)
