"""What a participant sold in a period, rebuilt from the logs of every market."""

from gridbourse.audit.book import Phase
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.trades import CheckedTrades
from gridbourse.model.trade_word import TradeWord

Sale = tuple[int, int]
"""(Wh, µEUR per Wh)."""


def sales_of(rebuilt: Rebuilt, area: int, period: int, participant: int) -> list[Sale]:
    """Every sale that was booked, of the pool and of markets whose trades the DSO judges one by one."""
    found = _in_pool(rebuilt, area, period, participant)
    for market in rebuilt.markets:
        if isinstance(market, CheckedTrades):
            found += _judged(market, area, period, participant)
    return found


def _in_pool(rebuilt: Rebuilt, area: int, period: int, participant: int) -> list[Sale]:
    book = rebuilt.pool.books.get((area, period)) if rebuilt.pool else None
    if book is None or book.phase is not Phase.BOOKED or participant not in book.fills:
        return []
    sold = book.fills[participant].sold_wh
    return [(sold, book.payments[participant] // sold)] if sold else []


def _judged(market: CheckedTrades, area: int, period: int, participant: int) -> list[Sale]:
    ledger = market.ledger(area, period)
    trades = [
        TradeWord.unpack(word)
        for group, rejected in ledger.decided.items()
        for at, word in enumerate(ledger.sealed[group])
        if not rejected >> at & 1
    ]
    return [(wh, price) for seller, _, wh, price in trades if seller == participant]
