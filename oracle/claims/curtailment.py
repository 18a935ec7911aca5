"""Brings every claim for curtailment to the contract that pays it, proven by the chain's own logs.

Who was held back, and by how much, is worked out by the model before anything is sent; a claim the DSO's
account does not cover waits. Who by a corrected reading is due less gives back what it has free. Done
again, it brings what is not paid or given back yet.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from eth_account.signers.local import LocalAccount

from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.bindings.curtailment import CurtailmentCompensation, Paid
from gridbourse.chain.deployment.market import AREA, Market
from gridbourse.chain.encoding.lanes import PER_GROUP
from gridbourse.chain.node.transactions import Reverted
from gridbourse.model.curtailment import compensation_micro_eur, held_back_wh
from oracle.common.errors import FeedError
from oracle.meter.corrections import require_same_commitments

log = logging.getLogger(__name__)

SHORT: Final = ("InsufficientMoney", "HouseMustCover", "OwedNotFree")
"""By what a claim is refused while the money of who has to pay it is not there."""


class Claims(NamedTuple):
    """What was paid and given back (below 0), and the claims for which there is no money."""

    paid: list[Paid]
    waiting: list[Paid]


def claim(
    market: Market, rebuilt: Rebuilt, by: LocalAccount, periods: Iterable[int] | None = None
) -> Claims:
    """Claim what settled periods held back; periods: only of these.

    ProofError where the logs do not give what the chain committed to; FeedError where the contract
    pays anything else than the model says.
    """
    found = Claims([], [])
    module = market.compensation
    if module is None:
        return found
    settled = rebuilt.metering.finished_in(AREA)
    wanted = sorted(settled if periods is None else settled & set(periods))
    for period in wanted:
        due = _by_group(period_claims(module, rebuilt, period))
        for group, claims in due:
            _require_proof(market, rebuilt, period, claims)
            _bring(market, module, rebuilt, by, group, claims, found)
    return found


def period_claims(module: CurtailmentCompensation, rebuilt: Rebuilt, period: int) -> list[Paid]:
    """What everybody capped in a period is still owed, or owes (below 0), in participant order."""
    reach = module.read("reachPermille")
    members, metering = rebuilt.members, rebuilt.metering
    feed_in = rebuilt.tariffs.energy(AREA, period).feed_in
    found = []
    for who in sorted(metering.capped(period)):
        profile = members.participants[who]
        reading = metering.evidence.reading_wh(AREA, period, who)
        if reading is None:
            continue
        cap = metering.caps_of(period, who)[0]
        wh = held_back_wh(module.stated(period, who), cap, reading, profile.capacity_wh, reach)
        wh -= module.paid_wh(period, who)
        fee = rebuilt.tariffs.fees(AREA, profile.zone, period).export_fee
        if wh:
            found.append(Paid(period, who, wh, compensation_micro_eur(wh, feed_in, fee)))
    return found


def _by_group(claims: Sequence[Paid]) -> Iterator[tuple[int, list[Paid]]]:
    for group in sorted({each.participant // PER_GROUP for each in claims}):
        yield group, [each for each in claims if each.participant // PER_GROUP == group]


def _require_proof(market: Market, rebuilt: Rebuilt, period: int, claims: Sequence[Paid]) -> None:
    require_same_commitments(market, rebuilt, {period: {each.participant: 0 for each in claims}})


def _bring(
    market: Market, module: CurtailmentCompensation, rebuilt: Rebuilt, by: LocalAccount,
    group: int, claims: Sequence[Paid], found: Claims,
) -> None:  # fmt: skip
    commitment = rebuilt.metering.evidence.of(AREA, claims[0].period)
    try:
        paid = module.compensate(by, AREA, commitment.leaf(group), commitment.path(group))
    except Reverted as refusal:
        if refusal.name not in SHORT:
            raise
        log.warning("period %d, group %d: waits: %s", claims[0].period, group, refusal)
        found.waiting.extend(claims)
        return
    done = {each.participant: each for each in paid}
    for due in claims:
        _compare(due, done.pop(due.participant, due._replace(held_back_wh=0, micro_eur=0)), found)
    if done:
        raise FeedError(
            f"curtailment: paid {list(done.values())} on the chain, nothing by the model"
        )


def _compare(due: Paid, done: Paid, found: Claims) -> None:
    """A claim is paid whole or waits; what is owed back comes as far as it is free, and the rest waits."""
    rest = Paid(*due[:2], due.held_back_wh - done.held_back_wh, due.micro_eur - done.micro_eur)
    part = due.held_back_wh < done.held_back_wh < 0 and due.micro_eur <= done.micro_eur <= 0
    if not part and done != due and (done.held_back_wh or done.micro_eur):
        raise FeedError(f"curtailment: paid {done} on the chain, {due} by the model")
    if done.held_back_wh:
        found.paid.append(done)
    if rest.held_back_wh:
        found.waiting.append(rest)
