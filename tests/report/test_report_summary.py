"""The summary against mental arithmetic (the figures stand in `hand_record`)."""

import json

import pandas as pd
import pytest

from gridbourse.report.record import RunRecord
from gridbourse.report.summary import summary
from tests.report.report_records import day_record, hand_record


def test_self_sufficiency_and_self_consumption(record: RunRecord) -> None:
    figures = summary(record)
    # Behind the meter 400 Wh; traded and metered on both sides 500 + min(800, 1000).
    assert figures["self_sufficiency"] == {"before": 400 / 2000, "after": 1700 / 2000}
    assert figures["self_consumption"] == {
        "before": pytest.approx(400 / 3000, abs=1e-6),
        "after": pytest.approx(1700 / 3000, abs=1e-6),
    }


def test_metered_trade_is_the_smaller_side_of_each_period() -> None:
    periods = hand_record().periods
    periods["local_bought_wh"] = [500, 0, 0]
    periods["local_sold_wh"] = [0, 500, 0]
    # Sums match, yet in no period did both sides happen.
    assert summary(hand_record(periods=periods))["self_sufficiency"]["after"] == 0.2


def test_counts_and_totals(record: RunRecord) -> None:
    figures = summary(record)
    assert figures["matched_wh"] == 1500
    assert figures["periods"] == 3
    assert figures["participants"] == 2
    assert figures["orders"] == 5
    assert figures["orders_by_side"] == {"bid": 3, "offer": 2}
    assert figures["orders_by_route"] == {"mandate": 2, "signed": 2, "own": 1}
    assert figures["verdicts"] == {"accepted": 2, "capped": 1, "fallback": 0}
    assert figures["curtailed_wh"] == 500
    assert figures["energy"]["export_wh"] == 90 + 1180
    assert figures["readings"] == 6
    assert figures["money_sum_microeur"] == 0
    assert figures["energy_gap_wh"] == 0


def test_prices_are_weighted_by_volume(record: RunRecord) -> None:
    # (100 x 500 + 200 x 1000) / 1500
    assert summary(record)["price_micro_eur_per_wh"] == {
        "trading_periods": 2, "min": 100, "median": 150.0, "mean": 166.667, "max": 200,
    }  # fmt: skip


def test_bills_gainers_and_fees(record: RunRecord) -> None:
    figures = summary(record)
    # S: 350,000 against 200,000 uncurtailed; caps took 40,000, of which 10,000 came back.
    assert figures["bills_micro_eur"] == {
        "with_market": 20_000, "no_market": -250_000, "no_market_capped": -290_000, "gain": 270_000,
        "by_market": 300_000, "curtailment": 40_000, "compensation": 10_000,
    }  # fmt: skip
    assert (figures["gainers"], figures["losers"], figures["unchanged"]) == (2, 0, 0)
    assert figures["fees_micro_eur"] == {"total": 30_000, "import_fee": 20_000, "local_fee": 10_000}
    people = record.participants.assign(no_market_micro_eur=[350_000, -300_000])
    changed = summary(hand_record(participants=people))
    assert (changed["gainers"], changed["losers"], changed["unchanged"]) == (0, 1, 1)


def test_hours_outside_limits_by_state(record: RunRecord) -> None:
    # Unchecked: undervoltage and overload in one period. Checked: on a limit is inside it.
    # Delivered: overvoltage in one, overload in the next, no power flow in the third.
    assert summary(record)["hours_outside_limits"] == {
        "unchecked": 0.25, "checked": 0.0, "delivered": 0.5,
    }  # fmt: skip


def test_gas_of_a_step_is_summed_and_divided(record: RunRecord) -> None:
    assert summary(record)["gas"] == {
        "submit": {"transactions": 2, "gas": 50_000, "units": 5, "per_unit": 10_000.0},
        "clear": {"transactions": 3, "gas": 240_000, "units": 0, "per_unit": None},
    }


def test_nothing_to_divide_by_is_none(record: RunRecord) -> None:
    dark = record.periods.assign(generation_wh=0, load_wh=0, self_used_wh=0, matched_wh=0)
    dark["price_micro_eur_per_wh"] = pd.array([None] * 3, dtype="Int64")
    figures = summary(hand_record(periods=dark))
    assert figures["self_consumption"] == {"before": None, "after": None}
    assert figures["self_sufficiency"] == {"before": None, "after": None}
    assert figures["price_micro_eur_per_wh"]["mean"] is None


def test_the_summary_is_plain_json(record: RunRecord) -> None:
    for run in (record, day_record()):
        figures = summary(run)
        assert json.loads(json.dumps(figures, allow_nan=False)) == figures
