"""The compensation of a replay: claimed once all is settled, from the fees the DSO has by then."""

from gridbourse.chain.contracts import DSO_ACCOUNT
from gridbourse.chain.deploy import Market
from oracle.corrections import read_history
from oracle.curtailment import claim
from replay.accounting import COMPENSATION
from replay.venues.venue import Transfer


def compensate(market: Market) -> list[Transfer]:
    """Claim everything that was held back; what was paid. Nothing where the market pays for nothing."""
    if market.compensation is None:
        return []
    claims = claim(market, read_history(market).rebuilt, market.keys["operator"])
    return [
        Transfer(DSO_ACCOUNT, paid.participant, COMPENSATION, paid.micro_eur)
        for paid in claims.paid
        if paid.micro_eur
    ]
