"""Whoever serves one market area has no say, and no money, in another."""

import pytest
from brownie import CurtailmentCompensation, chain

from gridbourse.chain.encoding.lanes import (
    BID,
    OFFER,
    energy_lane,
    group_words,
    pack_readings,
)
from gridbourse.model.caps import NO_CAP
from gridbourse.model.house_accounts import AREA_DSOS, dso_account
from tests.contracts.market import (
    ALGORITHM,
    DSO,
    FIRST,
    HORIZON,
    MARKET,
    REPORT,
    SETTLEMENT,
    SUPPLIER,
    TIMELOCK,
    role,
)
from tests.contracts.refusal import fact, refusal

P = FIRST + 2
NEXT = FIRST + HORIZON + 1
DSO_1 = dso_account(1)


@pytest.fixture
def other(market, accounts):
    """Who holds every role that area 1 has of its own."""
    other = accounts[11]
    by = {"from": market.operator}
    names = ("DSO", "METER_ORACLE", "GRID_ORACLE", "VERIFIER")
    for name in names:
        market.registry.proposeRole(role(name, 1), other, by)
    chain.sleep(TIMELOCK)
    for name in names:
        market.registry.grantRole(role(name, 1), other, by)
    for name, former in zip(
        names, (market.dso, market.meter_oracle, market.grid_oracle), strict=False
    ):
        market.registry.revokeRole(role(name, 1), former, by)
    return other


def readings(market, area):
    first, data = pack_readings({m.number: 0 for m in market.in_area(area)})
    return (area, P, 1, first, data)


def test_who_serves_one_area_acts_in_no_other(market, other):
    """The DSO of area 1 sets no fees, caps, judges and reads no meter of area 0; nor the other way."""
    fees, caps = (1, 1, 1), group_words({market.members[0].number: energy_lane(0, NO_CAP)})
    market.place(P, {market.members[0]: (OFFER, 30, 100), market.members[1]: (BID, 30, 100)})
    market.place(P, {market.in_area(1)[0]: (OFFER, 30, 100)})
    market.close_gate(P)
    for area in (0, 1):
        market.clear(P, area)
    held = {0: (market.dso, market.grid_oracle), 1: (other, other)}
    for area, elsewhere in ((0, 1), (1, 0)):
        dso, grid = held[elsewhere]
        missing = lambda name, who: ("MissingRole", who, role(name, area))  # noqa: B023, E731
        judged = market.judged(P, area)
        for method, words, name, who in (
            (market.tariff.setGridFees, (area, 1, NEXT, fees), "DSO", dso),
            (market.tariff.withdrawGridFees, (area, 1), "DSO", dso),
            (market.grid.accept, judged, "GRID_ORACLE", grid),
            (market.grid.cap, (*judged, [], True), "GRID_ORACLE", grid),
            (market.grid.capSchedule, (area, P, ALGORITHM, REPORT, caps), "GRID_ORACLE", grid),
        ):
            assert refusal(method, *words, by=who) == missing(name, who)
    for area, grid in ((0, market.grid_oracle), (1, other)):
        market.grid.accept(*market.judged(P, area), {"from": grid})
        market.book(P, area)
    market.deliver(P)
    for area, (own, stranger) in enumerate(
        ((market.meter_oracle, other), (other, market.meter_oracle))
    ):
        words = readings(market, area)
        refused = refusal(market.meters.submit, *words, by=stranger)
        assert refused[:2] == ("MissingRole", stranger)
        market.meters.submit(*words, {"from": own})


def settled(market, other):
    """Area 1 has imported: its DSO earns fees there, and nobody's in area 0."""
    market.place(P, {market.in_area(1)[0]: (OFFER, 30, 100)})
    market.close_gate(P)
    for area, grid in ((0, market.grid_oracle), (1, other)):
        market.clear(P, area)
        market.grid.accept(*market.judged(P, area), {"from": grid})
        market.book(P, area)
    market.deliver(P)
    for area, meter in ((0, market.meter_oracle), (1, other)):
        used = {m.number: -1_000 for m in market.in_area(area)}
        first, data = pack_readings(used)
        market.meters.submit(area, P, 1, first, data, {"from": meter})
        market.settle(P, area)


