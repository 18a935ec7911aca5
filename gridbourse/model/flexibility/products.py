"""Products of the flexibility market, as data: a new one needs no new code.

Local products are defined here ([Talari-nd] §3.2: congestion and voltage, bought by DSO, TSO and small
customers). Reserves are those a Nordic TSO buys ([Khajeh2022] §1.5, §2.4), with the figures of the rule
books named beside each. None of these rule books was at hand: figures and titles
are from memory, in parts simplified as stated at each product, and must be compared with the edition in
force before anything is sold by them. A minimum bid is a power: in a delivery period it is that power
times its length.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from gridbourse.model.errors import ModelError
from gridbourse.model.flexibility.baseline.methods import (
    DECLARED_SCHEDULE,
    METHODS,
    PJM_HIGH_4_OF_5,
    Method,
)

QUARTER_HOUR = 900
EVIDENCE_ONLY = 255
"""Method of a product that no baseline of readings proves: the evidence itself states the delivery."""
_OF_READINGS = [method for method in METHODS if method is not DECLARED_SCHEDULE]
BASELINES: dict[int, Method] = dict(enumerate([DECLARED_SCHEDULE, *_OF_READINGS]))
"""Baseline methods by their number on the chain; see `baseline.methods`."""


class Way(IntEnum):
    """Direction of flexibility, as the chain numbers it."""

    UP = 1
    """Inject more or withdraw less."""
    DOWN = 2
    """Inject less or withdraw more."""
    BOTH = 3
    """Either, as needed: of symmetric products."""


class Buyers(IntFlag):
    """Buyers that may request a product."""

    DSO = 1
    TSO = 2
    PARTICIPANTS = 4


class ProductError(ModelError):
    """Product outside the rules."""


@dataclass(frozen=True)
class Product:
    """Product; the fields of `Product` in IFlexibility.sol, except the power of the minimum bid.

    evidence_seconds: resolution evidence must have; at a delivery period or more the meter suffices.
    method: of `BASELINES`, or EVIDENCE_ONLY. penalty_percent: of the price for each Wh of shortfall; by
    a declared schedule for each Wh off it. compensation: between buyer and supplier, µEUR/Wh moved;
    downwards it counts in bond and penalty as well, and against declared schedules it must be at least
    the household price of energy (`gridbourse.model.flexibility.market.require_truthful`).
    """

    name: str
    directions: Way
    buyers: Buyers
    full_activation_seconds: int
    duration_seconds: int
    evidence_seconds: int
    method: int
    penalty_percent: int
    symmetric: bool = False
    reactive: bool = False
    minimum_bid_w: int = 0
    compensation_micro_eur_per_wh: int = 0

    def metered(self, mtu_seconds: int) -> bool:
        """True where the meter's own readings prove it, so that it moves energy positions."""
        return not self.reactive and self.evidence_seconds >= mtu_seconds

    def minimum_bid_wh(self, mtu_seconds: int) -> int:
        """Least offer in a delivery period, Wh; varh for reactive power."""
        return -(-self.minimum_bid_w * mtu_seconds // 3600)

    @property
    def declared(self) -> bool:
        """True where the baseline is the schedule each participant declares."""
        return BASELINES.get(self.method) is DECLARED_SCHEDULE

    def require_sound(self, mtu_seconds: int) -> None:
        """ProductError where `FlexibilityProducts.add` would refuse it."""
        metered = self.metered(mtu_seconds)
        for bad, rule in (
            (not 1 <= self.buyers <= 7, "needs a buyer"),
            (self.evidence_seconds < 1, "needs evidence of some resolution"),
            (self.symmetric and metered, "one reading cannot show both directions"),
            (self.symmetric and self.directions != Way.BOTH, "symmetric goes both ways"),
            (not metered and self.declared, "no reading proves it against a schedule"),
            (
                not metered and self.compensation_micro_eur_per_wh != 0,
                "moves no energy to compensate",
            ),
            (
                self.declared and self.penalty_percent == 0,
                "a schedule without penalty proves nothing",
            ),
        ):
            if bad:
                raise ProductError(f"product {self.name}: {rule}")


def _number(method: Method) -> int:
    return next(number for number, each in BASELINES.items() if each is method)


CONGESTION = Product(
    name="congestion", directions=Way.BOTH, buyers=Buyers.DSO | Buyers.TSO | Buyers.PARTICIPANTS,
    full_activation_seconds=300, duration_seconds=QUARTER_HOUR, evidence_seconds=QUARTER_HOUR,
    method=0, penalty_percent=200, compensation_micro_eur_per_wh=395,
)  # fmt: skip
"""Local congestion relief ([Talari-nd] §3.2) against declared schedules: with twice the price on every Wh off
the schedule two of three offers are called, and no false schedule pays. The compensation is the
household price of energy in the scenarios: 300 µEUR/Wh and a fee of 95; elsewhere it is another.
A buyer gives each direction its own product if the supplier would pay too much of it upwards, where energy
is worth less to it."""

CONGESTION_METERED = Product(
    name="congestion-metered", directions=Way.BOTH,
    buyers=Buyers.DSO | Buyers.TSO | Buyers.PARTICIPANTS,
    full_activation_seconds=300, duration_seconds=QUARTER_HOUR, evidence_seconds=QUARTER_HOUR,
    method=_number(PJM_HIGH_4_OF_5), penalty_percent=100,
)  # fmt: skip
"""Local congestion relief against a baseline of past days: nobody stands by, and no lot is drawn."""

VOLTAGE = Product(
    name="voltage", directions=Way.BOTH, buyers=Buyers.DSO, reactive=True,
    full_activation_seconds=300, duration_seconds=QUARTER_HOUR, evidence_seconds=60,
    method=EVIDENCE_ONLY, penalty_percent=100,
)  # fmt: skip
"""Reactive power for voltage ([Talari-nd] §3.2), in varh: an energy meter does not see it."""

FCR_N = Product(
    name="FCR-N", directions=Way.BOTH, buyers=Buyers.TSO, symmetric=True, minimum_bid_w=100_000,
    full_activation_seconds=180, duration_seconds=3600, evidence_seconds=1,
    method=EVIDENCE_ONLY, penalty_percent=100,
)  # fmt: skip
"""Frequency containment for normal operation: 0.1 MW, symmetric, whole within 3 minutes at ±0.1 Hz, logged
each second (ENTSO-E, Technical Requirements for FCR Provision in the Nordic Synchronous Area, 2023;
Fingrid, Terms and conditions for providers of FCR; Regulation (EU) 2017/1485, Articles 154 to 156). The
hour is the market's product. As remembered the requirements of 2023 ask for dynamic performance too,
which one figure does not hold."""

FCR_D = Product(
    name="FCR-D", directions=Way.BOTH, buyers=Buyers.TSO, minimum_bid_w=100_000,
    full_activation_seconds=30, duration_seconds=3600, evidence_seconds=1,
    method=EVIDENCE_ONLY, penalty_percent=100,
)  # fmt: skip
"""Frequency containment for disturbances, up and down bought apart: 0.1 MW, logged each second (the same).
30 seconds is the older rule (half within 5 seconds, whole within 30); as remembered the requirements of
2023 ask for 86 % within 7.5 seconds."""

AFRR = Product(
    name="aFRR", directions=Way.BOTH, buyers=Buyers.TSO, minimum_bid_w=1_000_000,
    full_activation_seconds=300, duration_seconds=QUARTER_HOUR, evidence_seconds=QUARTER_HOUR,
    method=_number(PJM_HIGH_4_OF_5), penalty_percent=100,
)  # fmt: skip
"""Automatic frequency restoration: 1 MW, 5 minutes, imbalances settled by the quarter-hour (ACER Decision
02/2020, aFRR implementation framework; Regulation (EU) 2017/1485, Article 158; 2017/2195, Article 53). A
system operator follows its signal every few seconds: a quarter-hour's reading proves the energy, not how
it followed."""

MFRR = Product(
    name="mFRR", directions=Way.BOTH, buyers=Buyers.TSO, minimum_bid_w=1_000_000,
    full_activation_seconds=750, duration_seconds=QUARTER_HOUR, evidence_seconds=QUARTER_HOUR,
    method=_number(PJM_HIGH_4_OF_5), penalty_percent=100,
)  # fmt: skip
"""Manual frequency restoration: 1 MW, 12.5 minutes, a quarter-hour (ACER Decision 03/2020, mFRR
implementation framework; Regulation (EU) 2017/1485, Article 158). Ramps before and after the quarter-hour
are left out."""

FFR = Product(
    name="FFR", directions=Way.UP, buyers=Buyers.TSO, minimum_bid_w=1_000_000,
    full_activation_seconds=1, duration_seconds=30, evidence_seconds=1,
    method=EVIDENCE_ONLY, penalty_percent=100,
)  # fmt: skip
"""Fast frequency reserve: 1 MW, for 5 or 30 seconds, whole within 1.3 seconds of 49.7 Hz, 1.0 of 49.6 or 0.7
of 49.5 (Statnett, Fingrid, Energinet, Svenska kraftnät, Technical Requirements for FFR Provision in the
Nordic Synchronous Area, 2021). The chain counts whole seconds; a test of the unit, not this market, shows
the tenths, and its log is finer than a second (0.1 s, as remembered)."""

PRODUCTS: tuple[Product, ...] = (
    CONGESTION,
    CONGESTION_METERED,
    VOLTAGE,
    FCR_N,
    FCR_D,
    AFRR,
    MFRR,
    FFR,
)
"""Products in the order of their numbers on a chain."""
