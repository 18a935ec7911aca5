"""Legs that the meter verified, hash by hash, and the contract that measures them anew."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.encoding.commitment import (
    NOTHING_SETTLED,
    Commitment,
    Leaf,
    Path,
    ProofError,
    chain_of,
    path_of,
)
from gridbourse.chain.encoding.lanes import PER_GROUP
from gridbourse.model.flexibility.products import Way
from gridbourse.model.house_accounts import is_participant

NAME = "FlexibilityReview"
NO_LEAF = Leaf(0, 0, 0, 0, 0)
NO_PATH = Path([], NOTHING_SETTLED, [])


class VerifiedLeg(NamedTuple):
    """Leg as verified; see `VerifiedLeg.sol`. Wh, µEUR; direction: 1 up, 2 down."""

    area: int
    period: int
    number: int
    participant: int
    buyer: int
    aggregator: int
    permille: int
    direction: int
    declared: bool
    stands_by: bool
    penalty_percent: int
    compensation_micro_eur_per_wh: int
    wh: int
    price_micro_eur_per_wh: int
    bond_micro_eur: int
    baseline_wh: int
    metered_wh: int
    before_wh: int
    compensated_micro_eur: int

    @property
    def hash(self) -> bytes:
        """608 bytes are hashed here and 64 in an inner node, so that no node passes for a leg."""
        return keccak(encode([_TYPES.get(name, "uint256") for name in self._fields], self))


_TYPES = {"declared": "bool", "stands_by": "bool", "baseline_wh": "int256", "metered_wh": "int256"}


class VerifiedLegs:
    """The legs of one area and period, call by call, and the hash that stands for all of them."""

    def __init__(self) -> None:
        self.calls: list[list[VerifiedLeg]] = []

    def extend(self, legs: Sequence[VerifiedLeg]) -> None:
        """Add what one more call verified by the meter, in its order."""
        if legs:
            self.calls.append(list(legs))

    @property
    def value(self) -> bytes:
        """As `FlexibilityDelivery.verifiedOf` has it."""
        return chain_of(self._hashes())

    def path(self, leg: VerifiedLeg) -> Path:
        """Proof that a leg is part of the commitment; ProofError when it is not."""
        for call, legs in enumerate(self.calls):
            if leg in legs:
                return path_of(self._hashes(), call, legs.index(leg))
        raise ProofError(f"no leg of participant {leg.participant} was verified so")

    def _hashes(self) -> list[list[bytes]]:
        return [[leg.hash for leg in legs] for legs in self.calls]


class ReviewEvidence(NamedTuple):
    """Evidence that a group was settled on or last corrected to, with its proof."""

    leaf: Leaf = NO_LEAF
    path: Path = NO_PATH


class FlexibilityReview(Bound):
    """Measures verified legs by the readings that settlement stands on."""

    def review(
        self,
        by: LocalAccount,
        leg: VerifiedLeg,
        path: Path,
        seller: ReviewEvidence,
        buyer: ReviewEvidence = ReviewEvidence(),  # noqa: B008 - it never changes
    ) -> Mapping[str, Any]:
        """Review a leg; what it comes to now, as the event says it. Reverted where it stands."""
        receipt = self.write(by, "flexibility review", "review", leg, path, seller, buyer)
        (event,) = self.events_in(receipt, "LegReviewed")
        return event


def evidence_for(
    commitment: Commitment, leg: VerifiedLeg, more_wh: int
) -> tuple[ReviewEvidence, ReviewEvidence]:
    """Evidence of seller and buyer for a review of a leg that delivered `more_wh` beyond what stood (−
    less).

    `commitment` is afterwards what the review makes of it.
    """
    seller = _proven(commitment, leg.participant)
    if not more_wh:
        return seller, ReviewEvidence()
    sold, bought = (more_wh, 0) if leg.direction == Way.UP else (0, more_wh)
    commitment.replace(seller.leaf.repositioned(leg.participant, sold, bought))
    if not is_participant(leg.buyer):
        return seller, ReviewEvidence()
    buyer = _proven(commitment, leg.buyer)
    commitment.replace(buyer.leaf.repositioned(leg.buyer, bought, sold))
    return seller, buyer


def _proven(commitment: Commitment, participant: int) -> ReviewEvidence:
    group = participant // PER_GROUP
    return ReviewEvidence(commitment.leaf(group), commitment.path(group))
