"""Curtailment compensation in a replay: claimed once all is settled, from the fees the DSO has by then."""

from gridbourse.chain.bindings.curtailment import Paid
from gridbourse.chain.deployment.market import Market
from gridbourse.index.history import read_history
from oracle.claims.curtailment import claim
from replay.accounting import COMPENSATION
from replay.markets.market import Transfer


def compensate(market: Market) -> list[Transfer]:
    """Claim everything that was held back; returns the payments, none in a market without compensation."""
    if market.compensation is None:
        return []
    claims = claim(market, read_history(market).rebuilt, market.keys["operator"])
    return [_transfer(paid, market.dso_account) for paid in claims.paid if paid.micro_eur]


def _transfer(paid: Paid, dso: int) -> Transfer:
    if paid.micro_eur > 0:
        return Transfer(dso, paid.participant, COMPENSATION, paid.micro_eur)
    return Transfer(paid.participant, dso, COMPENSATION, -paid.micro_eur)
