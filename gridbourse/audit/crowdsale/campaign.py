"""One campaign, rebuilt by the model (`contracts/crowdsale`).

Block time is not in the logs: deadlines are assumed kept, and so is the attester's role. Every amount is
recomputed: refunds, releases, exports from the readings settled on, premiums from what contracts paid,
sums due and collected, claims.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from gridbourse.audit.core.context import Common
from gridbourse.audit.core.errors import AuditError
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.tariff import EnergyPrices
from gridbourse.audit.core.withdrawals import Withdrawals
from gridbourse.audit.settlement.metering import Metering
from gridbourse.chain.deployment.record import DeployedContract
from gridbourse.chain.encoding.arguments import NOBODY
from gridbourse.chain.encoding.commitment import ProofError
from gridbourse.chain.encoding.lanes import PER_GROUP
from gridbourse.model.crowdsale.campaign import Campaign, Good, Phase, Refused, Reward, Rules
from gridbourse.model.crowdsale.equity import (
    ALWAYS,
    Agreement,
    Equity,
    Export,
    Form,
    Pledges,
    premium_micro_eur,
)

ATTESTER = "the attester"
SAYS_NOTHING = ("Approval", "Offered", "Declined", "HandOverStated")
"""Events that move no money; who stated a hand-over counts in the vouchers only."""
Handlers = dict[tuple[str, str], Callable[[Event], None]]


class RebuiltCampaign:
    """Campaign rebuilt: its model, driven by its events."""

    def __init__(
        self,
        key: str,
        kind: str,
        contract: DeployedContract,
        common: Common,
        metering: Metering,
        withdrawals: Withdrawals,
        pledges: defaultdict[bytes, Pledges],
    ) -> None:
        self._key, self._common, self._metering = key, common, metering
        self._findings, self._money = common.findings, common.money
        self._contract, self._kind, self._pledges = contract, kind, pledges
        self._withdrawals, self._address = withdrawals, contract.address.lower()
        self._made: Campaign | None = None
        self._moved: list[tuple[str, str, int]] = []
        self._collecting: defaultdict[int, int] = defaultdict(int)
        self.currency_held = 0

    @property
    def model(self) -> Campaign:
        """Model of the campaign, made at its first event, when its owner is registered.

        The owner is the holder of the participant's account at that time.
        """
        if self._made is None:
            self._made = self._make()
        owner = self._common.members.participants.get(self.installation)
        self._made.owner = owner.account if owner else NOBODY
        return self._made

    @property
    def equity(self) -> Equity:
        """Model of an equity campaign."""
        assert isinstance(self.model, Equity)
        return self.model

    @property
    def reward(self) -> Reward:
        """Model of a reward campaign."""
        assert isinstance(self.model, Reward)
        return self.model

    def _make(self) -> Campaign:
        try:
            _, terms, *more = self._contract.arguments
            self.installation, _, goal, cap, least, most, start, end, late, term = terms
            member = self._common.members.participants.get(self.installation)
            self.metering_point = member.metering_point if member else b""
            given: dict[str, Any] = {
                "rules": Rules(goal, cap, least, most, start, end, late, term),
                "owner": member.account if member else NOBODY,
                "attester": ATTESTER,
            }
            if self._kind == "EquityCampaign":
                pledges = self._pledges[self.metering_point]
                return Equity(**given, panel_permille=more[-1], pledges=pledges)
            if self._kind == "RewardCampaign":
                return Reward(**given)
            return Campaign(**given, payee=None if more[0] == NOBODY else more[0].lower())
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            raise AuditError(f"deployment.json: arguments of {self._key}: {error}") from error

    def handlers(self) -> dict[str, Callable[[Event], None]]:
        """Handler of each event of the contract."""
        of_all: dict[str, Callable[[Event], None]] = {
            "Transfer": self._tokens_moved,
            "Opened": self._opened,
            "Funded": self._funded,
            "Concluded": self._concluded,
            "MilestoneConfirmed": self._milestone_confirmed,
            "Released": self._released,
            "Built": lambda event: self._do(event, lambda: self.model.confirm_built(ATTESTER)),
            "Operating": self._operating,
            "Closed": self._closed,
            "Abandoned": self._abandoned,
            "Refunded": self._refunded,
            "RemainderReleased": self._remainder_released,
            **dict.fromkeys(SAYS_NOTHING, lambda _: None),
        }
        of_kind: dict[str, dict[str, Callable[[Event], None]]] = {
            "EquityCampaign": {
                "Agreed": self._agreed,
                "ExportRecorded": self._export_recorded,
                "PremiumAttested": self._premium_attested,
                "Collected": self._collected,
                "Distributed": self._distributed,
                "Claimed": self._claimed,
            },
            "RewardCampaign": {
                "GoodListed": self._good_listed,
                "Picked": self._picked,
                "HandOverStated": self._hand_over_stated,
                "Redeemed": lambda _: None,
                "VouchersVoided": lambda _: None,
            },
        }
        return of_all | of_kind.get(self._kind, {})

    # --- all campaigns -------------------------------------------------------------------------

    def _where(self, event: Event) -> str:
        return f"{self._key}, {event.name}, {event.where}"

    def _do(self, event: Event, act: Callable[[], Any]) -> Any:
        """Act on the model; a refusal by it is a difference."""
        try:
            return act()
        except Refused as refused:
            self._findings.require("crowdsale", self._where(event), False, refused.rule)
            return None

    def _compare(self, event: Event, what: str, chain: Any, rebuilt: Any) -> None:
        self._findings.compare("crowdsale", f"{what}, {self._where(event)}", chain, rebuilt)

    def _tokens_moved(self, event: Event) -> None:
        """Transfer of shares: moved at once; the gift or refund it belongs to is told next."""
        sender, to = event["from"].lower(), event["to"].lower()
        if NOBODY in (sender, to):
            self._moved.append((sender, to, event["value"]))
        elif isinstance(self.model, Equity):
            self._do(event, lambda: self.equity.transfer(sender, to, event["value"]))
        else:
            self._findings.require("crowdsale", self._where(event), False, "NotTransferable")

    def _require_moved(self, event: Event, sender: str, to: str, tokens: int) -> None:
        moved = self._moved.pop() if self._moved else None
        self._compare(event, "tokens (from, to, how many)", moved, (sender, to, tokens))

    def _opened(self, event: Event) -> None:
        model = self.model
        milestones = list(event["milestonesMicroEur"])
        self._do(event, lambda: model.open(model.owner, milestones, model.rules.start))

    def _funded(self, event: Event) -> None:
        funder, amount = event["funder"].lower(), event["amountMicroEur"]
        self._require_moved(event, NOBODY, funder, amount)
        self._do(event, lambda: self.model.fund(funder, amount, self.model.rules.start))
        self._compare(event, "funded, µEUR", event["fundedMicroEur"], self.model.funded)

    def _concluded(self, event: Event) -> None:
        self._do(event, lambda: self.model.conclude(self.model.rules.end))
        chain = (event["phase"], event["fundedMicroEur"])
        self._compare(event, "(phase, µEUR)", chain, (self.model.phase, self.model.funded))

    def _milestone_confirmed(self, event: Event) -> None:
        milestone = event["milestone"]
        released = self._do(event, lambda: self.model.confirm_milestone(ATTESTER, milestone))
        self._compare(event, "released, µEUR", event["amountMicroEur"], released)

    def _released(self, event: Event) -> None:
        amount = self._do(event, lambda: self.model.withdraw(event["beneficiary"].lower()))
        self._compare(event, "withdrawn, µEUR", event["amountMicroEur"], amount)

    def _operating(self, event: Event) -> None:
        clock = self._common.clock
        current = clock.current_period if clock.is_known else event["firstPeriod"] - 1
        self._do(event, lambda: self.model.start_operating(ATTESTER, current))
        self._compare(event, "first period", event["firstPeriod"], self.model.first_period)

    def _closed(self, event: Event) -> None:
        clock = self._common.clock
        current = clock.current_period if clock.is_known else self.model.until_period
        self._do(event, lambda: self.model.close(current))

    def _abandoned(self, event: Event) -> None:
        """Abandoned by the owner while it may; else by the attester, or after the deadline by anyone."""
        model = self.model
        owner = event["by"].lower() == model.owner and model.released == 0
        by = model.owner if owner else ATTESTER
        self._do(event, lambda: model.abandon(by, model.rules.start))
        chain = (event["poolMicroEur"], event["tokens"])
        self._compare(event, "(pool µEUR, tokens)", chain, (model.pool, model.pool_tokens))

    def _refunded(self, event: Event) -> None:
        holder, tokens = event["holder"].lower(), event["tokens"]
        self._require_moved(event, holder, NOBODY, tokens)
        self._compare(event, "tokens", tokens, self.model.tokens[holder])
        amount = self._do(event, lambda: self.model.refund(holder))
        self._compare(event, "µEUR", event["amountMicroEur"], amount)

    def _remainder_released(self, event: Event) -> None:
        """RemainderReleased: the model released it with the last refund."""
        model = self.model
        named = sum(model.milestones[: model.confirmed])
        self._compare(event, "µEUR", event["amountMicroEur"], model.released - named)

    # --- equity ------------------------------------------------------------------------------

    def _agreed(self, event: Event) -> None:
        draft = self.model.phase == Phase.DRAFT
        self._findings.require("crowdsale", self._where(event), draft, "no draft any more")
        self.equity.agreed = Agreement(Form(event["form"]), event["value"])

    def export(self, period: int) -> int | None:
        """Wh exported at the metering point in a settled period, as last corrected, by any holder."""
        holder = self.holder(period)
        return None if holder is None else exported(self._common, self._metering, holder, period)

    def holder(self, period: int) -> int | None:
        """Number of the participant at the metering point in a period."""
        there = self._common.members.holder_at(self.metering_point, period)
        return None if there is None else there.number

    def premium(self, period: int, export_wh: int) -> int:
        """Premium of its contracts in a period above the feed-in tariff, µEUR."""
        holder = self.holder(period) or 0
        prices = self._prices(period)
        sold = self._money.position(period, holder).net_wh
        paid = self._money.paid[period, holder]
        return premium_micro_eur(export_wh, sold, paid, prices.retail, prices.feed_in)

    def _prices(self, period: int) -> EnergyPrices:
        """Prices of the area that the metering point was in then."""
        there = self._common.members.holder_at(self.metering_point, period)
        return self._common.tariffs.energy(None if there is None else there.area, period)

    def _export_recorded(self, event: Event) -> None:
        period, prices = event["period"], self._prices(event["period"])
        export = self.export(period)
        self._compare(event, f"Wh, period {period}", event["exportWh"], export)
        known = Export(event["exportWh"], prices.retail, prices.feed_in, holder=self.holder(period))
        self._do(event, lambda: self.equity.record(period, known))
        value = event["exportWh"] * prices.feed_in
        self._compare(event, f"µEUR, period {period}", event["valueMicroEur"], value)

    def _premium_attested(self, event: Event) -> None:
        period, stated = event["period"], event["premiumMicroEur"]
        known = self.equity.exports.get(period)
        self._do(event, lambda: self.equity.attest(ATTESTER, period, stated))
        if known is not None:
            paid = self.premium(period, known.wh)
            self._compare(event, f"premium µEUR, period {period}", stated, paid)

    def _collected(self, event: Event) -> None:
        """Collected from a holder of the point: the sum set aside just before, and the arrears."""
        clock, payer, equity = self._common.clock, event["participant"], self.equity
        amount, stay = event["amountMicroEur"], self._stay(payer)
        taken = self._collecting.pop(payer, 0)
        self._compare(event, f"of account {payer}, µEUR", amount, taken)
        # A debt of the account took this part back.
        equity.taken_from[payer] = self._withdrawals.taken[self._address, payer] - taken
        if clock.is_known or equity.agreed.form == Form.PROFIT_SHARE:
            current = clock.current_period
            found = self._do(event, lambda: equity.take(current, taken, payer, stay))
            self._compare(event, "µEUR", amount, found)
            left = max(0, equity.due(current, payer, stay) - equity.taken_from[payer])
            self._compare(event, "arrears, µEUR", event["arrearsMicroEur"], left)
        else:  # a rent by block time, which is not in the logs
            equity.taken_from[payer] += amount

    def _stay(self, payer: int) -> tuple[int, int]:
        """First period of a participant at the metering point, and the one after its last; (0, 0): none."""
        member = self._common.members.participants.get(payer)
        if member is None or member.metering_point != self.metering_point:
            return (0, 0)
        return (
            member.from_period,
            ALWAYS[1] if member.until_period is None else member.until_period,
        )

    def _distributed(self, event: Event) -> None:
        """Distributed: all that came in since the last time."""
        since = self._undistributed()
        self._compare(event, "came in, µEUR", event["amountMicroEur"], since)
        self.equity.arrive(since)

    def _undistributed(self) -> int:
        if not isinstance(self.model, Equity):
            return 0
        return self._withdrawals.received[self._address] - self.model.collected

    def took(self, event: Event) -> None:
        """WithdrawalAnnounced, to this campaign: its next event tells of the collection."""
        self._collecting[event["account"]] += event["amountMicroEur"]

    def _claimed(self, event: Event) -> None:
        amount = self._do(event, lambda: self.equity.claim(event["holder"].lower()))
        self._compare(event, "µEUR", event["amountMicroEur"], amount)

    # --- rewards -----------------------------------------------------------------------------

    def _good_listed(self, event: Event) -> None:
        self._compare(event, "number", event["good"], len(self.reward.goods))
        self.reward.goods.append(Good(event["priceMicroEur"], event["stock"]))

    def _picked(self, event: Event) -> None:
        funder = event["funder"].lower()
        self._do(event, lambda: self.reward.pick(funder, event["good"], event["count"]))

    def _hand_over_stated(self, event: Event) -> None:
        model, funder = self.reward, event["funder"].lower()
        good, count = event["good"], event["count"]
        if event["byOwner"]:
            self._do(event, lambda: model.hand_over(model.owner, funder, good, count))
        else:
            self._do(event, lambda: model.confirm_receipt(funder, good, count))

    def require_nothing_loose(self) -> None:
        """Final check: it holds what it has booked and received since, and no event waits for another."""
        place, since = f"{self._key}, held, µEUR", self._undistributed()
        self._findings.compare("crowdsale", place, self.currency_held, self.model.held + since)
        loose = not self._moved and not self._collecting
        self._findings.require("crowdsale", self._key, loose, "an event explains nothing")


def exported(common: Common, metering: Metering, number: int, period: int) -> int | None:
    """Wh within its cap, by the reading that the period was settled on or last corrected to."""
    area = common.members.area_of(number)
    try:
        leaf = metering.evidence.of(area or 0, period).leaf(number // PER_GROUP)
    except ProofError:
        return None
    cap, _ = common.caps.of(period, number)
    return min(max(leaf.readings_wh[number], 0), cap)