def test_fees_go_to_the_dso_of_their_area(market, other):
    settled(market, other)
    house = market.house
    fees = [house.balanceOf(dso_account(area)) for area in (0, 1)]
    zones = [[m.zone for m in market.in_area(area)] for area in (0, 1)]
    assert fees == [sum(1_000 * (60, 50, 50)[zone] for zone in of_area) for of_area in zones]
    assert market.money_sum() == 0
    assert house.spendableOf(DSO_1) == fees[1]

    for account, who in ((DSO_1, market.dso), (DSO, other)):
        assert refusal(house.withdrawHouse, account, 1, by=who)[0] == "MissingRole"
    assert fact(house.withdrawHouse(DSO_1, fees[1], {"from": other}), "Withdrawn") == (
        DSO_1, other, fees[1],
    )  # fmt: skip
    assert [house.balanceOf(account) for account in (DSO, DSO_1)] == [fees[0], 0]
    assert market.currency.balanceOf(other) == fees[1]
    assert market.money_sum() == 0


def test_no_dso_spends_fees_that_nobody_paid(market, other, accounts):
    """Cover is one over all areas: beyond it, what a debtor of area 1 owes its DSO is not there to spend."""
    settled(market, other)
    house, debtor, module = market.house, market.in_area(1)[0], accounts[12]
    market.authorise(module, SETTLEMENT)
    house.withdrawHouse(SUPPLIER, house.spendableOf(SUPPLIER), {"from": market.supplier})
    house.withdraw(house.balanceOf(debtor.number), debtor.sends)
    left, first = house.balanceOf(SUPPLIER), house.balanceOf(DSO)
    owed = left + first + 1_000
    deltas = (-owed) % 2**64 << (64 * debtor.lane)
    house.correct(1, P, debtor.group, deltas, 0, owed, {"from": module})

    there = house.balanceOf(DSO_1)
    ledger = market.ledger()
    assert house.coverMicroEur() == ledger.cover == left - owed
    assert house.spendableOf(DSO_1) == ledger.spendable(DSO_1) == there - 1_000
    refused = refusal(house.withdrawHouse, DSO_1, there, by=other)
    assert refused == ("HouseMustCover", DSO_1, there, left - owed, first + there)
    house.withdrawHouse(DSO_1, there - 1_000, {"from": other})
    assert house.spendableOf(DSO) == 0
    ledger = market.ledger()
    assert (ledger.money_sum, ledger.gap) == (0, 0)


def test_a_dsos_account_is_no_participants(market, other):
    house = market.house
    for account in (DSO_1, AREA_DSOS + 2, AREA_DSOS):
        refused = refusal(house.setCreditLimit, account, 1, by=market.treasurer)
        assert refused == ("UnknownAccount", account)
    market.fund({DSO_1: 500})
    assert house.balanceOf(DSO_1) == 500
    assert market.money_sum() == 0
    market.currency.mint(market.treasurer, 1, b"x" * 32, {"from": market.treasurer})
    refused = refusal(house.deposit, [AREA_DSOS + 2], [1], by=market.treasurer)
    assert refused == ("UnknownAccount", AREA_DSOS + 2)


def test_the_dso_of_another_area_states_no_schedule_and_pays_its_own(market, other):
    payer = CurtailmentCompensation.deploy(
        market.registry, market.clock, market.house, market.settlement, market.tariff, 950,
        {"from": market.operator},
    )  # fmt: skip
    market.authorise(payer, MARKET)
    mine = market.in_area(0)[0]
    word = [(mine.group << 224) | 500 | ((1 << 224) - 1 ^ (1 << 56) - 1)]
    refused = refusal(payer.state, 0, P, word, by=other)
    assert refused == ("MissingRole", other, role("GRID_ORACLE"))
    payer.state(1, P, word, {"from": other})  # of somebody of area 0: says nothing there
    assert list(payer.recordOf(0, P, mine.number)) == [False, 0, 0]


def test_the_dso_of_another_area_may_hold_the_currency(market, other):
    assert market.registry.mayHoldCurrency(other)
    assert market.registry.dsoAccountOf(other) == DSO_1
    assert market.registry.dsoAccountOf(market.dso) == DSO
    assert market.registry.dsoAccountOf(market.supplier) == 0
    market.registry.revokeRole(role("DSO", 1), other, {"from": market.operator})
    assert not market.registry.mayHoldCurrency(other)
