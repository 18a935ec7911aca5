"""Verified flexibility that readings corrected later make something else of: has it reviewed, by anyone.

What is due follows from the logs: legs as verified, and the readings that their periods stand on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from eth_account.signers.local import LocalAccount

from gridbourse.audit.flexibility.review import Due
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.bindings.flexibility_review import evidence_for
from gridbourse.chain.deployment.market import AREA, Market
from gridbourse.chain.encoding.commitment import ProofError


class Reviewed(NamedTuple):
    """What a review came to for a seller, Wh delivered before and now.

    micro_eur: what payment, its share of it and penalty change its account by; what its energy is
    charged changes besides.
    """

    period: int
    request: int
    participant: int
    was_wh: int
    is_wh: int
    micro_eur: int


def book_reviews(
    market: Market, rebuilt: Rebuilt, by: LocalAccount, periods: Iterable[int] | None = None
) -> list[Reviewed]:
    """Have every leg reviewed that is due, of these periods or of all; `rebuilt` is kept up with it.

    So it may be done again after an interruption anywhere. ProofError, before anything of a period is sent,
    where the logs do not give what the chain committed to.
    """
    if rebuilt.flexibility is None:
        return []
    reviews = rebuilt.flexibility.reviews
    there = sorted({period for area, period, *_ in reviews.legs if area == AREA})
    wanted = there if periods is None else sorted(set(periods) & set(there))
    found = []
    for period in wanted:
        due = reviews.due(AREA, period)
        if due:
            _require_same_commitments(market, rebuilt, period)
        found += [_review(market, rebuilt, by, one) for one in due]
    return found


def _review(market: Market, rebuilt: Rebuilt, by: LocalAccount, due: Due) -> Reviewed:
    leg, found = due
    assert rebuilt.flexibility is not None
    reviews = rebuilt.flexibility.reviews
    path = reviews.commitments[leg.area, leg.period].path(leg)
    commitment = rebuilt.metering.evidence.of(leg.area, leg.period)
    seller, buyer = evidence_for(commitment, leg, found.more_wh)
    market.flexibility.review.review(by, leg, path, seller, buyer)
    reviews.book(leg, found)
    now = found.finding.delivered_wh
    money = sum(amount for who, amount in found.changes if who == leg.participant)
    return Reviewed(leg.period, leg.number, leg.participant, now - found.more_wh, now, money)


def _require_same_commitments(market: Market, rebuilt: Rebuilt, period: int) -> None:
    """A proof made of logs that are not the chain's would only be refused: say so before."""
    assert rebuilt.flexibility is not None
    verified = rebuilt.flexibility.reviews.commitments[AREA, period].value
    settled = rebuilt.metering.evidence.of(AREA, period).value
    told = market.flexibility.delivery.read("verifiedOf", AREA, period)
    if (verified, settled) != (told, market.settlement.commitment(AREA, period)):
        raise ProofError(f"period {period}: the log does not give what the chain committed to")
