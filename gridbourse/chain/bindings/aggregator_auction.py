"""The aggregators' auctions on the chain (`AggregatorAuction.sol`): posted, answered, cleared, awarded."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from eth_abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from gridbourse.chain.bindings.checked_trades import CheckedTrades
from gridbourse.chain.encoding.lanes import BID, group_words, order_lane
from gridbourse.model.aggregator_auction import Auction

COMMITMENT_BYTES = 28
CLEARED, ENDED = 1, 2
"""Of `AuctionBoard.Phase`; 0 is open."""
FIRST_ANSWER = 1
"""Sequence of every answer as an order lane: the last one counts."""


class Answer(NamedTuple):
    """What a participant answers an auction with; 0 Wh takes an answer back."""

    tick: int
    wh: int


def commitment_to(participant: int, answer: Answer, salt: bytes) -> bytes:
    """What a sealed answer is committed to by; the salt is 32 random bytes."""
    values = encode(["uint256", "uint256", "uint256", "bytes32"], [participant, *answer, salt])
    return keccak(values)[:COMMITMENT_BYTES]


def answer_words(answers: Mapping[int, Answer]) -> list[int]:
    """Answers by participant number as the words of a batch."""
    return group_words(
        {who: order_lane(BID, a.tick, a.wh, FIRST_ANSWER) for who, a in answers.items()}
    )


class AggregatorAuction(CheckedTrades):
    """The auctions of one market area."""

    TRADE_EVENT = "Awarded"

    def words_of(self, event: dict[str, Any]) -> list[int]:
        """The trades of one page of awards."""
        return list(event["trades"])

    def post(
        self, aggregator: LocalAccount, period: int, auction: Auction, is_sealed: bool = False
    ) -> int:
        """Post an auction; its number in the period."""
        receipt = self.write(
            aggregator, "post auction", "post", period, auction.buys, auction.wh, auction.tick,
            auction.pay_as_bid, is_sealed,
        )  # fmt: skip
        return self.events_in(receipt, "AuctionPosted")[0]["auction"]

    def answer(
        self, by: LocalAccount, period: int, number: int, participant: int, answer: Answer
    ) -> None:
        """One answer: the participant's own, or under its mandate or contract."""
        self.write(by, "answer", "answer", self.area, period, number, participant, *answer)

    def answer_batch(
        self, by: LocalAccount, period: int, number: int, answers: Mapping[int, Answer]
    ) -> None:
        """Answers by participant number, of a gateway under mandate or an aggregator for its own; those
        left out are in the log."""
        receipt = self.write(
            by, "answers batch", "answerBatch", self.area, period, number, answer_words(answers),
            units=len(answers),
        )  # fmt: skip
        self.tell_left_out(receipt, "AnswerLeftOut")

    def commit(self, by: LocalAccount, period: int, number: int, commitment: bytes) -> None:
        """Answer under seal, with a bond."""
        self.write(by, "commit answer", "commit", self.area, period, number, commitment)

    def reveal(
        self, by: LocalAccount, period: int, number: int, answer: Answer, salt: bytes
    ) -> None:
        """Reveal what was committed to; the bond comes back."""
        self.write(by, "reveal answer", "reveal", self.area, period, number, *answer, salt)

    def forfeit(self, by: LocalAccount, period: int, number: int, participant: int) -> None:
        """Give the bond of an answer that was never revealed to the aggregator."""
        self.write(by, "forfeit bond", "forfeit", self.area, period, number, participant)

    def posted(self, period: int) -> int:
        """How many auctions the period has; they are numbered from 0."""
        return self.read("boardOf", self.area, period)[1]

    def phase(self, period: int, number: int) -> int:
        """0 open, `CLEARED`, `ENDED`."""
        return self.read("auctionOf", self.area, period, number)[5]

    def clear(self, by: LocalAccount, period: int, number: int) -> int:
        """Clear after gate closure; Wh awarded."""
        receipt = self.write(by, "clear auction", "clear", self.area, period, number)
        return self.events_in(receipt, "AuctionCleared")[0]["volumeWh"]

    def award(
        self, by: LocalAccount, period: int, number: int, groups_a_call: int, units: int = 0
    ) -> None:
        """Award every answer, in as many transactions as it takes; `units` counts them for the gas."""
        while self.phase(period, number) != ENDED:
            self.write(by, "award", "award", self.area, period, number, groups_a_call, units=units)
            units = 0

    def finish(self, by: LocalAccount, period: int, groups_a_call: int) -> None:
        """After gate closure clear and award whatever nobody did yet."""
        for number in range(self.posted(period)):
            if self.phase(period, number) < CLEARED:
                self.clear(by, period, number)
            self.award(by, period, number, groups_a_call)
