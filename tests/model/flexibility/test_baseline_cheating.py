"""What a cheater may do in `benchmarks.baseline_gaming`: within comfort, and no energy from nowhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.baseline_gaming import found_wh, outcomes
from benchmarks.cheating import FLEXIBLE, Cheat, strategies
from gridbourse.model.flexibility.baseline.compute import baseline
from gridbourse.model.flexibility.baseline.methods import (
    CAISO_10_OF_10,
    PJM_HIGH_4_OF_5,
    PJM_SAME_DAY_3_PLUS_2,
)
from tests.model.flexibility.habits import FRIDAY, before, evidence

METHODS = [PJM_HIGH_4_OF_5, CAISO_10_OF_10, PJM_SAME_DAY_3_PLUS_2]
a_day = st.lists(st.integers(-300, 2_000), min_size=24, max_size=24)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@settings(max_examples=25)
@given(uses=st.lists(a_day, min_size=10, max_size=10))
def test_a_cheat_stays_within_comfort_and_pays_for_what_it_burns(method, uses):
    there = evidence(dict(zip(before(FRIDAY, *range(10)), uses, strict=True)))
    if found_wh(method, there) is None:
        return
    honest = baseline(method, there)
    event = [period - there.readings.first_period for period in there.event]

    for strategy in strategies(method):
        cheat = Cheat.of(there, method, strategy, honest)
        changed = cheat.net_wh - there.readings.wh

        assert int(changed.sum()) == -cheat.burnt_wh
        assert strategy.moved <= (cheat.burnt_wh == 0)
        assert not changed[event].any()
        for day in there.days:
            places = np.array(day.periods) - there.readings.first_period
            withdrawn = np.maximum(-there.readings.wh[places], 0)
            assert np.abs(changed[places]).max() <= FLEXIBLE * int(withdrawn.sum()) / 24
            assert (changed[places] <= withdrawn).all()
            if strategy.moved:
                assert changed[places].sum() == 0


def test_moving_energy_into_the_window_is_found_as_delivery_by_hand():
    """Uses 240 in every hour, so it may move 48. Its window then shows 288, and so does the event."""
    there = evidence(dict.fromkeys(before(FRIDAY, *range(10)), 240))
    found = {o.strategy: (o.found_wh, o.burnt_wh) for o in outcomes(PJM_SAME_DAY_3_PLUS_2, there)}

    assert found == {
        "nothing: the method's own error": (0, 0),
        "move into the window of the day": (2 * 48, 0),
        "burn in the window of the day": (2 * 48, 5 * 48),
    }
