"""Curtailment compensation in a replay: claimed once all is settled, from the fees the DSO has by then."""

from gridbourse.audit.history import read_history
from gridbourse.chain.bindings.curtailment import Paid
from gridbourse.chain.bindings.house_accounts import DSO_ACCOUNT
from gridbourse.chain.deployment.market import Market
from oracle.claims.curtailment import claim
from replay.accounting import COMPENSATION
from replay.markets.market import Transfer


def compensate(market: Market) -> list[Transfer]:
    """Claim everything that was held back; returns the payments, none in a market without compensation."""
    if market.compensation is None:
        return []
    claims = claim(market, read_history(market).rebuilt, market.keys["operator"])
    return [_transfer(paid) for paid in claims.paid if paid.micro_eur]


def _transfer(paid: Paid) -> Transfer:
    if paid.micro_eur > 0:
        return Transfer(DSO_ACCOUNT, paid.participant, COMPENSATION, paid.micro_eur)
    return Transfer(paid.participant, DSO_ACCOUNT, COMPENSATION, -paid.micro_eur)
