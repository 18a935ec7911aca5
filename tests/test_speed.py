"""No test depends on how fast the machine is."""

import re
from pathlib import Path

from hypothesis import HealthCheck, settings

from gridbourse.chain.node.compiler import CHECKOUT
from tests.guard import GUARD_S

OURS = Path(__file__)
SUITES = {
    path: path.read_text(encoding="utf-8")
    for path in (CHECKOUT / "tests").rglob("*.py")
    if path not in (OURS, CHECKOUT / "tests" / "conftest.py")
}


def test_one_profile_for_every_suite() -> None:
    assert settings.default is not None
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check
    own = [
        path.name
        for path, text in SUITES.items()
        if re.search(r"settings\([^)]*deadline=|too_slow", text)
    ]
    assert own == [], "the profile in tests/conftest.py has it"


def test_a_limit_of_time_is_a_guard_and_nothing_else() -> None:
    """Whoever waits for a process or an answer gives it GUARD_S."""
    assert GUARD_S >= 300
    short = {
        path.name: found
        for path, text in SUITES.items()
        if (found := re.findall(r"\b(?:timeout|within_s)=\s*\d[\d.]*|monotonic\(\) \+ \d+", text))
    }
    assert short == {"test_devnet.py": ["within_s=0.2"]}, "where that it has not ended is the point"
