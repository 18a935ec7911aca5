"""The DSO's verdicts on trades: which of a group go, what is capped, and that each is posted once."""

import json

import pytest
from eth_utils import keccak

from gridbourse.grid.limits import Limits
from gridbourse.model.caps import NO_CAP
from gridbourse.model.trade import TradeWord
from oracle.common.journal import Journal
from oracle.dso.feed import GridFeed
from oracle.dso.trade_groups import beyond_caps, net, with_trades
from tests.oracle.dso.fake_trades import TradeChain, TradeMarket
from tests.oracle.dso.feeders import MTU_SECONDS, NO_VAR, POINTS, feeder, wh
from tests.oracle.fake_chain import DeathClock, Killed, Killing, raise_killed

LIMITS = Limits(v_min_pu=0.9, v_max_pu=1.1, loading_max=1.0)
PERIOD = 1_600_000
NEAR, MIDDLE, FAR = 4, 9, 2
NUMBERS = {"near": NEAR, "middle": MIDDLE, "far": FAR}
QUIET, SUNNY = wh(5, 10, 10, -20), wh(0, 20, 50, 0)
PRICE = 100


def trade(seller: int, buyer: int, energy_wh: int) -> TradeWord:
    return TradeWord(seller, buyer, energy_wh, PRICE)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return feeder(tmp_path_factory.mktemp("grid"))


@pytest.fixture
def chain():
    return TradeChain()


@pytest.fixture
def market(chain):
    return TradeMarket(chain)


