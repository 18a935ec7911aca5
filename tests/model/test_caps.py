"""Caps of metering points."""

import numpy as np

from gridbourse.model.caps import NO_CAP, Caps


def array(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_a_cap_binds_its_own_direction_only():
    caps = Caps(export_cap_wh=array(100, NO_CAP, 0), import_cap_wh=array(NO_CAP, 50, NO_CAP))

    assert caps.clip(array(300, 300, 300)).tolist() == [100, 300, 0]
    assert caps.clip(array(-300, -300, -300)).tolist() == [-300, -50, -300]
    assert caps.binding.tolist() == [True, True, True]


def test_no_cap_changes_nothing():
    none = Caps.none(2)

    assert none.clip(array(NO_CAP, -NO_CAP)).tolist() == [NO_CAP, -NO_CAP]
    assert not none.binding.any()


def test_caps_only_fall():
    first = Caps(array(100, 100), array(NO_CAP, 70))
    second = Caps(array(200, 50), array(30, NO_CAP))

    tightened = first.tightened(second)

    assert tightened.export_cap_wh.tolist() == [100, 50]
    assert tightened.import_cap_wh.tolist() == [30, 70]
