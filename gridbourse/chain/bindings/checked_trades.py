"""A market whose trades wait for the DSO's verdict in groups (`CheckedTrades.sol`), for one area."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.bindings.grid_oracle import Caps, GridOracle
from gridbourse.chain.node.block_ranges import events_of
from gridbourse.chain.node.transactions import Chain
from gridbourse.model.trade import TradeWord


@dataclass(frozen=True)
class SealedTrades:
    """A sealed group: its number in the area and period, the chain's hash of it, and its trades."""

    number: int
    root: bytes
    trades: tuple[TradeWord, ...]


class Progress(NamedTuple):
    """Groups sealed so far, groups of them judged, and trades in the open group."""

    sealed: int
    judged: int
    in_open_group: int


class CheckedTrades(Bound):
    """Seals groups, brings verdicts, and lets overdue groups expire."""

    TRADE_EVENT = ""
    """The event that tells of trades: with `area` and `period` among its indexed values."""

    def __init__(self, chain: Chain, contract: Contract, area: int, first_block: int) -> None:
        super().__init__(chain, contract)
        self.area, self._first_block = area, first_block

    def words_of(self, event: dict[str, Any]) -> list[int]:
        """The trade words a trade event tells of, in order."""
        raise NotImplementedError

    # --- where the groups are ------------------------------------------------------------------

    def progress(self, period: int) -> Progress:
        """How far the trades of a period are; a group that expired without a verdict counts as judged."""
        _, sealed, judged, in_open_group, _ = self.read("ledgerOf", self.area, period)
        return Progress(sealed, judged, in_open_group)

    def judged(self, period: int) -> int:
        """How many groups have a verdict, or expired without one."""
        return self.progress(period).judged

    def waiting(self, period: int) -> int:
        """Trades without a verdict: those of sealed groups and those of the open one."""
        groups, judged, waiting = self.progress(period)
        for number in range(judged, groups):
            waiting += self.read("sealedGroupOf", self.area, period, number)[1]
        return waiting

    def sealed(self, period: int) -> list[SealedTrades]:
        """The groups that wait for a verdict, in order, with their trades from the log."""
        groups, judged, _ = self.progress(period)
        if groups == judged:
            return []
        words = self.trades(period)
        found, start = [], 0
        for number in range(groups):
            _, count, _, root = self.read("sealedGroupOf", self.area, period, number)
            some = words[start : start + count]
            start += count
            if number >= judged:
                found.append(SealedTrades(number, root, tuple(map(TradeWord.unpack, some))))
        return found

    def trades(self, period: int) -> list[int]:
        """Every trade of a period as a word, in order, from the log."""
        return [word for event in self.trade_events(period) for word in self.words_of(event)]

    def trade_events(self, period: int) -> list[dict[str, Any]]:
        """Every event that tells of trades of a period, in order, from the log."""
        event = self.contract.events[self.TRADE_EVENT]()
        filters = {"area": self.area, "period": period}
        last = self.chain.w3.eth.block_number
        return [dict(log["args"]) for log in events_of(event, self._first_block, last, filters)]

    # --- what moves them on --------------------------------------------------------------------

    def seal(self, by: LocalAccount, period: int) -> None:
        """Seal the open group where it has trades."""
        if self.progress(period).in_open_group:
            self.write(by, "seal group", "sealGroup", self.area, period)

    def expire(self, by: LocalAccount, period: int) -> None:
        """Reject every sealed group without a verdict; Reverted while one may still come."""
        for group in self.sealed(period):
            words = [trade.pack() for trade in group.trades]
            self.write(by, "expire", "expire", self.area, period, group.number, words)

    def booked(self, period: int) -> bool:
        """Whether the gate is closed and no trade waits."""
        return self.read("booked", self.area, period)


@dataclass(frozen=True)
class TradeDesk:
    """What the grid feed needs of such a market: it seals and judges by the grid oracle's account."""

    name: str
    market: CheckedTrades
    grid: GridOracle

    def seal(self, period: int) -> None:
        """Seal the open group of a period, where it has trades."""
        self.market.seal(self.grid.account, period)

    def judged(self, period: int) -> int:
        """How many groups of the period have a verdict, or expired without one."""
        return self.market.judged(period)

    def sealed(self, period: int) -> list[SealedTrades]:
        """The groups that wait for a verdict, in order."""
        return self.market.sealed(period)

    def judge(
        self,
        period: int,
        group: SealedTrades,
        rejected: list[int],
        caps: Caps,
        report_hash: bytes,
    ) -> str:
        """Judge the next group; the last transaction's hash."""
        words = [trade.pack() for trade in group.trades]
        return self.grid.judge(
            self.market.address, period, group.number, words, rejected, caps, report_hash
        )
