"""Named baseline methods as data, each with its source and with the deviations made here.

Consumption counts as in the rule books, "high" meaning much withdrawn, while readings are
net with + = injects as everywhere else.
"""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from gridbourse.model.flexibility.baseline.days import DayKind
from gridbourse.model.flexibility.baseline.errors import ImpossibleMethod

HOUR = 3600
QUARTER_HOUR = 900
FREE = frozenset({DayKind.SATURDAY, DayKind.SUNDAY})


@dataclass(frozen=True)
class Window:
    """`seconds` of elapsed time, `gap_seconds` away from the event."""

    seconds: int
    gap_seconds: int

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.gap_seconds < 0:
            raise ImpossibleMethod(f"window: {self} must be longer than 0 and not inside the event")


class Fit(Enum):
    """Fit of a baseline to the same day's readings."""

    ADD = "add"
    """Every period moves by the mean difference in the window."""
    SCALE = "scale"
    """Every period is multiplied by the ratio of the sums in the window, unless the usual sum is zero.
    Window, day and event have one sign: a ratio of opposite signs says nothing."""


@dataclass(frozen=True)
class Adjustment:
    """Same-day adjustment: the window before the event says how this day differs.

    cap: the most the event's total may change, as a share of it; None: any amount.
    """

    fit: Fit
    window: Window
    cap: Fraction | None

    def __post_init__(self) -> None:
        if self.cap is not None and self.cap < 0:
            raise ImpossibleMethod(f"adjustment: cap {self.cap} must not be negative")


@dataclass(frozen=True)
class Choice:
    """Choice for events on days of these kinds: the `highest` of the `of` newest, of `least` or more."""

    kinds: frozenset[DayKind]
    highest: int
    of: int
    least: int

    def __post_init__(self) -> None:
        if not 1 <= self.highest <= self.of or not 1 <= self.least <= self.of:
            raise ImpossibleMethod(
                f"choice: highest {self.highest} and least {self.least} must lie in 1..{self.of}"
            )


@dataclass(frozen=True)
class XOfY:
    """The mean of the X days of highest use among the Y newest eligible days.

    Eligible is a day of the same choice in the `lookback_days` before the event, without an event of
    the point, with every reading that is used. Use is what was withdrawn in the event's hours.
    low_use: a day that used less than this share of the mean of the Y gives way to the next.
    """

    name: str
    choices: tuple[Choice, ...]
    lookback_days: int
    low_use: Fraction | None
    adjustment: Adjustment | None

    def choice(self, kind: DayKind) -> Choice:
        """The choice for events on such a day."""
        for choice in self.choices:
            if kind in choice.kinds:
                return choice
        raise ImpossibleMethod(f"{self.name}: has no choice of days for a {kind.value} day")


@dataclass(frozen=True)
class SameDay:
    """The mean of the readings around the event: before it, or on both sides."""

    name: str
    before: Window
    after: Window | None


@dataclass(frozen=True)
class Declared:
    """Schedule that the participant declared, `lead_seconds` before the event begins or earlier."""

    name: str
    lead_seconds: int


Method = XOfY | SameDay | Declared

PJM_HIGH_4_OF_5 = XOfY(
    name="pjm-high-4-of-5",
    choices=(
        Choice(frozenset({DayKind.WORKING}), highest=4, of=5, least=4),
        Choice(frozenset({DayKind.SATURDAY}), highest=2, of=3, least=2),
        Choice(frozenset({DayKind.SUNDAY}), highest=2, of=3, least=2),
    ),
    lookback_days=45,
    low_use=Fraction(1, 4),
    adjustment=Adjustment(Fit.ADD, Window(3 * HOUR, HOUR), cap=None),
)
"""PJM Operating Agreement, Schedule 1, 3.3A, and Manual 11, 10.4.2, Customer Baseline Load, with the
Symmetric Additive Adjustment. Here event days never replace days that are missing.
"""

CAISO_10_OF_10 = XOfY(
    name="caiso-10-of-10",
    choices=(
        Choice(frozenset({DayKind.WORKING}), highest=10, of=10, least=5),
        Choice(FREE, highest=4, of=4, least=4),
    ),
    lookback_days=45,
    low_use=None,
    adjustment=Adjustment(Fit.SCALE, Window(3 * HOUR, HOUR), cap=Fraction(1, 5)),
)
"""CAISO Fifth Replacement Tariff, 4.13.4, ten-in-ten methodology, with the same-day adjustment of 20 %
either way. Here event days never replace days that are missing. No baseline is made for a point that
on the whole injects in one of window, day and event and withdraws in another
(`OppositeSigns`): the ratio would change its sign. From memory, not verified: the tariff's baselines are of
demand, and generation behind the meter is measured apart (meter generator output) or left out.
Methods that add, or a declared schedule, are for such points.
"""

NYISO_HIGH_5_OF_10 = XOfY(
    name="nyiso-high-5-of-10",
    choices=(
        Choice(frozenset({DayKind.WORKING}), highest=5, of=10, least=5),
        Choice(frozenset({DayKind.SATURDAY}), highest=2, of=3, least=2),
        Choice(frozenset({DayKind.SUNDAY}), highest=2, of=3, least=2),
    ),
    lookback_days=30,
    low_use=Fraction(1, 4),
    adjustment=Adjustment(Fit.SCALE, Window(2 * HOUR, 2 * HOUR), cap=Fraction(1, 5)),
)
"""NYISO Manual 7, Emergency Demand Response Program, customer baseline load: average day, with the
elective in-day adjustment. Here its window ends 2 hours before the event, whenever that was notified.
With ratios of opposite signs no baseline is made, as for CAISO; from memory, not verified: the manual's
baseline is of load, with generation behind the meter metered by itself.
"""

METER_BEFORE_METER_AFTER = SameDay(
    name="meter-before-meter-after", before=Window(QUARTER_HOUR, 0), after=None
)
"""NAESB Business Practice Standards REQ.13.3.4.2 and WEQ-015 (adopted in FERC Order 676-F, 131 FERC
61,022). The time before deployment is the system operator's to prescribe; here, a quarter of an hour.
"""

PJM_SAME_DAY_3_PLUS_2 = SameDay(
    name="pjm-same-day-3-plus-2",
    before=Window(3 * HOUR, HOUR),
    after=Window(2 * HOUR, HOUR),
)
"""PJM Manual 11, Same Day (3+2): three hours before and two after the event, an hour away from it."""

DECLARED_SCHEDULE = Declared(name="declared-schedule", lead_seconds=HOUR)
"""Balancing and Settlement Code (GB), Section Q3, Physical Notifications: the schedule in force at gate
closure, here an hour before the event.
"""

METHODS: tuple[Method, ...] = (
    PJM_HIGH_4_OF_5,
    CAISO_10_OF_10,
    NYISO_HIGH_5_OF_10,
    METER_BEFORE_METER_AFTER,
    PJM_SAME_DAY_3_PLUS_2,
    DECLARED_SCHEDULE,
)

NUMBERED: tuple[Method, ...] = (
    DECLARED_SCHEDULE,
    PJM_HIGH_4_OF_5,
    CAISO_10_OF_10,
    NYISO_HIGH_5_OF_10,
    METER_BEFORE_METER_AFTER,
    PJM_SAME_DAY_3_PLUS_2,
)
"""Methods by the number a product uses. Only ever appended to: products are never changed."""


def numbered(number: int) -> Method:
    """The method of a number; ImpossibleMethod where there is none."""
    if not 0 <= number < len(NUMBERED):
        raise ImpossibleMethod(f"method: {number} is not in 0..{len(NUMBERED) - 1}")
    return NUMBERED[number]
