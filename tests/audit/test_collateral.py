"""Collateral an order book keeps: own orders and a gateway's look the same in the log."""

from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest

from gridbourse.audit.core.events import Event
from gridbourse.audit.core.findings import Findings
from gridbourse.audit.core.reservations import NOTHING, Energy, Reservations
from gridbourse.audit.markets.order_book_collateral import Collateral
from gridbourse.chain.encoding.lanes import BID

P, WHO, RATE, CAPACITY_WH, PURSE_WH = 7, 8, 300, 2_000, 1_500


@dataclass
class Member:
    active: bool = True
    capacity_wh: int = CAPACITY_WH

    def is_member(self, period: int) -> bool:
        return True


@dataclass
class Members:
    participants: dict[int, Member] = field(default_factory=lambda: {WHO: Member()})


@dataclass
class Money:
    free: dict[int, int] = field(default_factory=lambda: {WHO: PURSE_WH * RATE})
    credit_limits: dict[int, int] = field(default_factory=lambda: {WHO: 0})

    def hold_rate(self, period: int, participant: int) -> int:
        return RATE

    def hold(self, period: int, participant: int, wh: int) -> None:
        self.free[participant] -= wh * RATE


class Audit:
    def __init__(self) -> None:
        members: Any = Members()
        money: Any = Money()
        self.findings = Findings()
        self.reservations = Reservations(members, money, self.findings)
        self.collateral = Collateral(members, self.reservations, self.findings)

    def keep(self, wh: int) -> None:
        values = {"area": 0, "period": P, "participant": WHO, "sellWh": 0, "buyWh": wh}
        self.collateral.kept(Event("OrderBook", "CollateralKept", values, "here", 1))

    def place(self, wh: int) -> None:
        self.collateral.claim(P, WHO, Energy(0, wh), "here")

    def cancel(self, wh: int) -> None:
        self.collateral.free(P, WHO, Energy(0, wh))

    @property
    def reserved(self) -> int:
        return self.reservations.reserved[P, WHO].into_wh

    @property
    def most(self) -> int:
        return self.reservations.most(P, WHO, BID)


class Chain:
    """What the contracts do, who knows where an order comes from."""

    def __init__(self) -> None:
        self.kept = self.orders = 0

    def place(self, wh: int, own: bool) -> None:
        self.orders += wh
        self.kept -= min(self.kept, wh) if own else 0

    def cancel(self, wh: int, own: bool) -> None:
        self.orders -= wh
        self.kept += wh if own else 0


@pytest.mark.parametrize("owns", product([True, False], repeat=5))
def test_what_is_kept_lies_between_its_bounds_and_is_known_again_once_it_is_set(owns):
    audit, chain = Audit(), Chain()
    audit.keep(100)
    chain.kept = 100
    steps = [("place", 250), ("cancel", 250), ("place", 60), ("place", 300), ("cancel", 60)]
    for (step, wh), own in zip(steps, owns, strict=True):
        getattr(audit, step)(wh)
        getattr(chain, step)(wh, own)
        reserved = chain.orders + chain.kept
        doubt = audit.reservations.doubt[P, WHO].into_wh
        assert audit.reserved <= reserved <= audit.reserved + doubt
        assert audit.most <= PURSE_WH - reserved
    audit.keep(chain.kept)  # not a watt-hour more than there was: needs no leave

    assert audit.reserved == chain.orders + chain.kept
    assert audit.most == PURSE_WH - audit.reserved
    audit.keep(0)
    assert audit.reserved == chain.orders == 300
    assert audit.reservations.doubt == {}
    assert audit.findings.differences == []


def test_who_has_no_money_for_either_bound_is_named():
    audit = Audit()
    audit.keep(100)
    audit.place(PURSE_WH + 1)

    [found] = audit.findings.differences
    assert "not enough money" in str(found)


def test_an_own_order_on_what_is_kept_needs_no_money_of_today():
    audit = Audit()
    audit.keep(100)
    audit.place(100)
    audit.cancel(100)
    audit.reservations._money.free[WHO] = -1  # a debt that came later
    audit.place(100)

    assert audit.findings.differences == []
    assert audit.most == 0


def test_the_other_direction_is_another_matter():
    audit = Audit()
    audit.keep(100)
    audit.collateral.claim(P, WHO, Energy(CAPACITY_WH, 0), "here")

    assert audit.reservations.reserved[P, WHO] == Energy(CAPACITY_WH, 100)
    assert audit.reservations.doubt[P, WHO] == NOTHING
