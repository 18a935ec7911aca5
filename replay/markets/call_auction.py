"""The call auction of a replay: orders by mandate, signed one by one, or each with its own transaction."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from gridbourse.agents.bidding import orders as draw_orders
from gridbourse.chain.bindings.call_auction import Clearing, Fill
from gridbourse.chain.encoding.lanes import BID, OFFER, order_lane
from gridbourse.chain.encoding.signed_orders import OrderTerms, order_domain, sign_order
from gridbourse.deployment.participants import ROUTES, SIGNATURE_LIFE_S, account_name, routes_of
from replay.markets.checked_trades import Judging
from replay.markets.market import Ints, Trading
from replay.order_routes import (
    FIRST_SEQUENCE,
    GROUPS_A_CALL,
    MANDATED_A_CALL,
    SIGNED_A_CALL,
    placed_rows,
    slices,
)


@dataclass
class CallAuctionVenue:
    """Places the orders of a period, clears them, and clears again under the DSO's caps."""

    judging: Judging
    kind: str = "call_auction"
    _placed: dict[int, pd.DataFrame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scenario, self.members = self.judging.scenario, self.judging.members
        self.market, self.grid_feed = self.judging.market, self.judging.grid_feed
        self._route_of = routes_of(self.scenario, self.members)
        chain = self.market.chain
        self._domain = order_domain(chain.w3.eth.chain_id, self.market.auction.address)

    def trade(self, period: int, wanted_wh: Ints) -> Ints:
        """Every participant places its order; what is sealed promises nothing yet."""
        orders = draw_orders(self.scenario, period, wanted_wh)
        self._placed[period] = self.place(period, orders)
        return np.zeros_like(wanted_wh)

    def withdraw(self, period: int) -> None:
        """Sealed orders stand: the pool is the last to trade."""

    def place(self, period: int, orders: pd.DataFrame) -> pd.DataFrame:
        """Place orders (point_id, side, wh, price_micro_eur_per_wh); returns them with `route`, `number`."""
        placed = orders.assign(
            period=period,
            route=orders["point_id"].map(self._route_of),
            number=orders["point_id"].map(self.members.number_of),
            tick=orders["price_micro_eur_per_wh"].map(self.scenario.band.tick_of),
            code=orders["side"].map({"bid": BID, "offer": OFFER}),
        ).sort_values("number", ignore_index=True)
        by_route = {route: placed[placed["route"] == route] for route in ROUTES}
        self._place_own(period, by_route["own"])
        self._place_signed(period, by_route["signed"])
        self._place_mandated(period, by_route["mandate"])
        return placed

    def clear(self, period: int) -> Clearing:
        """Clear the book that stands."""
        return self.market.auction.clear(self.market.keys["operator"], self.market.area, period)

    def close(self, period: int) -> Trading:
        """Clear, let the DSO check, clear again under its caps, and book what it accepted."""
        outcome = self.clear(period)
        schedule = self.judging.forecast_wh(period)
        reactive = self.scenario.forecast_var(period)
        verdicts = [self.grid_feed.check(period, schedule, reactive)]
        while verdicts[-1].kind == "capped" and not self._void(period):
            outcome = self.clear(period)
            verdicts.append(self.grid_feed.check(period, schedule, reactive))
        fallback = verdicts[-1].kind == "capped"
        fills = {} if fallback else self.market.auction.fills(self.market.area, period)
        self._book(period, len(fills))
        payments = {who: fill.payment_micro_eur for who, fill in fills.items()}
        return Trading(
            kind=self.kind,
            orders=_filled(self._placed.pop(period), fills),
            contracts_wh=self._by_row(fills),
            payments_micro_eur=payments,
            verdicts=verdicts,
            fallback=fallback,
            matched_wh=0 if fallback else outcome.matched_wh,
            paid_micro_eur=-sum(min(paid, 0) for paid in payments.values()),
            price_micro_eur_per_wh=None if fallback else outcome.price_micro_eur_per_wh,
        )

    def _void(self, period: int) -> bool:
        """Whether no clearing is left: the period runs on caps and supplier alone."""
        return self.market.auction.phase(self.market.area, period) == "void"

    def _book(self, period: int, fills: int) -> None:
        """Book every fill of an accepted clearing; `fills` is how many there are."""
        operator = self.market.keys["operator"]
        self.market.auction.book(operator, self.market.area, period, GROUPS_A_CALL, fills)

    def _by_row(self, fills: dict[int, Fill]) -> Ints:
        values = np.zeros(len(self.scenario.points), dtype=np.int64)
        row_of = self.members.row_of
        for who, fill in fills.items():
            values[row_of[who]] = fill.net_wh
        return values

    def _place_own(self, period: int, orders: pd.DataFrame) -> None:
        for order in placed_rows(orders):
            account = self.market.keys[account_name(order.point_id)]
            self.market.auction.place(account, period, order.code, order.tick, order.wh)

    def _place_mandated(self, period: int, orders: pd.DataFrame) -> None:
        gateway = self.market.keys["gateway"]
        for some in slices(orders, MANDATED_A_CALL):
            lanes = {
                o.number: order_lane(o.code, o.tick, o.wh, FIRST_SEQUENCE)
                for o in placed_rows(some)
            }
            self.market.auction.place_batch(gateway, self.market.area, period, lanes)

    def _place_signed(self, period: int, orders: pd.DataFrame) -> None:
        gateway = self.market.keys["gateway"]
        for some in slices(orders, SIGNED_A_CALL):
            latest = self.market.chain.w3.eth.get_block("latest")
            expiry = latest["timestamp"] + SIGNATURE_LIFE_S
            signed = [
                sign_order(
                    self.market.keys[account_name(o.point_id)],
                    self._domain,
                    OrderTerms(
                        self.market.area, period, o.number, o.code, o.tick, o.wh,
                        FIRST_SEQUENCE, gateway.address, expiry,
                    ),
                )
                for o in placed_rows(some)
            ]  # fmt: skip
            self.market.auction.place_signed(gateway, self.market.area, period, signed)


def _filled(orders: pd.DataFrame, fills: dict[int, Fill]) -> pd.DataFrame:
    """The orders with what each of them came to; a pool's shrink, none of its trades is rejected."""
    found = [fills.get(who, Fill(0, 0)) for who in orders["number"]]
    return orders.assign(
        fill_wh=[abs(fill.net_wh) for fill in found],
        rejected_wh=0,
        paid_micro_eur=[abs(fill.payment_micro_eur) for fill in found],
    )
