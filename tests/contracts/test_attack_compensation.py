"""What the DSO pays for curtailment: nobody inflates its claim, claims twice, or takes what is not there."""

from dataclasses import replace

import pytest
from brownie import chain

from gridbourse.chain.encoding.lanes import group_words
from gridbourse.model.caps import NO_CAP
from gridbourse.model.curtailment import held_back_wh, outstanding_wh
from tests.contracts.market import CAPACITY_WH, DSO, FEED_IN, FEES, FIRST, MARKET, TIMELOCK, role
from tests.contracts.refusal import deployment_refusal, fact, refusal
from tests.contracts.test_corrections import P, correct, path_of, settled

REACH = 950
CAP, STATED = 500, 2_000
NONE = (1 << 56) - 1
RATE = FEED_IN - FEES[0][2]
"""µEUR for each Wh held back in zone 0."""
PURSE = 10_000_000
CAPPED = {0: (CAP, NO_CAP)}


@pytest.fixture
def payer(market):
    """The module, in service, and a DSO with money."""
    by = {"from": market.operator}
    module = market.contracts.CurtailmentCompensation.deploy(
        market.registry, market.clock, market.house, market.settlement, market.tariff, REACH, by
    )
    market.house.proposeModule(module, MARKET, by)
    chain.sleep(TIMELOCK + 1)
    chain.mine()
    market.house.authoriseModule(module, by)
    market.fund({DSO: PURSE})
    return module


