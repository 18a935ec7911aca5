"""The DSO's oracle contract: verdicts on a pool's book and on trades, caps, for one market area."""

from collections.abc import Collection, Mapping, Sequence

from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from gridbourse.chain.bindings.call_auction import CallAuction
from gridbourse.chain.bindings.clearing_house import lanes_set
from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.encoding.lanes import ALL_GROUPS, MASK56, PER_GROUP, energy_lane, group_words
from gridbourse.chain.node.transactions import Chain
from gridbourse.model.caps import NO_CAP

CAP_GROUPS_A_CALL = 40
"""Groups of four capped in one transaction: 12 M gas when every one of them has to shrink its order."""
UNJUDGED, CAPPING = 0, 1
"""Of `IGridOracle.Verdict`: what is no whole verdict."""
VERDICTS = ("none", "capping", "capped", "accepted", "fallback")

Caps = Mapping[int, tuple[int, int]]
"""(export, import) Wh by participant; who has none is left out."""


class GridOracle(Bound):
    """Port of the DSO feed, for one market area. auction: the pool, None where there is none."""

    ALGORITHM = 1

    def __init__(
        self,
        chain: Chain,
        contract: Contract,
        account: LocalAccount,
        auction: CallAuction | None,
        area: int,
    ) -> None:
        super().__init__(chain, contract)
        self.account, self._auction, self.area = account, auction, area
        self._registry = chain.bind("ParticipantRegistry", self.read("registry"))
        self._house = chain.bind("ClearingHouse", self.read("clearingHouse"))

    @property
    def auction(self) -> CallAuction:
        """The pool whose book is judged."""
        assert self._auction is not None, "asked of a market without a pool"
        return self._auction

    # --- the pool ------------------------------------------------------------------------------

    def cleared(self, period: int) -> bool:
        """Whether a cleared book waits for a verdict."""
        return self.auction.read("bookOf", self.area, period)[0]

    def round(self, period: int) -> int:
        """Clearings the period had before the one that stands."""
        return self.auction.read("bookOf", self.area, period)[1]

    def judged(self, period: int, round_: int) -> bool:
        """Whether the chain has a whole verdict on this round, or one on a later round."""
        verdict, at_round, _ = self.read("verdictOf", self.area, period)
        if verdict in (UNJUDGED, CAPPING):
            return at_round > round_
        return at_round >= round_

    def book_root(self, period: int) -> bytes:
        """Running hash of the book a verdict binds."""
        return self.auction.read("bookOf", self.area, period)[2]

    def positions_wh(self, period: int) -> dict[int, int]:
        """Net contracts of the clearing that stands, + = sells."""
        return {who: fill.net_wh for who, fill in self.auction.fills(self.area, period).items()}

    def accept(self, period: int, round_: int, book_root: bytes, report_hash: bytes) -> str:
        """Accept the cleared book; the transaction's hash."""
        receipt = self.write(
            self.account, "verdict", "accept",
            self.area, period, round_, book_root, self.ALGORITHM, report_hash,
        )  # fmt: skip
        return receipt["transactionHash"].to_0x_hex()

    def cap(
        self, period: int, round_: int, book_root: bytes, caps: Caps, report_hash: bytes
    ) -> str:
        """Cap participants and have the book cleared again; the last hash.

        Who is in force capped already keeps at most its present cap: caps only fall. Groups where
        nothing falls are left out, so what an interrupted call has brought in is not sent again,
        unless somebody's order came in after its cap and is beyond it.
        """
        pages = _pages(self._fallen(period, caps, self._beyond(period, caps))) or [[]]
        for page in pages:
            last = page is pages[-1]
            receipt = self.write(
                self.account, "caps", "cap",
                self.area, period, round_, book_root, self.ALGORITHM, report_hash, page, last,
                units=len(caps) if last else 0,
            )  # fmt: skip
        return receipt["transactionHash"].to_0x_hex()

    # --- trades, and what flows without one ----------------------------------------------------

    def judge(
        self,
        market: str,
        period: int,
        group: int,
        trades: Sequence[int],
        rejected: Sequence[int],
        caps: Caps,
        report_hash: bytes,
    ) -> str:
        """Judge a sealed group of a market's trades (words in order); the last transaction's hash.

        rejected: places in the group. More caps than one transaction bears go ahead of the verdict.
        """
        *ahead, words = _pages(self._fallen(period, caps)) or [[]]
        for page in ahead:
            self._cap_schedule(period, page, report_hash)
        bits = sum(1 << place for place in rejected)
        receipt = self.write(
            self.account, "judge trades", "judge",
            market, self.area, period, group, trades, bits, self.ALGORITHM, report_hash, words,
            units=len(trades),
        )  # fmt: skip
        return receipt["transactionHash"].to_0x_hex()

    def cap_schedule(self, period: int, caps: Caps, report_hash: bytes) -> str:
        """Cap what flows without a verdict on any trade, as `cap` does; the last hash."""
        for page in _pages(self._fallen(period, caps)) or [[]]:
            tx_hash = self._cap_schedule(period, page, report_hash)
        return tx_hash

    def _cap_schedule(self, period: int, words: Sequence[int], report_hash: bytes) -> str:
        receipt = self.write(
            self.account, "caps", "capSchedule",
            self.area, period, self.ALGORITHM, report_hash, words,
            units=len(words),
        )  # fmt: skip
        return receipt["transactionHash"].to_0x_hex()

    # --- what there is -------------------------------------------------------------------------

    def groups(self) -> list[int]:
        """Groups of four of the area, in participant order."""
        return self._registry.functions.groupsOf(self.area, 0, ALL_GROUPS).call()

    def booked_wh(self, period: int) -> dict[int, tuple[int, int]]:
        """(sold, bought) Wh of the participants that have traded, over all markets."""
        groups = self.groups()
        words = self._house.functions.positionsOfGroups(self.area, period, groups).call()
        return lanes_set(groups, words, unset=0)

    def caps(self, period: int) -> dict[int, tuple[int, int]]:
        """(export, import) caps in force by participant; who has none is left out."""
        if not self.read("verdictOf", self.area, period)[2]:
            return {}
        groups = self.groups()
        return lanes_set(groups, self.read("capsOfGroups", period, groups), unset=MASK56)

    def _beyond(self, period: int, caps: Caps) -> set[int]:
        """Groups in which the cleared book has more than a cap leaves room for."""
        return {
            who // PER_GROUP
            for who, wh in self.positions_wh(period).items()
            if who in caps and not -caps[who][1] <= wh <= caps[who][0]
        }

    def _fallen(self, period: int, caps: Caps, always: Collection[int] = ()) -> list[int]:
        """Words of the groups in which a cap falls below the one in force, and of some always."""
        present = self.caps(period)
        lanes, fallen = {}, set(always)
        for who in {*caps, *present}:
            former = present.get(who, (NO_CAP, NO_CAP))
            both = zip(caps.get(who, former), former, strict=True)
            lanes[who] = energy_lane(*map(min, both))
            if lanes[who] != energy_lane(*former):
                fallen.add(who // PER_GROUP)
        return group_words(
            {who: lane for who, lane in lanes.items() if who // PER_GROUP in fallen}, empty=MASK56
        )


def _pages(words: list[int]) -> list[list[int]]:
    """So many words at a time as one transaction bears."""
    return [words[at : at + CAP_GROUPS_A_CALL] for at in range(0, len(words), CAP_GROUPS_A_CALL)]
