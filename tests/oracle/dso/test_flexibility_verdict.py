"""The DSO's verdict on flexibility: which of it the grid bears, and that it is found and posted once."""

import json

import pytest
from eth_utils import keccak

from gridbourse.grid.limits import Limits
from gridbourse.model.trade import TradeWord
from oracle.common.errors import FeedError
from oracle.common.journal import Journal
from oracle.dso.feed import FLEXIBILITY, GridFeed
from tests.oracle.dso.fake_trades import TradeChain, TradeMarket
from tests.oracle.dso.feeders import MTU_SECONDS, NO_VAR, POINTS, feeder, wh
from tests.oracle.fake_chain import DeathClock, Killed, Killing, raise_killed

LIMITS = Limits(v_min_pu=0.9, v_max_pu=1.1, loading_max=1.0)
PERIOD = 1_600_000
DSO, TSO = 1, 7
NEAR, MIDDLE, FAR = 14, 19, 12
NUMBERS = {"near": NEAR, "middle": MIDDLE, "far": FAR}
SUNNY, OVERLOADED = wh(60, 20, 0, 0), wh(110, 20, 0, 0)


class FlexibilityChain(TradeMarket):
    """A market whose trades have house accounts on one side, and book nothing."""

    def moves(self, period, group):
        up = {TSO: 1, DSO: 1}
        return [
            (trade.seller, trade.wh) if trade.buyer in up else (trade.buyer, -trade.wh)
            for trade in group.trades
        ]

    def judge(self, period, group, rejected, caps, report_hash):
        booked = self._chain.booked
        sent = super().judge(period, group, rejected, caps, report_hash)
        self._chain.booked = booked
        return sent


def up(who: int, energy_wh: int, price: int, buyer: int = TSO) -> TradeWord:
    return TradeWord(who, buyer, energy_wh, price)


def down(who: int, energy_wh: int, price: int) -> TradeWord:
    return TradeWord(DSO, who, energy_wh, price)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return feeder(tmp_path_factory.mktemp("grid"))


@pytest.fixture
def chain():
    return TradeChain()


@pytest.fixture
def market(chain):
    return FlexibilityChain(chain, FLEXIBILITY)


def feed_on(network, port, journal, market, out):
    return GridFeed(
        port, journal, network, POINTS, NUMBERS, LIMITS, MTU_SECONDS, out, flexibility=market
    )


@pytest.fixture
def feed(network, chain, market, tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        yield feed_on(network, chain, journal, market, tmp_path / "out")


def sell(market, *trades):
    market.open += trades
    market.seal(PERIOD)


def test_cheapest_first_each_stays_that_leaves_the_grid_no_worse(feed, chain, market, tmp_path):
    """80 kW flow over 100 kVA: of 16 kW each the cheaper one stays, wherever it is in the group."""
    sell(market, up(MIDDLE, 4_000, 90), up(NEAR, 4_000, 20))
    (verdict,) = feed.check_flexibility(PERIOD, SUNNY, NO_VAR)
    assert (verdict.kind, verdict.rejected, verdict.market) == ("rejected", (0,), FLEXIBILITY)
    assert verdict.after is not None
    assert verdict.after.inside
    assert "4,000 Wh up of middle rejected: the grid does not bear it" in verdict.explanation
    assert market.verdicts == [(0, (0,), verdict.report_hash)]
    assert chain.booked == {}, "nothing is booked before it is delivered"
    saved = (tmp_path / "out" / f"{PERIOD}-{FLEXIBILITY}-0.json").read_bytes()
    assert keccak(saved) == verdict.report_hash
    assert json.loads(saved)["moves"] == [[MIDDLE, 4_000], [NEAR, 4_000]]


def test_relief_stays_though_it_is_not_enough(feed, market):
    sell(market, down(NEAR, 4_000, 50))
    (verdict,) = feed.check_flexibility(PERIOD, OVERLOADED, NO_VAR)
    assert (verdict.kind, verdict.rejected) == ("accepted", ())
    assert verdict.before is not None
    assert verdict.after is not None
    assert verdict.after.loading_max < verdict.before.loading_max
    assert not verdict.after.inside
    sell(market, up(MIDDLE, 400, 10))
    (worse,) = feed.check_flexibility(PERIOD, OVERLOADED, NO_VAR)
    assert worse.rejected == (0,)


def test_what_was_let_through_counts_as_flowing(feed, chain, market):
    """Without the purchase the schedule has to be capped, with it there is nothing to cap."""
    assert feed.check_schedule(PERIOD + 1, OVERLOADED, NO_VAR) is not None
    sell(market, down(NEAR, 9_000, 50))
    (verdict,) = feed.check_flexibility(PERIOD, OVERLOADED, NO_VAR)
    assert verdict.after is not None
    assert verdict.after.inside
    assert feed.moved_wh(PERIOD).tolist() == [-9_000, 0, 0, 0]
    assert feed.check_schedule(PERIOD, OVERLOADED, NO_VAR) is None
    assert feed.moved_wh(PERIOD + 1).tolist() == [0, 0, 0, 0]


def test_a_feed_without_such_a_market_says_so(network, chain, tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        feed = GridFeed(
            chain, journal, network, POINTS, NUMBERS, LIMITS, MTU_SECONDS, tmp_path / "out"
        )
        with pytest.raises(FeedError, match="no such market"):
            feed.check_flexibility(PERIOD, SUNNY, NO_VAR)


def test_a_restarted_feed_posts_the_verdict_it_found(network, chain, market, tmp_path):
    """Killed at any instant: in the end each group has one verdict, the first that was found."""
    sell(market, up(MIDDLE, 4_000, 90), up(NEAR, 4_000, 20))
    for instant in range(1, 40):
        clock = DeathClock(instant, raise_killed)
        with Journal(tmp_path / "journal.sqlite") as journal:
            feed = feed_on(
                network, chain, Killing(clock, journal, ("prepare", "confirm")),
                Killing(clock, market, ("judge",)), tmp_path / "out",
            )  # fmt: skip
            try:
                feed.check_flexibility(PERIOD, SUNNY, NO_VAR)
            except Killed:
                continue
            break
    assert instant > 1
    assert [rejected for _, rejected, _ in market.verdicts] == [(0,)]
    with Journal(tmp_path / "journal.sqlite") as journal:
        feed = feed_on(network, chain, journal, market, tmp_path / "out")
        assert feed.check_flexibility(PERIOD, SUNNY, NO_VAR) == []
        assert feed.moved_wh(PERIOD).tolist() == [4_000, 0, 0, 0]
