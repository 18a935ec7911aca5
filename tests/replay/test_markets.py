"""Every kind of market in a replay: the chain trades as the model, one set of accounts, one checker."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from gridbourse.agents.portfolios import Portfolios
from gridbourse.audit.check import check, start
from gridbourse.audit.core.events import Event
from gridbourse.audit.run_folder import load_run
from gridbourse.chain.bindings.order_book import OrderBook as OrderBookContract
from gridbourse.chain.node.connect import session
from gridbourse.model.trade import TradeWord
from gridbourse.report.markets import lives
from gridbourse.report.record import RunRecord
from gridbourse.scenario.scenario import load
from replay.markets.checked_trades import VenueError, require_same
from replay.run import replay
from tests.replay.markets import PERIODS, market_scenario

IMMEDIATE, KILLED = 1, 4  # Matching.Ending
MIXES: dict[str, tuple[str, ...]] = {
    "book": ("order_book", "over_the_counter"),
    "neighbours": ("bilateral",),
    "aggregators": ("aggregator_auction",),
    "all": (
        "call_auction",
        "order_book",
        "bilateral",
        "over_the_counter",
        "aggregator_auction",
    ),
}


@pytest.fixture(scope="module")
def run_of(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, str], tuple[RunRecord, Path]]:
    """A finished run of a mix on a network, each run once."""
    known: dict[tuple[str, str], tuple[RunRecord, Path]] = {}

    def run(mix: str, network: str = "devnet-child") -> tuple[RunRecord, Path]:
        if (mix, network) not in known:
            folder = tmp_path_factory.mktemp(mix)
            path, overrides = market_scenario(folder, *MIXES[mix])
            out = folder / "run"
            with session(network) as w3:
                about = {"file": str(path), "overrides": overrides}
                record = replay(w3, network, load(path, overrides), about, out).record
            known[mix, network] = record, out
        return known[mix, network]

    return run


@pytest.mark.parametrize("mix", MIXES)
def test_money_and_energy_add_up_and_something_trades(run_of, mix: str) -> None:
    record, _ = run_of(mix)
    assert (record.money_sum_micro_eur, record.energy_gap_wh) == (0, 0)
    assert len(record.periods) == PERIODS
    assert record.periods["matched_wh"].sum() > 0
    for market in set(MIXES[mix]) - {"call_auction"}:
        assert len(record.trades[record.trades["market"] == market]) > 0
    assert set(record.orders["market"]) == set(record.markets) == set(MIXES[mix])


@pytest.mark.parametrize("mix", MIXES)
def test_the_checker_finds_the_same_from_the_logs_alone(run_of, mix: str) -> None:
    _, out = run_of(mix)
    given = load_run(out)
    rebuilt = check(given, [load(given.scenario_file, given.overrides)])
    assert rebuilt.findings.differences == []
    assert rebuilt.findings.compared["position"] > 0


def test_a_position_is_the_sum_over_the_markets(run_of) -> None:
    record, out = run_of("all")
    state = json.loads((out / "state.json").read_text())
    numbers = record.participants["number"]
    booked = record.orders.groupby(["period", "point_id", "side"])["fill_wh"].sum()
    for period, positions in state["positions"]["0"].items():
        for point_id, number in numbers.items():
            sold, bought = positions.get(str(number), (0, 0))
            assert booked.get((int(period), point_id, "offer"), 0) == sold
            assert booked.get((int(period), point_id, "bid"), 0) == bought
    assert record.orders.groupby(["period", "point_id"])["market"].nunique().max() > 1


@pytest.mark.parametrize("mix", ["book", "neighbours"])
def test_trades_are_booked_or_rejected_and_orders_say_the_same(run_of, mix: str) -> None:
    record, _ = run_of(mix)
    trades, orders = record.trades, record.orders
    for rejected, column in ((False, "fill_wh"), (True, "rejected_wh")):
        some = trades[trades["rejected"] == rejected]
        for side, who in (("offer", "seller"), ("bid", "buyer")):
            by_order = orders[orders["side"] == side].groupby(["period", "market", "point_id"])[
                column
            ]
            by_trade = some.groupby(["period", "market", who])["wh"].sum()
            sums = by_order.sum()
            sums = sums[sums > 0]
            assert sums.to_dict() == by_trade.to_dict()
    traded = orders["fill_wh"] + orders["rejected_wh"]
    assert (traded <= orders["wh"]).all()
    assert (orders["delivered_wh"] <= orders["fill_wh"]).all()
    assert (orders["delivered_wh"] > 0).any()


def test_the_network_rejects_what_the_caps_leave_no_room_for(run_of) -> None:
    """The noon overloads the transformer, so sellers are capped below what they sold."""
    record, out = run_of("book")
    assert record.trades["rejected"].any()
    assert not record.trades["rejected"].all()
    judged = [json.loads(p.read_text()) for p in (out / "verdicts").glob("*-order_book-*.json")]
    assert any(facts["rejected"] for facts in judged)
    for facts in judged:
        assert len(facts["trades"]) <= 64
    kinds = {verdict["kind"] for verdict in record.verdicts}
    assert kinds <= {"accepted", "capped", "rejected"}
    assert "capped" in kinds


def test_prices_keep_to_the_limits_of_both_sides(run_of) -> None:
    record, _ = run_of("neighbours")
    limit = record.orders.set_index(["period", "point_id", "side"])["price_micro_eur_per_wh"]
    for trade in record.trades.itertuples():
        least = limit[trade.period, trade.seller, "offer"]
        most = limit[trade.period, trade.buyer, "bid"]
        assert trade.price_micro_eur_per_wh == (least + most) // 2
        assert least <= trade.price_micro_eur_per_wh <= most


def test_prosumers_trade_with_their_aggregator_within_its_limits(run_of) -> None:
    record, out = run_of("aggregators")
    (scenario_file, overrides) = json.loads((out / "scenario.json").read_text()).values()
    scenario = load(scenario_file, overrides)
    portfolios = Portfolios(scenario)
    own = {one.point: one for one in scenario.aggregators}
    limits = record.orders.set_index(["period", "point_id", "side"])["price_micro_eur_per_wh"]
    assert portfolios.mandated < set(portfolios.aggregator_of), "some contracts are without mandate"
    for trade in record.trades.itertuples():
        (aggregator,) = {trade.buyer, trade.seller} & own.keys()
        (prosumer,) = {trade.buyer, trade.seller} - own.keys()
        assert portfolios.aggregator_of.get(prosumer) in (None, own[aggregator])
        least = limits[trade.period, trade.seller, "offer"]
        most = limits[trade.period, trade.buyer, "bid"]
        assert least <= trade.price_micro_eur_per_wh <= most
        asked = least if prosumer == trade.seller else most
        assert trade.price_micro_eur_per_wh == asked, "pay-as-bid"
    assert {*record.trades["buyer"], *record.trades["seller"]} >= own.keys(), (
        "both kinds of auction"
    )


def test_sealed_answers_are_all_revealed_and_their_bonds_are_back(run_of) -> None:
    record, out = run_of("aggregators")
    gas = record.gas.set_index("step")["transactions"]
    assert gas["commit answer"] == gas["reveal answer"] > 0
    assert json.loads((out / "state.json").read_text())["balances"]["6"] == 0


def test_everybody_has_paid_its_subscription_to_the_operator(run_of) -> None:
    record, out = run_of("neighbours")
    paid = record.money.set_index("kind")["micro_eur"]["subscription"]
    assert paid == len(record.participants) * PERIODS * 1_000
    balances = json.loads((out / "state.json").read_text())["balances"]
    assert balances["3"] == paid


def test_a_private_deal_is_performed_and_its_margins_are_back(run_of) -> None:
    record, out = run_of("book")
    mine = record.trades[record.trades["market"] == "over_the_counter"]
    # It is the only one of two that is performed.
    assert (mine["wh"] == 40).all()
    assert (mine["price_micro_eur_per_wh"] == 130).all()
    assert len(mine) == PERIODS
    assert json.loads((out / "state.json").read_text())["balances"]["6"] == 0
    logs = (out / "logs.json").read_text()
    assert record.gas.set_index("step").loc["otc conclude", "transactions"] == 2
    assert logs.count('"logIndex"') > 0


def test_who_sells_its_connection_twice_is_in_default_and_pays_for_it(run_of) -> None:
    """Retail is 300 and the price 290: ten µEUR for each Wh the buyer has to buy from the supplier."""
    record, _ = run_of("book")
    orders = record.orders[record.orders["market"] == "over_the_counter"]
    in_default = orders[orders["fill_wh"] + orders["rejected_wh"] == 0]
    assert len(in_default) == 2 * PERIODS
    (wh,) = in_default["wh"].unique()
    paid = record.money.set_index("kind").loc["damages"]
    assert (paid["payer"], paid["payee"]) == ("participants", "participants")
    assert paid["micro_eur"] == 10 * wh * PERIODS
    told = lives(record)
    assert set(told.loc[told["wh"] == wh, "life"]) == {"a party in default"}


def happened(out: Path, contract: str) -> list[Event]:
    """What a contract's log tells, in order."""
    given = load_run(out)
    decoder, _ = start(given.deployment, given.rules)
    return [event for event in decoder.decode(given.logs) if event.contract == contract]


