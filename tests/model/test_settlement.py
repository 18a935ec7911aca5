"""The reference settlement against hand-worked statements of account."""

import numpy as np
import pytest

from gridbourse.model.caps import NO_CAP
from gridbourse.model.settlement import (
    Prices,
    estimate_wh,
    hold_micro_eur,
    settle,
    usable,
    without_market,
)

PRICES = Prices(retail=300, feed_in=80, import_fee=60, local_fee=20, export_fee=5)


def array(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize(
    ("case", "reading", "contract", "cap", "supplier", "dso"),
    [
        ("delivers what it sold", 1_000, 1_000, NO_CAP, 0, 0),
        ("consumes what it bought", -1_000, -1_000, NO_CAP, 0, 1_000 * 20),
        ("has no contract and consumes", -1_000, 0, NO_CAP, 1_000 * 300, 1_000 * 60),
        ("has no contract and injects", 1_000, 0, NO_CAP, -1_000 * 80, 1_000 * 5),
        ("consumes beyond what it bought", -1_500, -1_000, NO_CAP, 500 * 300, 50_000),
        ("consumes less than it bought", -600, -1_000, NO_CAP, -400 * 80, 600 * 20),
        ("injects although it bought", 200, -1_000, NO_CAP, -1_200 * 80, 200 * 5),
        ("injects beyond what it sold", 1_500, 1_000, NO_CAP, -500 * 80, 500 * 5),
        ("injects less than it sold", 600, 1_000, NO_CAP, 400 * 300, 400 * 60),
        ("consumes although it sold", -200, 1_000, NO_CAP, 1_200 * 300, 1_200 * 60),
        ("injects above its cap", 1_500, 1_000, 1_200, -200 * 80, 200 * 5),
        ("sold above what a later cap lets through", 1_500, 1_000, 700, 300 * 300, 300 * 60),
        ("is capped to nothing", 1_500, 0, 0, 0, 0),
        ("neither trades nor draws", 0, 0, NO_CAP, 0, 0),
    ],
)
def test_statement_of_account(case, reading, contract, cap, supplier, dso):
    charges = settle(array(reading), array(contract), array(cap), PRICES)

    assert (int(charges.supplier[0]), int(charges.dso[0])) == (supplier, dso), case
    assert int(charges.delta[0]) == -supplier - dso, case


def test_each_participant_pays_the_fees_of_its_own_zone():
    zonal = Prices(300, 80, array(60, 50), array(20, 10), array(5, 0))

    charges = settle(array(-900, -900), array(-500, -500), array(NO_CAP, NO_CAP), zonal)

    assert charges.import_fee.tolist() == [400 * 60, 400 * 50]
    assert charges.local_fee.tolist() == [500 * 20, 500 * 10]


def test_without_a_market_everything_is_the_suppliers():
    charges = without_market(array(-900, 700), PRICES)

    assert charges.supplier.tolist() == [900 * 300, -700 * 80]
    assert charges.dso.tolist() == [900 * 60, 700 * 5]


def test_a_hold_backs_retail_price_and_fee_until_settlement():
    assert hold_micro_eur(array(1_000, 0), hold_rate=360).tolist() == [360_000, 0]


@pytest.mark.parametrize(
    ("case", "contract", "permille", "estimate"),
    [
        ("sold, and is silent", 6_000, 1_000, -25_000),
        ("bought, and is silent", -2_500, 1_000, -25_000),
        ("bought more than a mild estimate", -2_500, 37, -2_500),
        ("bought less than a mild estimate", -900, 37, -925),
        ("sold, and nothing is estimated", 6_000, 0, 0),
        ("bought, and nothing is estimated", -900, 0, -900),
    ],
)
def test_silence_pays_nobody(case, contract, permille, estimate):
    assert estimate_wh(array(contract), array(25_000), permille).tolist() == [estimate], case


def test_an_estimate_is_rounded_towards_zero():
    assert estimate_wh(array(0), array(1_999), 500).tolist() == [-999]


def test_a_connection_carries_its_capacity_either_way_and_no_more():
    readings = array(25_000, -25_000, 25_001, -25_001, 0)
    assert usable(readings, array(25_000)).tolist() == [True, True, False, False, True]