def words(stated):
    """Groups of participants with Wh stated, all others as they are."""
    lanes = {who // 4 * 4 + lane: NONE for who in stated for lane in range(4)}
    return group_words(lanes | stated)


def state(market, payer, stated):
    return payer.state(0, P, words(stated), {"from": market.grid_oracle})


def metered(first, *others):
    """Readings of the ten, the first of whom is capped."""
    return [first, *others, *[0] * (9 - len(others))]


def run(market, payer, reading=CAP, stated=STATED, caps=CAPPED):
    """Stated, capped, delivered, settled; (leaf, path) of the group of who was capped."""
    if stated is not None:
        state(market, payer, {market.members[0].number: stated})
    calls = settled(market, readings=metered(reading), caps=caps)
    leaf = calls[0][0]
    return calls, leaf.words, path_of(calls, leaf)


def compensate(market, payer, leaf, path):
    return payer.compensate(0, leaf, path, {"from": market.stranger})


def refused(market, payer, leaf, path):
    return refusal(payer.compensate, 0, leaf, path, by=market.stranger)


def test_what_the_cap_held_back_is_paid_by_the_dso(market, payer):
    _, leaf, path = run(market, payer)
    curtailed = market.members[0]
    before, dso = market.house.balanceOf(curtailed.number), market.house.balanceOf(DSO)
    tx = compensate(market, payer, leaf, path)
    amount = (STATED - CAP) * RATE
    assert fact(tx, "Compensated") == (P, curtailed.number, STATED - CAP, amount)
    assert market.house.balanceOf(curtailed.number) - before == amount
    assert dso - market.house.balanceOf(DSO) == amount
    assert list(payer.recordOf(0, P, curtailed.number)) == [True, STATED, STATED - CAP]
    assert market.money_sum() == 0


def test_curtailed_cannot_claim_twice_nor_after_a_correction(market, payer):
    calls, leaf, path = run(market, payer)
    compensate(market, payer, leaf, path)
    assert refused(market, payer, leaf, path) == ("NothingHeldBack", P, leaf[1])
    settled_leaf = calls[0][0]
    readings = metered(CAP)[:4]
    readings[1] = 7
    correct(market, calls, settled_leaf, readings)
    after = (*leaf[:4], leaf[4] | 7 << 64, leaf[5])
    siblings, before, later = path
    assert refused(market, payer, after, (siblings, before, later))[0] == "NothingHeldBack"


def test_curtailed_cannot_state_what_it_would_have_fed_in(market, payer):
    member = market.members[0]
    stated = words({member.number: CAPACITY_WH})
    for by in (member.account, market.dso, market.operator):
        answer = refusal(payer.state, 0, P, stated, by=by)
        assert answer == ("MissingRole", str(by), role("GRID_ORACLE"))


def test_dso_cannot_state_less_once_it_knows_what_was_delivered(market, payer):
    _, leaf, path = run(market, payer)
    stated = words({market.members[0].number: 0})
    assert refusal(payer.state, 0, P, stated, by=market.grid_oracle)[0] == "DeliveryBegun"
    compensate(market, payer, leaf, path)


def test_dso_cannot_save_by_silence(market, payer):
    """Nothing stated: what the connection carries stands in."""
    _, leaf, path = run(market, payer, stated=None)
    tx = compensate(market, payer, leaf, path)
    assert fact(tx, "Compensated")[2] == CAPACITY_WH - CAP


def test_grid_key_cannot_state_more_than_the_connection_carries(market, payer):
    """Its worst for the DSO is the connection's capacity at the feed-in tariff, a period."""
    most = (1 << 28) - 1
    _, leaf, path = run(market, payer, stated=most)
    assert fact(compensate(market, payer, leaf, path), "Compensated")[2] == CAPACITY_WH - CAP
    number = market.members[0].number
    asked = refusal(payer.state, 0, P + 9, words({number: most + 1}), by=market.grid_oracle)
    assert asked[0] == "BeyondHorizon"
    later = refusal(payer.state, 0, P + 2, words({number: most + 1}), by=market.grid_oracle)
    assert later == ("ScheduleOutOfRange", number, most + 1, most)


@pytest.mark.parametrize("reading", [CAP * REACH // 1000 - 1, 0, -40])
def test_who_stays_short_of_its_cap_cannot_claim(market, payer, reading):
    """It was not the cap that held it back."""
    _, leaf, path = run(market, payer, reading=reading)
    assert refused(market, payer, leaf, path) == ("NothingHeldBack", P, leaf[1])


def test_a_plant_a_little_below_its_cap_is_paid(market, payer):
    _, leaf, path = run(market, payer, reading=CAP * REACH // 1000)
    assert fact(compensate(market, payer, leaf, path), "Compensated")[2] == STATED - CAP


@pytest.mark.parametrize(("reading", "held_back"), [(CAP + 300, STATED - CAP - 300), (STATED, 0)])
def test_who_ignores_its_cap_cannot_claim_what_it_fed_in(market, payer, reading, held_back):
    _, leaf, path = run(market, payer, reading=reading)
    if held_back:
        assert fact(compensate(market, payer, leaf, path), "Compensated")[2] == held_back
    else:
        assert refused(market, payer, leaf, path)[0] == "NothingHeldBack"


def test_who_is_not_capped_cannot_claim(market, payer):
    state(market, payer, {market.members[0].number: STATED})
    calls = settled(market, readings=metered(CAP))
    leaf = calls[0][0]
    assert refused(market, payer, leaf.words, path_of(calls, leaf))[0] == "NothingHeldBack"


def test_claimant_cannot_prove_another_cap_or_reading(market, payer):
    _, leaf, path = run(market, payer, reading=0)
    for at, value in ((4, leaf[4] | CAP), (5, 0), (2, leaf[2] << 1)):
        forged = (*leaf[:at], value, *leaf[at + 1 :])
        assert refused(market, payer, forged, path)[0] == "ProofDoesNotMatch"
    assert refused(market, payer, (P + 1, *leaf[1:]), path)[0] == "NotSettled"


def test_claimant_cannot_take_money_the_dso_does_not_have(market, payer):
    """The claim fails whole, and is paid once there is money."""
    _, leaf, path = run(market, payer)
    free = market.house.balanceOf(DSO)
    market.house.withdrawHouse(DSO, free, {"from": market.dso})
    answer = refused(market, payer, leaf, path)
    assert answer == ("InsufficientMoney", DSO, 0, (STATED - CAP) * RATE)
    market.fund({DSO: (STATED - CAP) * RATE})
    compensate(market, payer, leaf, path)
    assert market.house.balanceOf(DSO) == 0


def corrected(market, calls, leaf, path, lane, wh):
    """The leaf after a correction of one of its readings; the path stays what it is."""
    settled_leaf, readings = calls[0][0], [leaf[4] >> 64 * n & (1 << 64) - 1 for n in range(4)]
    readings[lane] = wh
    now = replace(settled_leaf, readings=leaf[4])
    words = sum(each << 64 * n for n, each in enumerate(readings))
    by = {"from": market.meter_oracle}
    market.settlement.correct(0, now.words, path, words, by)
    return (*leaf[:4], words, leaf[5])


def test_nobody_can_fix_a_claim_on_a_reading_that_was_wrong(market, payer):
    """1 Wh below what was stated anyone had 75 µEUR paid, and 112,500 were lost by it for good."""
    calls, leaf, path = run(market, payer, reading=STATED - 1)
    curtailed = market.members[0].number
    assert fact(compensate(market, payer, leaf, path), "Compensated")[2:] == (1, RATE)
    leaf = corrected(market, calls, leaf, path, 0, CAP)
    before = market.house.balanceOf(curtailed)
    rest = STATED - CAP - 1
    told = fact(compensate(market, payer, leaf, path), "Compensated")
    assert told == (P, curtailed, rest, rest * RATE)
    assert market.house.balanceOf(curtailed) - before == rest * RATE
    assert list(payer.recordOf(0, P, curtailed)) == [True, STATED, STATED - CAP]
    assert refused(market, payer, leaf, path)[0] == "NothingHeldBack"


def test_who_was_not_stopped_by_its_cap_cannot_keep_what_a_false_reading_paid_it(market, payer):
    calls, leaf, path = run(market, payer)
    curtailed = market.members[0].number
    compensate(market, payer, leaf, path)
    leaf = corrected(market, calls, leaf, path, 0, 0)
    before, dso = market.house.balanceOf(curtailed), market.house.balanceOf(DSO)
    paid = STATED - CAP
    tx = compensate(market, payer, leaf, path)
    assert fact(tx, "CompensationReturned") == (P, curtailed, paid, paid * RATE)
    assert before - market.house.balanceOf(curtailed) == paid * RATE
    assert list(payer.recordOf(0, P, curtailed)) == [True, STATED, 0]
    assert refused(market, payer, leaf, path)[0] == "NothingHeldBack"
    assert market.house.balanceOf(DSO) - dso == paid * RATE
    assert market.money_sum() == 0


def test_who_spent_what_it_owes_back_still_owes_it(market, payer):
    """What is free is taken now, in whole Wh, and the rest once there is money again."""
    calls, leaf, path = run(market, payer)
    member = market.members[0]
    compensate(market, payer, leaf, path)
    leaf = corrected(market, calls, leaf, path, 0, 0)
    paid, kept = STATED - CAP, 100 * RATE + RATE - 1
    market.house.withdraw(market.house.balanceOf(member.number) - kept, member.sends)
    told = fact(compensate(market, payer, leaf, path), "CompensationReturned")
    assert told[2:] == (100, 100 * RATE)
    assert refused(market, payer, leaf, path) == ("OwedNotFree", P, leaf[1], paid - 100)
    market.fund({member.number: paid * RATE})
    told = fact(compensate(market, payer, leaf, path), "CompensationReturned")
    assert told[2] == paid - 100 == -outstanding_wh(0, paid - 100, RATE, paid * RATE)
    assert payer.recordOf(0, P, member.number)[2] == 0


def test_a_debtor_cannot_hide_behind_a_claim_that_the_dso_cannot_pay(market, payer):
    """Two of one group: what the one owes comes back, and the other is paid once the DSO has money."""
    members = market.members[:2]
    state(market, payer, {each.number: STATED for each in members})
    caps = {0: (CAP, NO_CAP), 1: (CAP, NO_CAP)}
    calls = settled(market, readings=metered(CAP), caps=caps)
    leaf, path = calls[0][0].words, path_of(calls, calls[0][0])
    told = compensate(market, payer, leaf, path).events["Compensated"]
    assert [each["participant"] for each in told] == [members[0].number]
    leaf = corrected(market, calls, leaf, path, 0, STATED - 1)
    leaf = corrected(market, calls, leaf, path, 1, CAP)
    market.house.withdrawHouse(DSO, market.house.spendableOf(DSO), {"from": market.dso})
    tx = compensate(market, payer, leaf, path)
    assert fact(tx, "CompensationReturned")[1:3] == (members[0].number, STATED - CAP - 1)
    assert "Compensated" not in tx.events
    market.fund({DSO: STATED * RATE})
    told = fact(compensate(market, payer, leaf, path), "Compensated")
    assert told[1:3] == (members[1].number, STATED - CAP)


def test_any_row_of_corrections_comes_to_what_the_last_reading_would_have(market, payer):
    """Contract and model step by step, whatever was read before."""
    calls, leaf, path = run(market, payer)
    who, paid = market.members[0].number, 0
    for reading in (CAP, STATED - 1, 0, STATED, CAP * REACH // 1000, 1_200, CAP):
        if reading != leaf[4] & (1 << 64) - 1:
            leaf = corrected(market, calls, leaf, path, 0, reading)
        due = held_back_wh(STATED, CAP, reading, CAPACITY_WH, REACH)
        step = outstanding_wh(due, paid, RATE, market.house.spendableOf(who))
        before = market.house.balanceOf(who)
        if step:
            compensate(market, payer, leaf, path)
        else:
            assert refused(market, payer, leaf, path)[0] == "NothingHeldBack"
        paid += step
        assert market.house.balanceOf(who) - before == step * RATE
        assert payer.recordOf(0, P, who)[2] == paid == due
    assert market.money_sum() == 0


def test_settlement_never_waits_for_it(market, payer):
    assert payer.booked(0, P)
    run(market, payer)
    assert market.settlement.progressOf(0, P)[2]


@pytest.mark.parametrize("permille", [0, 1_001])
def test_a_reach_out_of_range_is_refused(market, permille):
    where = (market.registry, market.clock, market.house, market.settlement, market.tariff)
    container = market.contracts.CurtailmentCompensation
    answer = deployment_refusal(container, *where, permille, by=market.operator)
    assert answer == ("ReachOutOfRange", permille, 1_000)
    assert FIRST < P