def test_what_is_rejected_between_two_rounds_is_free_and_may_be_ordered_again(run_of) -> None:
    _, out = run_of("book")
    rejected: set[tuple[int, int]] = set()
    waiting: list[TradeWord] = []
    again, judged, cancelled = 0, Counter(), None
    for event in happened(out, "OrderBook"):
        if event.name == "OrdersMatched":
            whose = (event["period"], event["taker"])
            again += whose in rejected and whose != cancelled
            waiting += map(TradeWord.unpack, event["trades"])
        elif event.name == "OrderRested":
            whose = (event["period"], event["participant"])
            again += whose in rejected and whose != cancelled  # else it has another price now
        elif event.name == "GroupSealed":
            group, waiting = waiting[: event["count"]], waiting[event["count"] :]
        elif event.name == "GroupDecided":
            judged[event["period"]] += 1
            for place, trade in enumerate(group):
                if event["rejected"] >> place & 1:
                    rejected |= {(event["period"], who) for who in (trade.seller, trade.buyer)}
        named = event.name == "OrderCancelled"
        cancelled = (event["period"], event["participant"]) if named else None
    assert min(judged.values()) >= 2, "not only at gate closure"
    assert rejected
    assert again > 0


def test_orders_that_never_rest_are_drawn_too(run_of) -> None:
    _, out = run_of("book")
    endings = Counter(e["ending"] for e in happened(out, "OrderBook") if e.name == "OrderKilled")
    assert endings[IMMEDIATE] > 0
    assert endings[KILLED] > 0


