"""Statement of the money and energy of a settled period, from the logs alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridbourse.audit.rebuild import Rebuilt
from gridbourse.model.house_accounts import (
    DSO_ACCOUNT,
    MARGIN_ACCOUNT,
    OPERATOR_ACCOUNT,
    SPREAD_ACCOUNT,
    SUPPLIER_ACCOUNT,
    TSO_ACCOUNT,
    is_dso,
)
from gridbourse.model.settlement import Prices, settle

PARTIES = {
    DSO_ACCOUNT: "dso",
    SUPPLIER_ACCOUNT: "supplier",
    OPERATOR_ACCOUNT: "operator",
    SPREAD_ACCOUNT: "spread account",
    MARGIN_ACCOUNT: "margin account",
    TSO_ACCOUNT: "tso",
}
FEES = ("import_fee", "local_fee", "export_fee")
COLUMNS = ("payer", "payee", "kind", "micro_eur")


@dataclass(frozen=True)
class Statement:
    """Statement of one period. flows: COLUMNS, summed by groups of accounts; energy_wh: Wh by kind.

    energy_wh: metered_out and metered_into: over the meters, by sign; traded: by contract between
    participants; flexibility_up, flexibility_down: delivered; from_supplier, to_supplier: imbalance
    beyond contracts; unpaid: beyond a cap of the DSO; compensated, where the DSO pays for
    curtailment: energy that its caps held back, in no meter.
    """

    period: int
    flows: pd.DataFrame
    energy_wh: dict[str, int]


def statement(rebuilt: Rebuilt, area: int, period: int) -> Statement:
    """Statement of a settled area and period."""
    members, money, metering = rebuilt.members, rebuilt.money, rebuilt.metering
    seats = [seat for group in members.groups(area) for seat in members.members_of(group, period)]
    contracts = _ints(money.position(period, seat.number).net_wh for seat in seats)
    readings = _ints(metering.settled_wh[period][seat.number] for seat in seats)
    caps = _ints(metering.caps_of(period, seat.number)[0] for seat in seats)
    fees = [rebuilt.tariffs.fees(area, seat.zone, period) for seat in seats]
    columns = np.array(fees, dtype=np.int64).reshape(-1, 3).T
    prices = Prices(*rebuilt.tariffs.energy(area, period), *columns)
    charges = settle(readings, contracts, caps, prices)
    sums = [money.paid[period, seat.number] for seat in seats]  # + received
    received, paid = sum(max(each, 0) for each in sums), sum(max(-each, 0) for each in sums)
    flows = [
        ("participants", "supplier", "retail", int(charges.retail.sum())),
        ("supplier", "participants", "feed_in", -int(charges.feed_in.sum())),
        *(("participants", "dso", fee, int(getattr(charges, fee).sum())) for fee in FEES),
        ("participants", "participants", "energy", received),
        ("participants", "spread account", "spread", paid - received),
    ]
    beyond = np.minimum(readings, caps) - contracts
    energy = {
        "metered_out": int(np.maximum(readings, 0).sum()),
        "metered_into": int(np.maximum(-readings, 0).sum()),
        "traded": sum(position.bought_wh for position in money.positions[period].values()),
        "flexibility_up": 0,
        "flexibility_down": 0,
        "from_supplier": int(np.maximum(-beyond, 0).sum()),
        "to_supplier": int(np.maximum(beyond, 0).sum()),
        "unpaid": int(np.maximum(readings - caps, 0).sum()),
    }
    if (curtailment := rebuilt.curtailment) is not None:
        paid_micro_eur = curtailment.paid_micro_eur[period]
        flows.append(("dso", "participants", "curtailment_compensation", paid_micro_eur))
        energy["compensated"] = curtailment.held_back_wh[period]
    market = rebuilt.flexibility
    if market is not None:
        flows += [
            (_party(payer), _party(payee), kind, amount)
            for payer, payee, kind, amount in market.flows[period]
        ]
        up, down, into = market.delivered[period]
        energy |= {"flexibility_up": up, "flexibility_down": down}
        energy["traded"] -= into
    frame = pd.DataFrame(flows, columns=list(COLUMNS))
    summed = frame.groupby(["payer", "payee", "kind"], as_index=False, sort=False)[
        "micro_eur"
    ].sum()
    return Statement(period, summed[summed["micro_eur"] != 0].reset_index(drop=True), energy)


def _party(account: int) -> str:
    return "dso" if is_dso(account) else PARTIES.get(account, "participants")


def _ints(values: Iterable[int]) -> NDArray[np.int64]:
    return np.array(list(values), dtype=np.int64)
