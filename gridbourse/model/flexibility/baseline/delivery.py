"""Delivery by a baseline and a reading: energy, payment, and positions afterwards.

Delivered energy is paid at the activation's price and leaves the seller's position; so it is not paid
again as imbalance (DESIGN, "Settle"; the same is done in Great Britain by Applicable Balancing
Services Volume Data, Balancing and Settlement Code Q6.4). Shortfall and, where the seller declared its
baseline itself, everything off its schedule are penalised by rule.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np

from gridbourse.model.flexibility.baseline.errors import BaselineError
from gridbourse.model.flexibility.baseline.evidence import Bools, Ints

Amount = TypeVar("Amount", int, Ints)


class DeliveryError(BaselineError):
    """Arrays that do not belong together, or a request below 0."""


class Direction(Enum):
    """Direction of an activation; the value is the sign of the change in net injection."""

    UP = 1
    """Inject more or withdraw less."""
    DOWN = -1
    """Inject less or withdraw more."""


@dataclass(frozen=True, eq=False)
class Delivery:
    """Wh of each period, ≥ 0 except `beside_wh`; all shapes (periods,).

    requested_wh = delivered_wh + shortfall_wh. beside_wh: response beyond the request, and below 0
    a response in the other direction; delivered_wh + beside_wh is the whole response.
    """

    requested_wh: Ints
    delivered_wh: Ints
    shortfall_wh: Ints
    beside_wh: Ints


@dataclass(frozen=True)
class Reward:
    """Payment of an activation, and penalty for deviating from it.

    price: µEUR per Wh delivered, beside the energy itself. penalty_percent: of the price, for each
    Wh of shortfall; and, with `schedule`, for each Wh beside the request as well, in every period
    of the schedule, activated or not.
    """

    price_micro_eur_per_wh: int
    penalty_percent: int
    schedule: bool = False

    def __post_init__(self) -> None:
        if self.price_micro_eur_per_wh < 0 or self.penalty_percent < 0:
            raise DeliveryError(f"reward: price and penalty must not be negative: {self}")


def delivered_wh(baseline_wh: Ints, metered_wh: Ints, direction: Direction) -> Ints:
    """Response: metered against baseline in the requested direction, Wh, < 0 in the other direction."""
    _require_same_shape(baseline_wh, metered_wh)
    return (metered_wh - baseline_wh) * direction.value


def deliver(
    requested_wh: Ints, baseline_wh: Ints, metered_wh: Ints, direction: Direction
) -> Delivery:
    """Split the response into what was requested and what was not; shapes (periods,).

    Raises DeliveryError.
    """
    response = delivered_wh(baseline_wh, metered_wh, direction)
    _require_same_shape(requested_wh, response)
    _require_not_negative("period", "requested_wh", requested_wh)
    delivered = np.clip(response, 0, requested_wh)
    return Delivery(requested_wh, delivered, requested_wh - delivered, response - delivered)


def penalty_micro_eur(wh: Amount, price_micro_eur_per_wh: int, percent: int) -> Amount:
    """Penalty for `wh` of deviation at `percent` of the price, rounded up, so that no Wh is free."""
    return -(-wh * price_micro_eur_per_wh * percent // 100)


def reward_micro_eur(delivery: Delivery, reward: Reward) -> Ints:
    """Pay of the seller in each period, µEUR; < 0 where the penalty exceeds the pay."""
    off = delivery.shortfall_wh
    if reward.schedule:
        off = off + np.abs(delivery.beside_wh)
    price = reward.price_micro_eur_per_wh
    return delivery.delivered_wh * price - penalty_micro_eur(off, price, reward.penalty_percent)


@dataclass(frozen=True, eq=False)
class Shift:
    """Positions after activations, Wh, + = sells: the sellers', shape (sellers,), and the buyer's.

    Both sides together hold what they held before.
    """

    sellers_wh: Ints
    buyer_wh: int


def shift(positions_wh: Ints, delivered: Ints, direction: Bools, buyer_wh: int) -> Shift:
    """Move the energy delivered in one period from the sellers' positions to the buyer's.

    positions_wh, delivered (≥ 0), direction (True = up), shapes (sellers,); buyer_wh: the position
    before. A seller that delivers upwards has sold that energy, one that delivers downwards has bought it.
    Raises DeliveryError.
    """
    _require_same_shape(positions_wh, delivered)
    _require_not_negative("seller", "delivered", delivered)
    moved = np.where(direction, delivered, -delivered)
    return Shift(positions_wh + moved, buyer_wh - int(moved.sum()))


def _require_same_shape(one: Ints, other: Ints) -> None:
    if one.shape != other.shape:
        raise DeliveryError(f"arrays of the shapes {one.shape} and {other.shape} do not match")


def _require_not_negative(where: str, name: str, wh: Ints) -> None:
    if (wh < 0).any():
        row = int(np.argmax(wh < 0))
        raise DeliveryError(f"{where} {row}: {name} {wh[row]} must not be negative")
