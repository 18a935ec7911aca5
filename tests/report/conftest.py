"""Fixtures of the report's tests."""

import pytest

from gridbourse.report.record import RunRecord
from tests.report.report_records import hand_record


@pytest.fixture
def record() -> RunRecord:
    return hand_record()
