"""The transport problem: what its proof lets through, and what it does not."""

from types import SimpleNamespace

import highspy
import pytest

from gridbourse.model.bilateral_matching import Route, transport
from gridbourse.model.errors import ModelError

ROUTES = [Route(0, 0, 5), Route(0, 1, 4), Route(1, 0, 3)]


def test_the_best_single_route_is_given_up_for_the_best_sum():
    # 5 alone would leave source 1 without a sink: 4 + 3 is worth more.
    assert transport([10, 10], [10, 10], ROUTES) == [0, 10, 10]


def test_flows_stay_within_supply_and_demand():
    assert transport([7, 4], [2, 3], ROUTES) == [2, 3, 0]


def test_no_route_no_flow():
    assert transport([1], [1], []) == []


@pytest.mark.parametrize(
    ("flows", "duals", "rule"),
    [
        ([0.0, 9.5, 10.0], [2.0, 1.0, 3.0, 2.0], "not in whole numbers"),
        ([0.0, 9.0, 10.0], [2.0, 0.0, 3.0, 2.0], "no optimum"),  # worth less than the dual
        ([10.0, 10.0, 0.0], [2.0, 0.0, 3.0, 2.0], "no optimum"),  # above the supply
        ([0.0, 10.0, 10.0], [4.0, 3.0, 0.0, 0.0], "no optimum"),  # a route outbids the dual
        ([-1.0, 11.0, 10.0], [2.0, 0.0, 3.0, 2.0], "no optimum"),
    ],
)
def test_an_answer_that_exact_arithmetic_does_not_confirm_is_refused(
    monkeypatch, flows, duals, rule
):
    answer = SimpleNamespace(col_value=flows, row_dual=duals)
    monkeypatch.setattr(highspy.Highs, "getSolution", lambda self: answer)

    with pytest.raises(ModelError, match=rule):
        transport([10, 10], [10, 10], ROUTES)
