"""Campaigns of a deployment and the money they collect from owners: which event belongs to which."""

from collections import defaultdict
from collections.abc import Callable

from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.withdrawals import Withdrawals
from gridbourse.audit.crowdsale.campaign import RebuiltCampaign, exported
from gridbourse.audit.settlement.metering import Metering
from gridbourse.chain.deployment.record import PLEDGES, DeploymentRecord
from gridbourse.model.crowdsale.campaign import Campaign
from gridbourse.model.crowdsale.equity import (
    Pledges,
)

Handlers = dict[tuple[str, str], Callable[[Event], None]]


class Crowdsales:
    """Campaigns of the record by key; `campaigns` holds their models."""

    def __init__(
        self,
        deployment: DeploymentRecord,
        common: Common,
        metering: Metering,
        withdrawals: Withdrawals,
    ) -> None:
        self._common, self._metering = common, metering
        self._findings, self._members = common.findings, common.members
        self._clock, self._money = common.clock, common.money
        self._house = deployment.contracts["ClearingHouse"].address.lower()
        self._rebuilt: dict[str, RebuiltCampaign] = {}
        self._by_address: dict[str, RebuiltCampaign] = {}
        self._pledges: defaultdict[bytes, Pledges] = defaultdict(Pledges)
        self._pledged: defaultdict[bytes, int] = defaultdict(int)
        self._take_over: set[tuple[bytes, str]] = set()
        for key, kind in deployment.campaigns.items():
            contract = deployment.contracts[key]
            rebuilt = RebuiltCampaign(
                key, kind, contract, common, metering, withdrawals, self._pledges
            )
            self._rebuilt[key] = rebuilt
            self._by_address[contract.address.lower()] = self._rebuilt[key]

    @property
    def campaigns(self) -> dict[str, Campaign]:
        """State of each campaign after the events walked through."""
        return {key: rebuilt.model for key, rebuilt in self._rebuilt.items()}

    def export(self, participant: int, period: int) -> int | None:
        """Wh that a participant exported in a settled period, as last corrected; None: not settled."""
        return exported(self._common, self._metering, participant, period)

    def premium(self, key: str, period: int) -> int:
        """Premium that the attester has to state for a settled period of an equity campaign, µEUR."""
        rebuilt = self._rebuilt[key]
        return rebuilt.premium(period, rebuilt.export(period) or 0)

    def handlers(self) -> Handlers:
        """Handler of each event of each campaign."""
        of_campaigns = {
            (key, name): handler
            for key, rebuilt in self._rebuilt.items()
            for name, handler in rebuilt.handlers().items()
        }
        return of_campaigns | {
            (PLEDGES, "Pledged"): lambda event: self._note_pledge(event, 1),
            (PLEDGES, "PledgeReleased"): lambda event: self._note_pledge(event, -1),
            (PLEDGES, "TakeOverStated"): self._take_over_stated,
        }

    def _note_pledge(self, event: Event, sign: int) -> None:
        """Note a pledge for the final check, since it comes before or after the campaign's own event."""
        self._pledged[event["meteringPoint"]] += sign * event["permille"]

    def _take_over_stated(self, event: Event) -> None:
        """TakeOverStated: who may be registered at a pledged metering point."""
        about = (event["meteringPoint"], event["account"].lower())
        (self._take_over.add if event["takesOver"] else self._take_over.discard)(about)

    def registered(self, event: Event) -> None:
        """ParticipantRegistered: at a pledged metering point only with the pledge taken over."""
        self._members.registered(event)
        point, account = event["meteringPoint"], event["account"].lower()
        may = not self._pledged[point] or (point, account) in self._take_over
        place = f"registration, {event.at('participant')}"
        self._findings.require("crowdsale", place, may, "it has not taken the pledge over")

    def left(self, event: Event) -> None:
        """ParticipantLeft: while its export is pledged, only by the operator."""
        self._members.left(event)
        member = self._members.participants.get(event["participant"])
        if member is not None:
            may = member.removed or not self._pledged[member.metering_point]
            place = f"leaving, {event.at('participant')}"
            self._findings.require("crowdsale", place, may, "its export is pledged")

    def announced(self, event: Event) -> None:
        """WithdrawalAnnounced of the clearing house: a campaign collects."""
        if campaign := self._by_address.get(event["recipient"].lower()):
            campaign.took(event)

    def currency_moved(self, event: Event) -> None:
        """Transfer of the currency, into a campaign or out of it."""
        for side, sign in (("to", 1), ("from", -1)):
            if campaign := self._by_address.get(event[side].lower()):
                campaign.currency_held += sign * event["value"]

    def require_nothing_loose(self) -> None:
        """Final check: each campaign holds what it has booked, and no event waits for another."""
        for rebuilt in self._rebuilt.values():
            rebuilt.require_nothing_loose()
        for point in sorted({*self._pledges, *self._pledged}):
            chain, known = self._pledged[point], self._pledges[point].permille
            place = f"pledged of the export of metering point 0x{point.hex()}, permille"
            self._findings.compare("crowdsale", place, chain, known)
