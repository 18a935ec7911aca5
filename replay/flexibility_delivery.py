"""Delivery of flexibility in a replay: sellers follow, the oracle verifies, the chain pays as the model.

A producer called for curtailment holds its meter that much below the reading before; homes have their
set-points already. After the readings are in, every leg is verified, the tokens minted for it are
compared with the delivery by the model, and at the end of the run they are redeemed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from gridbourse.agents.portfolios import Portfolios
from gridbourse.chain.node.block_ranges import events_of
from gridbourse.deployment.participants import account_name
from gridbourse.model.caps import Caps
from gridbourse.model.flexibility import market as model
from gridbourse.model.flexibility.baseline.methods import METER_BEFORE_METER_AFTER
from gridbourse.model.flexibility.products import BASELINES, Way
from gridbourse.model.house_accounts import SUPPLIER_ACCOUNT
from gridbourse.report.record import FLEXIBILITY_COLUMNS
from oracle.verifier.evidence import Calendar
from oracle.verifier.feed import FlexibilityFeed
from replay.flexibility import KIND, FlexibilityMarket, PlacedRequest
from replay.markets.checked_trades import VenueError
from replay.markets.market import Ints, Transfer

TOKENS_A_CALL = 100
SUMMED = (
    "bought_wh", "rejected_wh", "standing_by_wh", "delivered_wh", "off_wh", "paid_micro_eur",
    "shared_micro_eur", "penalty_micro_eur",
)  # fmt: skip
"""Columns of a request that are sums over its legs."""


@dataclass(frozen=True)
class Delivered:
    """Result of a period's flexibility.

    contracts_wh: change of every point's position, + sold; transfers: of its money; requests: a
    row each, as in a record.
    """

    contracts_wh: Ints
    transfers: Sequence[Transfer]
    requests: pd.DataFrame


@dataclass
class FlexibleDelivery:
    """Delivery from awards to payments. `tokens`: (Wh, claim) by token minted."""

    market: FlexibilityMarket
    feed: FlexibilityFeed
    tokens: dict[int, tuple[int, int]] = field(default_factory=dict)
    _holders: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    _called: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        judging = self.market.judging
        self._judging, self._members, self._scenario = judging, judging.members, judging.scenario
        self._calendar = Calendar(self._scenario.mtu, self._scenario.timezone)
        self._aggregator_of = Portfolios(self._scenario).aggregator_of

    # --- sellers obey --------------------------------------------------------------------------

    def obeyed(self, period: int, metered: Mapping[int, Ints]) -> Caps:
        """Limits of each connection after curtailment sold; metered: earlier periods' readings."""
        caps = Caps.none(len(self._scenario.points))
        sold: dict[int, int] = defaultdict(int)
        for asked in self.market.sessions[period].asked:
            if asked.request.product.declared:
                continue
            for bought in asked.bought:
                if not bought.rejected:
                    sold[bought.leg.participant] += bought.leg.wh
        for who, wh in sold.items():
            row = self._members.row_of[who]
            base = self._base_wh(period, who, metered)
            caps.export_cap_wh[row] = max(base - wh, 0)
        for asked in self.market.sessions[period].asked:
            called = (b.leg for b in asked.bought if not b.rejected and not b.leg.stands_by)
            for leg in called:
                self._called[leg.participant].add(period)
        return caps

    def _base_wh(self, period: int, who: int, metered: Mapping[int, Ints]) -> int:
        """Reading before the point was first called, with which its meter is compared."""
        first, today = period, self._calendar.day_of(period).periods
        while first - 1 in self._called[who] and first - 1 in today:
            first -= 1
        return int(metered[first - 1][self._members.row_of[who]])

    # --- verified and paid ---------------------------------------------------------------------

    def verify(self, period: int, metered: Mapping[int, Ints]) -> Delivered:
        """Verify every leg of a metered period. VenueError where one cannot be verified, or the result on the
        chain differs from the model's."""
        asked = self.market.sessions[period].asked
        contracts: Ints = np.zeros(len(self._scenario.points), dtype=np.int64)
        if not asked:
            return Delivered(contracts, [], pd.DataFrame(columns=list(FLEXIBILITY_COLUMNS)))
        since = self._judging.market.chain.w3.eth.block_number
        supplier = self._judging.market.house.read("balanceOf", SUPPLIER_ACCOUNT)
        for left in self.feed.verify(period):
            raise VenueError(f"{KIND}, period {period}: {left.error}: {left.reason}")
        found = self._findings(period, since)
        transfers: list[Transfer] = []
        rows = []
        credited: dict[int, int] = defaultdict(int)
        for one in asked:
            rows.append(
                self._one(period, one, found, metered, credited, supplier, contracts, transfers)
            )
        self._require_ended(period, asked)
        frame = pd.DataFrame(rows, columns=list(FLEXIBILITY_COLUMNS))
        return Delivered(contracts, transfers, frame)

    def _one(
        self, period: int, asked: PlacedRequest, found: dict[tuple[int, int], dict[str, Any]],
        metered: Mapping[int, Ints], credited: dict[int, int], supplier: int, contracts: Ints,
        transfers: list[Transfer],
    ) -> dict[str, object]:  # fmt: skip
        """Row of a request, leg by leg, in the order in which the chain verifies them."""
        sums: dict[str, int] = defaultdict(int)
        for bought in sorted(asked.bought, key=lambda b: b.leg.participant):
            leg, who = bought.leg, bought.leg.participant
            sums["standing_by_wh" if leg.stands_by else "bought_wh"] += leg.wh
            if bought.rejected:
                sums["rejected_wh"] += leg.wh
                continue
            told = found.pop((asked.number, who), None)
            if told is None:
                raise VenueError(f"{KIND}, period {period}, participant {who}: was not verified")
            finding = self._finding(period, asked, leg, told, metered, credited[who])
            credited[who] += finding.delivered_wh
            self._pay(period, asked, leg, finding, told, contracts, transfers, sums)
        amount = model.compensation_micro_eur(asked.request, sums["delivered_wh"], supplier)
        self._compensate(asked, amount, transfers)
        return {
            "period": period,
            "request": asked.number,
            "buyer": asked.buyer,
            "product": asked.request.product.name,
            "direction": asked.request.way.name.lower(),
            "zone": asked.zone,
            "asked_wh": asked.request.wh,
            "offered_wh": sum(offer.wh for offer in asked.offers),
            "compensation_micro_eur": amount,
            **{name: sums[name] for name in SUMMED},
        }

    def _finding(
        self, period: int, asked: PlacedRequest, leg: model.Leg, told: dict[str, Any],
        metered: Mapping[int, Ints], credited: int,
    ) -> model.Finding:  # fmt: skip
        """Finding by the model, from what was declared or metered before and what is metered now."""
        who, product = leg.participant, asked.request.product
        reading = int(metered[period][self._members.row_of[who]])
        if product.declared:
            baseline = self.market.sessions[period].declared_wh[who]
        elif BASELINES[product.method] is METER_BEFORE_METER_AFTER:
            baseline = self._base_wh(period, who, metered)
        else:
            baseline = told["baselineWh"]  # recomputed from its evidence by the audit
        finding = model.verify(leg, product, asked.request.way, baseline, reading, credited)
        expected = {
            "stoodBy": leg.stands_by,
            "baselineWh": baseline,
            "meteredWh": reading,
            "deliveredWh": finding.delivered_wh,
            "offWh": finding.off_wh,
            "paidMicroEur": finding.paid_micro_eur,
            "sharedMicroEur": self._shared(who, finding.paid_micro_eur),
            "penaltyMicroEur": finding.penalty_micro_eur,
            "damagesMicroEur": finding.damages_micro_eur,
        }
        chain = {name: told[name] for name in expected}
        if chain != expected:
            raise VenueError(
                f"{KIND}, period {period}, participant {who}: {chain} on the chain,"
                f" {expected} by the model"
            )
        return finding

    def _shared(self, who: int, paid: int) -> int:
        mine = self._aggregator_of.get(self._members.point_of[who])
        return 0 if mine is None else model.aggregators_part(paid, mine.permille)

    def _pay(
        self, period: int, asked: PlacedRequest, leg: model.Leg, finding: model.Finding,
        told: dict[str, Any], contracts: Ints, transfers: list[Transfer], sums: dict[str, int],
    ) -> None:  # fmt: skip
        who, shared = leg.participant, told["sharedMicroEur"]
        aggregator = self._aggregator_of.get(self._members.point_of[who])
        moved = [Transfer(asked.account, who, "flexibility", finding.paid_micro_eur - shared)]
        if aggregator is not None:
            number = self._members.number_of[aggregator.point]
            moved.append(Transfer(asked.account, number, "aggregator_share", shared))
        damages = finding.damages_micro_eur
        moved.append(Transfer(who, asked.account, "flexibility_penalty", damages))
        beside = finding.penalty_micro_eur - damages
        moved.append(Transfer(who, SUPPLIER_ACCOUNT, "flexibility_penalty", beside))
        transfers += [transfer for transfer in moved if transfer.micro_eur]
        sign = 1 if asked.request.way is Way.UP else -1
        contracts[self._members.row_of[who]] += sign * finding.delivered_wh
        if not asked.request.house:
            contracts[self._members.row_of[asked.account]] -= sign * finding.delivered_wh
        sums["delivered_wh"] += finding.delivered_wh
        sums["off_wh"] += finding.off_wh
        sums["paid_micro_eur"] += finding.paid_micro_eur
        sums["shared_micro_eur"] += shared
        sums["penalty_micro_eur"] += finding.penalty_micro_eur
        if finding.delivered_wh:
            token = self.market.chain.token_of(period, asked.number)
            wh, claim = self.tokens.get(token, (0, 0))
            claim += finding.paid_micro_eur - shared
            self.tokens[token] = (wh + finding.delivered_wh, claim)
            self._holders[self._members.point_of[who]].add(token)

    @staticmethod
    def _compensate(asked: PlacedRequest, amount: int, transfers: list[Transfer]) -> None:
        if amount > 0:
            transfers.append(Transfer(SUPPLIER_ACCOUNT, asked.account, "compensation", amount))
        elif amount < 0:
            transfers.append(Transfer(asked.account, SUPPLIER_ACCOUNT, "compensation", -amount))

    # --- the chain -----------------------------------------------------------------------------

    def _findings(self, period: int, since: int) -> dict[tuple[int, int], dict[str, Any]]:
        """Findings of the chain in these blocks, by request and participant."""
        chain = self.market.chain
        event = chain.delivery.contract.events.LegVerified()
        last = self._judging.market.chain.w3.eth.block_number
        logs = events_of(event, since, last, {"area": chain.area, "period": period})
        return {
            (log["args"]["request"], log["args"]["result"]["participant"]): dict(
                log["args"]["result"]
            )
            for log in logs
        }

    def _require_ended(self, period: int, asked: Sequence[PlacedRequest]) -> None:
        """Require that every request is over, and its tokens equal the delivery."""
        chain = self.market.chain
        for one in asked:
            where = f"{KIND}, period {period}, request {one.number}"
            if (phase := chain.market.phase(period, one.number)) != "ended":
                raise VenueError(f"{where}: is {phase} after everything was verified")
            token = chain.token_of(period, one.number)
            expected, found = self.tokens.get(token, (0, 0)), chain.token.supply(token)
            if found != expected:
                raise VenueError(f"{where}: tokens {found} on the chain, {expected} by the model")

    def redeem(self) -> None:
        """Let everybody redeem its tokens; then there is no token left."""
        token = self.market.chain.token
        for point, mine in self._holders.items():
            account = self._judging.market.keys[account_name(point)]
            held = sorted(mine)
            for start in range(0, len(held), TOKENS_A_CALL):
                token.redeem(account, held[start : start + TOKENS_A_CALL])
        self._holders.clear()
        for number in self.tokens:
            if (left := token.supply(number)) != (0, 0):
                raise VenueError(f"{KIND}: {left} of token {number} are left after all redeemed")