def test_what_was_promised_in_private_is_not_ordered_again(run_of) -> None:
    """The buyer's first order in the book is for what its deal leaves of its forecast."""
    record, out = run_of("book")
    (scenario_file, overrides) = json.loads((out / "scenario.json").read_text()).values()
    scenario = load(scenario_file, overrides)
    first = scenario.first_period
    deal = record.trades[record.trades["market"] == "over_the_counter"].iloc[0]
    forecast = dict(zip(scenario.points.index, scenario.forecast_wh(first), strict=True))
    book = record.orders[
        (record.orders["market"] == "order_book") & (record.orders["period"] == first)
    ]
    ordered = book[book["point_id"] == deal["buyer"]].iloc[0]
    assert ordered["wh"] == -forecast[deal["buyer"]] - 40


def test_the_same_on_both_chains(run_of) -> None:
    devnet, embedded = (run_of("book", network) for network in ("devnet-child", "embedded"))
    for table in ("orders", "trades", "periods", "participants", "money"):
        pd.testing.assert_frame_equal(getattr(devnet[0], table), getattr(embedded[0], table))
    states = [json.loads((out / "state.json").read_text()) for _, out in (devnet, embedded)]
    assert states[0] == states[1]


# --- the chain against the model -----------------------------------------------------------------


def test_a_chain_that_trades_otherwise_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One watt-hour more in a single order, behind the model's back."""
    honest = OrderBookContract.place_batch

    def more(self, gateway, period, orders):
        changed = [orders[0]._replace(wh=orders[0].wh + 1), *orders[1:]]
        return honest(self, gateway, period, changed)

    monkeypatch.setattr(OrderBookContract, "place_batch", more)
    path, overrides = market_scenario(tmp_path, "order_book")
    overrides["parties.own_share"], overrides["parties.signed_share"] = 0, 0
    with session("devnet-child") as w3, pytest.raises(VenueError, match="order_book, period"):
        replay(w3, "test", load(path, overrides), {}, tmp_path / "run")


def test_the_first_trade_that_differs_is_named() -> None:
    one, other = TradeWord(8, 9, 10, 100), TradeWord(8, 9, 11, 100)
    require_same("order_book", 7, [one, other], [one, other])
    with pytest.raises(VenueError, match=r"order_book, period 7, trade 1: TradeWord\(.*wh=11"):
        require_same("order_book", 7, [one, other], [one, one])
    with pytest.raises(VenueError, match="trade 1: None on the chain"):
        require_same("order_book", 7, [one], [one, other])
