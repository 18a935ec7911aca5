"""Verdicts of the DSO on trades, and its caps without trades, rebuilt (`GridOracle.sol`)."""

from gridbourse.audit.core.context import Common
from gridbourse.audit.core.events import Event
from gridbourse.audit.core.modules import Modules
from gridbourse.audit.markets.call_auction import Pool
from gridbourse.audit.markets.checked_trades import CheckedTrades


class Verdicts:
    """Verdicts on trades one by one; those on a cleared book are with the call auction."""

    def __init__(self, common: Common, modules: Modules, pool: Pool | None) -> None:
        self._caps, self._clock, self._findings = common.caps, common.clock, common.findings
        self._modules, self._pool = modules, pool

    def trades_judged(self, event: Event) -> None:
        """TradesJudged: just after the decision of its market and the caps."""
        if event["groups"]:
            self.schedule_capped(event)
        market = self._modules.of(event)
        if isinstance(market, CheckedTrades):
            market.judged(event)
        elif market is not None:
            place = event.at("area", "period")
            self._findings.require("verdict", place, False, "a pool has no trades to judge")

    def schedule_capped(self, event: Event) -> None:
        """ScheduleCapped: before delivery, and not while a cleared book waits for its verdict."""
        area, period = event["area"], event["period"]
        where = f"caps, {event.at('area', 'period')}"
        if self._pool:
            self._pool.cap_schedule(area, period, event["groups"], where)
            return
        self._clock.require_undelivered(period, where)
        self._caps.enforce(area, period)
        for word in event["groups"]:
            self._caps.lower(area, period, word, where)
