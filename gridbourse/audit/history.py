"""Market as its whole log gives it."""

from __future__ import annotations

from typing import NamedTuple

from gridbourse.audit.check import start
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import logs_of, rules_of
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.operations.event_log import deployment_logs


class History(NamedTuple):
    """Market as its logs give it.

    estimates: energy settled in place of a missing reading, Wh by period and participant number.
    """

    rebuilt: Rebuilt
    estimates: dict[int, dict[int, int]]


def read_history(market: Market) -> History:
    """Rebuild the market; AuditError for a log that cannot be read."""
    decoder, rebuilt = start(market.record, rules_of(market.record))
    events = list(decoder.decode(logs_of(deployment_logs(market))))
    rebuilt.walk(events)
    estimates: dict[int, dict[int, int]] = {}
    for event in events:
        if event.name == "ReadingEstimated":
            of_period = estimates.setdefault(event["period"], {})
            of_period[event["participant"]] = event["estimateWh"]
    return History(rebuilt, estimates)