@pytest.fixture
def feed(network, chain, market, tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        yield feed_on(network, chain, journal, market, tmp_path / "out")


def feed_on(network, port, journal, market, out):
    return GridFeed(
        port, journal, network, POINTS, NUMBERS, LIMITS, MTU_SECONDS, out, markets=[market]
    )


def sell(market, *trades):
    market.open += trades
    market.seal(PERIOD)


# --- the rule alone ------------------------------------------------------------------------------


def test_the_newest_trades_go_until_the_others_fit():
    trades = [trade(NEAR, FAR, 300), trade(NEAR, MIDDLE, 300), trade(NEAR, FAR, 300)]
    assert beyond_caps(trades, {}, {NEAR: (700, NO_CAP)}) == [2]
    assert beyond_caps(trades, {}, {NEAR: (300, NO_CAP)}) == [1, 2]
    assert beyond_caps(trades, {NEAR: (200, 0)}, {NEAR: (300, NO_CAP)}) == [0, 1, 2]


def test_a_newer_trade_that_fits_by_itself_stays_if_its_parties_have_no_cap():
    trades = [trade(NEAR, FAR, 300), trade(MIDDLE, FAR, 500)]
    assert beyond_caps(trades, {}, {NEAR: (100, NO_CAP)}) == [0]


def test_a_buyer_above_its_import_cap_loses_its_newest_purchase():
    trades = [trade(NEAR, FAR, 300), trade(MIDDLE, FAR, 300)]
    assert beyond_caps(trades, {}, {FAR: (0, 400)}) == [1]
    assert beyond_caps(trades, {}, {FAR: (0, 600)}) == []


def test_what_is_booked_stands_even_above_a_cap():
    booked = {NEAR: (900, 0)}
    assert beyond_caps([trade(MIDDLE, FAR, 5)], booked, {NEAR: (100, NO_CAP)}) == []


def test_sums_of_trades():
    sums = with_trades({NEAR: (1, 2)}, [trade(NEAR, FAR, 10), trade(FAR, NEAR, 4)])
    assert sums == {NEAR: (11, 6), FAR: (4, 10)}
    assert net(sums) == {NEAR: 5, FAR: -6}


# --- verdicts ------------------------------------------------------------------------------------


def test_a_quiet_group_is_accepted_whole(feed, chain, market):
    sell(market, trade(MIDDLE, NEAR, 100), trade(FAR, NEAR, 100))
    (verdict,) = feed.check_trades("book", PERIOD, QUIET, NO_VAR)
    assert (verdict.kind, verdict.market, verdict.rejected) == ("accepted", "book", ())
    assert chain.booked == {MIDDLE: (100, 0), FAR: (100, 0), NEAR: (0, 200)}
    assert market.verdicts == [(0, (), verdict.report_hash)]
    assert chain.caps(PERIOD) == {}


def test_what_the_grid_can_not_carry_goes_and_the_rest_is_booked(feed, chain, market):
    sell(market, trade(FAR, MIDDLE, 4_900), trade(FAR, NEAR, 7_500), trade(MIDDLE, NEAR, 10))
    (verdict,) = feed.check_trades("book", PERIOD, SUNNY, NO_VAR)
    assert verdict.kind == "capped"
    assert not verdict.before.inside
    assert verdict.after.inside
    export_wh, import_wh = chain.caps(PERIOD)[FAR]
    assert 4_900 < export_wh < 12_400
    assert import_wh == NO_CAP
    assert verdict.rejected == (1,), "the newest sale of the one who is capped"
    assert chain.booked == {FAR: (4_900, 0), MIDDLE: (10, 4_900), NEAR: (0, 10)}
    assert (
        f"7,500 Wh from far to near rejected: far sold 12,400 Wh, export cap {export_wh:,} Wh"
        in verdict.explanation
    )


def test_caps_in_force_bind_the_next_group_too(feed, chain, market):
    """Its sale is within the forecast, so the grid is the same; but the cap is used up."""
    sell(market, trade(FAR, NEAR, 100))
    feed.check_trades("book", PERIOD, SUNNY, NO_VAR)
    export_wh, _ = chain.caps(PERIOD)[FAR]
    sell(market, trade(FAR, NEAR, export_wh - 100), trade(FAR, NEAR, 1))
    (verdict,) = feed.check_trades("book", PERIOD, SUNNY, NO_VAR)
    assert (verdict.kind, verdict.round, verdict.rejected) == ("rejected", 1, (1,))
    assert verdict.before.inside
    assert chain.booked[FAR] == (export_wh, 0)


def test_a_group_counts_what_other_markets_have_booked(feed, chain, market):
    """Each sale of 6,000 Wh by itself fits the grid, both together do not."""
    schedule_wh = wh(0, 20, 0, 0)
    sell(market, trade(FAR, NEAR, 6_000))
    (first,) = feed.check_trades("book", PERIOD, schedule_wh, NO_VAR)
    assert first.kind == "accepted"
    sell(market, trade(FAR, NEAR, 6_000))
    (second,) = feed.check_trades("book", PERIOD, schedule_wh, NO_VAR)
    assert (second.kind, second.rejected) == ("capped", (0,))
    assert chain.booked == {FAR: (6_000, 0), NEAR: (0, 6_000)}


def test_every_group_that_waits_is_judged_in_order(feed, market):
    for energy_wh in (10, 20, 30):
        sell(market, trade(MIDDLE, NEAR, energy_wh))
    verdicts = feed.check_trades("book", PERIOD, QUIET, NO_VAR)
    assert [verdict.round for verdict in verdicts] == [0, 1, 2]
    assert [number for number, *_ in market.verdicts] == [0, 1, 2]
    assert feed.check_trades("book", PERIOD, QUIET, NO_VAR) == []


def test_the_report_of_a_group_holds_what_it_takes_to_judge_again(feed, chain, market, tmp_path):
    chain.booked = {MIDDLE: (7, 0), NEAR: (0, 7)}
    sell(market, trade(FAR, NEAR, 12_400))
    (verdict,) = feed.check_trades("book", PERIOD, SUNNY, NO_VAR)
    report = (tmp_path / "out" / f"{PERIOD}-book-0.json").read_bytes()
    assert keccak(report) == verdict.report_hash == market.verdicts[0][2]
    facts = json.loads(report)
    assert facts["trades"] == [[FAR, NEAR, 12_400, PRICE]]
    assert facts["booked_wh"] == {str(MIDDLE): [7, 0], str(NEAR): [0, 7]}
    assert facts["positions_wh"] == {str(MIDDLE): 7, str(NEAR): -12_407, str(FAR): 12_400}
    assert facts["rejected"] == [0]
    assert facts["schedule_wh"] == SUNNY.tolist()


# --- what flows without a trade ------------------------------------------------------------------


def test_a_schedule_inside_its_limits_posts_nothing(feed, chain):
    assert feed.check_schedule(PERIOD, QUIET, NO_VAR) is None
    assert chain.posts == []


def test_a_residual_that_breaks_limits_is_capped_once(feed, chain):
    verdict = feed.check_schedule(PERIOD, SUNNY, NO_VAR)
    assert (verdict.kind, verdict.market) == ("capped", "schedule")
    assert chain.caps(PERIOD) == verdict.caps != {}
    assert chain.posts == [("schedule", PERIOD, 0, b"", verdict.report_hash)]
    assert feed.check_schedule(PERIOD, SUNNY, NO_VAR) is None, "the caps in force suffice"


def test_after_the_verdict_on_trades_nothing_is_left_to_cap(feed, chain, market):
    sell(market, trade(FAR, NEAR, 100))
    feed.check_trades("book", PERIOD, SUNNY, NO_VAR)
    assert feed.check_schedule(PERIOD, SUNNY, NO_VAR) is None


# --- killed at any instant -----------------------------------------------------------------------

CALLS = ("booked_wh", "caps", "cap_schedule"), ("judged", "sealed", "judge"), ("prepare", "confirm")


def test_killed_at_every_instant_each_group_has_one_verdict(network, tmp_path):
    def scene():
        chain = TradeChain()
        market = TradeMarket(chain)
        sell(market, trade(MIDDLE, NEAR, 10))
        sell(market, trade(FAR, MIDDLE, 4_900), trade(FAR, NEAR, 7_500))
        return chain, market

    def run(name, clock, chain, market):
        port, trades = Killing(clock, chain, CALLS[0]), Killing(clock, market, CALLS[1])
        with Journal(tmp_path / f"{name}.sqlite") as journal:
            outbox = Killing(clock, journal, CALLS[2])
            feed = feed_on(network, port, outbox, trades, tmp_path / name)
            feed.resume()
            feed.check_trades("book", PERIOD, SUNNY, NO_VAR)
            feed.check_schedule(PERIOD, SUNNY, NO_VAR)

    undisturbed, clock = scene(), DeathClock(0, raise_killed)
    run("undisturbed", clock, *undisturbed)
    assert [rejected for _, rejected, _ in undisturbed[1].verdicts] == [(), (1,)]
    assert clock.instants > 15
    for instant in range(1, clock.instants + 1):
        chain, market = scene()
        with pytest.raises(Killed):
            run(str(instant), DeathClock(instant, raise_killed), chain, market)
        run(str(instant), DeathClock(0, raise_killed), chain, market)
        assert market.verdicts == undisturbed[1].verdicts, "the same reports, each once"
        assert chain.booked == undisturbed[0].booked
        assert chain.posts == []


def test_a_cap_on_the_schedule_killed_at_every_instant_is_posted_once(network, tmp_path):
    def run(name, clock, chain):
        port = Killing(clock, chain, CALLS[0])
        with Journal(tmp_path / f"{name}.sqlite") as journal:
            outbox = Killing(clock, journal, CALLS[2])
            feed = feed_on(network, port, outbox, TradeMarket(chain), tmp_path / name)
            feed.resume()
            feed.check_schedule(PERIOD, SUNNY, NO_VAR)

    undisturbed, clock = TradeChain(), DeathClock(0, raise_killed)
    run("undisturbed", clock, undisturbed)
    assert len(undisturbed.posts) == 1
    for instant in range(1, clock.instants + 1):
        chain = TradeChain()
        with pytest.raises(Killed):
            run(str(instant), DeathClock(instant, raise_killed), chain)
        run(str(instant), DeathClock(0, raise_killed), chain)
        assert chain.posts == undisturbed.posts
