"""What a bill is compared with: nobody is listed as a winner of what was taken from it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridbourse.agents.plant import Plant
from gridbourse.deployment.participants import Membership
from gridbourse.grid.network import Network
from gridbourse.model.caps import NO_CAP, Caps
from gridbourse.scenario.scenario import load
from replay.accounting import Accounts
from replay.markets.market import Trading
from replay.period_walk import PeriodResult
from tests.scenario import miniature

A1_W, FEED_IN = 4_400, 80
A1_WH = A1_W // 4
SELLER, BUYER = 8, 9
B1_WH = 750


def accounts(folder: Path, **traded: object) -> tuple[Accounts, PeriodResult]:
    """A1 exports 1,100 Wh and is capped by all of it; B1 draws 750 Wh. Nothing is compensated."""
    scenario = load(miniature.write(folder))
    plant = Plant.of(scenario, Network.load(scenario.grid_file, scenario.points))
    table = pd.DataFrame(
        {"number": [SELLER, BUYER], "account": ["", ""], "at": [0, 1], "zone": ["LV.A", "LV.B"]},
        index=["A1", "B1"],
    )
    period = scenario.first_period
    caps = Caps(*np.array([[0, NO_CAP], [NO_CAP, NO_CAP]]))
    delivery = plant.deliver(period, caps)
    columns = [
        "period", "point_id", "number", "route", "side", "wh", "price_micro_eur_per_wh",
        "fill_wh", "rejected_wh", "paid_micro_eur",
    ]  # fmt: skip
    fields = {"contracts_wh": np.zeros(2, dtype=np.int64), "payments_micro_eur": {}} | traded
    trading = Trading(
        kind="call_auction", orders=pd.DataFrame(columns=columns, dtype="int64"), verdicts=[], fallback=False,
        matched_wh=0, paid_micro_eur=0, **fields,
    )  # fmt: skip
    result = PeriodResult(period, [trading], caps)
    result.delivery, result.metered_wh = delivery, delivery.readings_wh
    return Accounts(scenario, Membership(table), plant), result


def test_who_is_capped_by_all_it_has_is_not_shown_a_gain_of_zero(tmp_path: Path) -> None:
    books, result = accounts(tmp_path)
    books.add(result)
    a1 = books.people.loc["A1"]
    assert a1["curtailed_wh"] == A1_WH
    assert a1["bill_micro_eur"] == 0
    assert a1["no_market_micro_eur"] == A1_WH * FEED_IN
    assert a1["no_market_capped_micro_eur"] == 0


def test_who_is_not_capped_has_one_bill_without_a_market(tmp_path: Path) -> None:
    books, result = accounts(tmp_path)
    books.add(result)
    b1 = books.people.loc["B1"]
    assert b1["no_market_micro_eur"] == b1["no_market_capped_micro_eur"] == -B1_WH * (300 + 95)


@pytest.mark.parametrize("gained", [50_000, A1_WH * FEED_IN + 1])
def test_a_gain_by_trading_is_less_what_curtailment_took(tmp_path: Path, gained: int) -> None:
    """P0048 of the demo lost 11.17 EUR of its PV and was listed as a winner."""
    books, result = accounts(tmp_path, payments_micro_eur={SELLER: gained, BUYER: -gained})
    books.add(result)
    a1 = books.people.loc["A1"]
    gain = a1["bill_micro_eur"] - a1["no_market_micro_eur"]
    assert gain == gained - A1_WH * FEED_IN
    assert (gain > 0) == (gained > A1_WH * FEED_IN)


def test_an_import_cap_makes_nobody_a_winner(tmp_path: Path) -> None:
    """Who may not draw saves the retail price, and has no energy."""
    books, result = accounts(tmp_path)
    caps = Caps(*np.array([[NO_CAP, NO_CAP], [NO_CAP, 0]]))
    result.caps = caps
    result.delivery = books.plant.deliver(result.period, caps)
    result.metered_wh = result.delivery.readings_wh
    books.add(result)
    b1 = books.people.loc["B1"]
    assert b1["curtailed_wh"] == B1_WH
    assert (
        b1["bill_micro_eur"] == b1["no_market_micro_eur"] == b1["no_market_capped_micro_eur"] == 0
    )


def test_sold_curtailment_is_no_cap(tmp_path: Path) -> None:
    """Without a market nobody buys it: the bill without one has the energy; no cap took it."""
    books, result = accounts(tmp_path)
    result.caps = Caps.none(2)
    result.delivery = books.plant.deliver(
        result.period, result.caps, Caps(*np.array([[100, NO_CAP], [NO_CAP, NO_CAP]]))
    )
    result.metered_wh = result.delivery.readings_wh
    books.add(result)
    a1 = books.people.loc["A1"]
    assert result.metered_wh[0] == 100
    assert a1["curtailed_wh"] == 0
    assert a1["no_market_micro_eur"] == a1["no_market_capped_micro_eur"] == A1_WH * FEED_IN
    assert a1["bill_micro_eur"] == 100 * FEED_IN
