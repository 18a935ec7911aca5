"""What a campaign's metering point exported and earned, brought to its contract with proof.

Exports are proven by the commitment of each settled period, rebuilt from the chain's own logs; what
the market paid above the feed-in tariff follows from the trades in the same logs, and the attester
states it. Done again, it brings what is not there yet.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from eth_account.signers.local import LocalAccount

from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.bindings.crowdsale import EquityCampaign
from gridbourse.chain.deployment.market import AREA, Market
from gridbourse.chain.encoding.lanes import PER_GROUP
from gridbourse.model.crowdsale.equity import premium_micro_eur
from oracle.meter.corrections import require_same_commitments

PERIODS_A_CALL: Final = 48
"""Of proofs, about 3 M gas."""
T = TypeVar("T")


def record_exports(
    market: Market, rebuilt: Rebuilt, campaign: EquityCampaign, by: LocalAccount
) -> int:
    """Prove every settled period of the term that is not on record as it is settled now; how many.

    A reading corrected since is brought anew, and what was attested of it is then open again.

    ProofError where the logs do not give what the chain committed to.
    """
    holders = _holders(rebuilt, campaign)
    missing = [
        (period, who)
        for period, who in holders.items()
        if campaign.export(period)[:2] != (rebuilt.crowdsales.export(who, period), True)
    ]
    require_same_commitments(market, rebuilt, {period: {who: 0} for period, who in missing})
    for some in _slices(missing):
        proofs = [(rebuilt.metering.evidence.of(AREA, p), who // PER_GROUP) for p, who in some]
        leaves = [commitment.leaf(group) for commitment, group in proofs]
        campaign.record_exports(
            by, leaves, [commitment.path(group) for commitment, group in proofs]
        )
    return len(missing)


def attest_premiums(market: Market, rebuilt: Rebuilt, campaign: EquityCampaign) -> int:
    """State what was paid above feed-in for every export on record, µEUR in all.

    A period without such a payment needs no word.
    """
    premiums = {}
    for period, holder in _holders(rebuilt, campaign).items():
        wh, recorded, attested = campaign.export(period)
        if recorded and not attested:
            sold = rebuilt.money.position(period, holder).net_wh
            paid = rebuilt.money.paid[period, holder]
            prices = rebuilt.tariffs.energy(AREA, period)
            premiums[period] = premium_micro_eur(wh, sold, paid, prices.retail, prices.feed_in)
    waiting = [period for period, premium in premiums.items() if premium]
    for some in _slices(waiting):
        campaign.attest_premiums(market.keys["attester"], some, [premiums[p] for p in some])
    return sum(premiums.values())


def _settled(rebuilt: Rebuilt, campaign: EquityCampaign) -> list[int]:
    first = campaign.read("firstPeriod")
    term = range(first, campaign.read("untilPeriod")) if first else range(0)
    return sorted(p for p in rebuilt.metering.finished_in(AREA) if p in term)


def _holders(rebuilt: Rebuilt, campaign: EquityCampaign) -> dict[int, int]:
    """Who was at the campaign's metering point, by settled period of its term; none where nobody was."""
    point = bytes(campaign.read("meteringPoint"))
    there = {
        period: rebuilt.members.holder_at(point, period) for period in _settled(rebuilt, campaign)
    }
    return {period: who.number for period, who in there.items() if who is not None}


def _slices(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), PERIODS_A_CALL):
        yield rows[start : start + PERIODS_A_CALL]
