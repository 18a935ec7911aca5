"""Protocol of a market in a replay, whatever its rules: trade while the gate is open, then close."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oracle.dso.verdict import Verdict

Ints = NDArray[np.int64]

TRADE_COLUMNS: Final = ("seller", "buyer", "wh", "price_micro_eur_per_wh", "rejected")


OUTSIDE: Final = 0
"""Account number outside the clearing house: money moved to it leaves the market."""


class Transfer(NamedTuple):
    """Money that moves for other reasons than energy, between accounts by number, µEUR."""

    payer: int
    payee: int
    kind: str
    micro_eur: int


@dataclass(frozen=True)
class Trading:
    """Result of one market's trading in a period; all of it is booked.

    kind: of the scenario's kinds of market.
    orders: a row an order: period, point_id, number, route, side, wh, price_micro_eur_per_wh as
        placed; fill_wh, paid_micro_eur as booked; rejected_wh: what the DSO rejected of its trades.
    contracts_wh: net energy of every connection point of the scenario, + sells.
    payments_micro_eur: by participant number, + received, for energy alone.
    verdicts: of the DSO, in order; fallback: True where the last of them left nothing to trade.
    matched_wh, paid_micro_eur: energy traded, and what its buyers paid.
    price_micro_eur_per_wh: the one price of an auction, None where nothing was cleared.
    trades: of markets whose trades are judged one by one, seller and buyer as points, in order.
    transfers: fees of the market, damages.
    """

    kind: str
    orders: pd.DataFrame
    contracts_wh: Ints
    payments_micro_eur: Mapping[int, int]
    verdicts: Sequence[Verdict]
    fallback: bool
    matched_wh: int
    paid_micro_eur: int
    price_micro_eur_per_wh: int | None = None
    trades: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=TRADE_COLUMNS))
    transfers: Sequence[Transfer] = ()


class Venue(Protocol):
    """One market of a replay."""

    @property
    def kind(self) -> str:
        """Kind of market, as the scenario names it."""

    def trade(self, period: int, wanted_wh: Ints) -> Ints:
        """Bring in the orders of participants for the period; its gate is still open.

        wanted_wh: net energy each point still has to trade, + has a surplus.  Returns the part that
        is promised now, whatever the DSO's verdict will be.
        """

    def withdraw(self, period: int) -> None:
        """Take out orders without a match, so that their energy can be promised in the next market."""

    def close(self, period: int) -> Trading:
        """After gate closure: clear or match, have the DSO check it, book it."""


@runtime_checkable
class Sealed(Protocol):
    """A market with sealed answers."""

    def reveal(self, period: int) -> None:
        """Show the sealed answers, in the last seconds before gate closure."""
