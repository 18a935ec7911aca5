"""A market of the fake chain whose trades are judged in groups; on the rules of `CheckedTrades.sol`."""

from collections.abc import Sequence

from gridbourse.chain.bindings.checked_trades import SealedTrades
from gridbourse.model.trade import TradeWord
from oracle.dso.trade_groups import with_trades
from oracle.dso.verdict import NumberedCaps
from tests.oracle.fake_chain import GridChain, Refused


class TradeChain(GridChain):
    """A chain without a pool: books what is accepted, and lets caps only fall."""

    def fall(self, period: int, caps: NumberedCaps) -> None:
        for number, former in self.caps(period).items():
            if any(new > old for new, old in zip(caps[number], former, strict=True)):
                raise Refused(f"cap of {number} raised")
        self.in_force[period] = dict(caps)

    def cap_schedule(self, period: int, caps: NumberedCaps, report_hash: bytes) -> str:
        self.fall(period, caps)
        self.posts.append(("schedule", period, 0, b"", report_hash))
        return "0xschedule"


class TradeMarket:
    """One market on a fake chain, all its trades of one period."""

    def __init__(self, chain: TradeChain, name: str = "book"):
        self.name = name
        self._chain = chain
        self._groups: list[SealedTrades] = []
        self._judged = 0
        self.open: list[TradeWord] = []
        self.verdicts: list[tuple[int, tuple[int, ...], bytes]] = []

    def seal(self, period: int) -> None:
        if self.open:
            number = len(self._groups)
            self._groups.append(SealedTrades(number, bytes([number] * 20), tuple(self.open)))
            self.open = []

    def judged(self, period: int) -> int:
        return self._judged

    def sealed(self, period: int) -> Sequence[SealedTrades]:
        return self._groups[self._judged :]

    def judge(
        self, period: int, group: SealedTrades, rejected: Sequence[int], caps: NumberedCaps,
        report_hash: bytes,
    ) -> str:  # fmt: skip
        if group.number != self._judged:
            raise Refused(f"group {group.number} is not the next")
        self._chain.fall(period, caps)
        accepted = [t for place, t in enumerate(group.trades) if place not in rejected]
        self._chain.booked = with_trades(self._chain.booked, accepted)
        self._judged += 1
        self.verdicts.append((group.number, tuple(rejected), report_hash))
        return f"0xjudged{group.number}"
