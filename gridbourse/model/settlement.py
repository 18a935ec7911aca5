"""Reference settlement: contract against meter, which `contracts/settlement/Imbalance.sol` must equal.

Energy beyond the contract goes to the supplier at the feed-in tariff, energy short of it comes from
there at the retail price ([Khajeh2022] §2.1.2). Grid fees ([Talari-nd] §2.5, [Mendes2020] §2.1.6):
import fee on what the supplier sends, local fee on what was bought and received, export fee on what is
injected beyond what was sold. Injection above an export cap is not paid for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Prices:
    """µEUR per Wh. The fees may be arrays of shape (participants,): each one's zone."""

    retail: int
    feed_in: int
    import_fee: Ints | int
    local_fee: Ints | int
    export_fee: Ints | int


@dataclass(frozen=True)
class Charges:
    """Charges of each participant beyond its trades; shapes (participants,), µEUR, + = it pays.

    The supplier's and the DSO's accounts receive the sums; every settlement's changes sum to zero.
    """

    retail: Ints
    feed_in: Ints
    import_fee: Ints
    local_fee: Ints
    export_fee: Ints

    @property
    def supplier(self) -> Ints:
        """Supplier's receipts from each participant (− pays to it), µEUR."""
        return self.retail + self.feed_in

    @property
    def dso(self) -> Ints:
        """DSO's receipts from each participant, µEUR."""
        return self.import_fee + self.local_fee + self.export_fee

    @property
    def delta(self) -> Ints:
        """Change of each participant's account, µEUR."""
        return -self.supplier - self.dso


def settle(readings_wh: Ints, contracts_wh: Ints, export_caps_wh: Ints, prices: Prices) -> Charges:
    """Charges of one period from net readings (+ injects), net contracts (+ sells) and export caps.

    All shapes (participants,), Wh. `feed_in` in the result is negative: the supplier pays it.
    """
    readings = np.minimum(readings_wh, export_caps_wh)
    deviation = readings - contracts_wh
    short = np.maximum(-deviation, 0)
    long = np.maximum(deviation, 0)
    exported = np.clip(readings, 0, long)
    local = np.minimum(np.maximum(-readings, 0), np.maximum(-contracts_wh, 0))
    import_fee, local_fee, export_fee = (
        np.asarray(fee, dtype=np.int64)
        for fee in (prices.import_fee, prices.local_fee, prices.export_fee)
    )
    return Charges(
        retail=short * prices.retail,
        feed_in=-long * prices.feed_in,
        import_fee=short * import_fee,
        local_fee=local * local_fee,
        export_fee=exported * export_fee,
    )


def without_market(
    readings_wh: Ints, prices: Prices, export_caps_wh: Ints | None = None
) -> Charges:
    """Charges for the same energy with the supplier alone: nothing contracted; None = and no cap."""
    nothing = np.zeros_like(readings_wh)
    if export_caps_wh is None:
        export_caps_wh = np.full_like(readings_wh, np.iinfo(np.int64).max)
    return settle(readings_wh, nothing, export_caps_wh, prices)


def usable(readings_wh: Ints, capacities_wh: Ints) -> NDArray[np.bool_]:
    """Mask of the net readings that a connection can carry, either way; shapes (participants,), Wh."""
    return np.abs(readings_wh) <= capacities_wh


def estimate_wh(contracts_wh: Ints, capacities_wh: Ints, silent_permille: int) -> Ints:
    """Estimate in place of a reading that is missing or unusable, shapes (participants,), Wh.

    `silent_permille` thousandths of the connection's capacity drawn, rounded towards zero, and never more
    delivered than contracted: silence pays nobody. A reading that arrives later is booked as a correction.
    """
    return np.minimum(contracts_wh, -(capacities_wh * silent_permille // 1000))


def hold_micro_eur(reserved_wh: Ints, hold_rate: int) -> Ints:
    """Hold that backs a buyer in a period until its settlement, shapes (participants,), µEUR.

    For each Wh reserved the retail price and the highest fee: settlement pays the trade out of it.
    """
    return reserved_wh * hold_rate
