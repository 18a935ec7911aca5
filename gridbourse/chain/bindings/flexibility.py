"""The flexibility market: its contracts for one market area, and what is deployed with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from eth_abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from gridbourse.chain.bindings.checked_trades import CheckedTrades
from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.bindings.flexibility_review import NAME as REVIEW
from gridbourse.chain.bindings.flexibility_review import FlexibilityReview
from gridbourse.chain.encoding.arguments import label
from gridbourse.chain.encoding.lanes import ALL_GROUPS
from gridbourse.chain.node.transactions import Chain
from gridbourse.model.flexibility.products import Product, Way
from gridbourse.model.trade import TradeWord

NO_SEED, NO_SALT = bytes(32), bytes(16)
PHASES = ("open", "cleared", "void", "awarded", "ended")
AWARDED, VOID_OR_CLEARED = PHASES.index("awarded"), (1, 2)


def product_tuple(product: Product, mtu_seconds: int) -> tuple[Any, ...]:
    """As `FlexibilityProducts.add` takes it; ProductError where it would be refused."""
    product.require_sound(mtu_seconds)
    return (
        label("add", product.name), product.directions, product.symmetric, int(product.reactive),
        product.minimum_bid_wh(mtu_seconds), product.full_activation_seconds,
        product.duration_seconds, product.evidence_seconds, product.method,
        product.penalty_percent, product.compensation_micro_eur_per_wh, int(product.buyers),
    )  # fmt: skip


def lot_commitment(seed: bytes) -> bytes:
    """Commitment to the seed (32 bytes) of the buyer of a request by declared schedules."""
    return keccak(encode(["bytes32"], [seed]))


def salt_commitment(salt: bytes) -> bytes:
    """Commitment to the salt (16 bytes) of the agent of offers by declared schedules."""
    return keccak(encode(["bytes16"], [salt]))


def lot_drawn(
    seed: bytes, salt: bytes, area: int, period: int, number: int, participant: int
) -> int:
    """Draw of the lot of a request for a participant; see `gridbourse.model.flexibility.market.called`.

    seed: of the buyer, 32 bytes; salt: of who brought the offer, 16 bytes.
    """
    places = (area, period, number, participant)
    types = ["bytes32", "bytes16", *["uint256"] * 4]
    return int.from_bytes(keccak(encode(types, [seed, salt, *places])))


def token_id(product: int, zone: int, way: Way, period: int) -> int:
    """Number of the token for flexibility of a product, needed in a zone, in a direction and period."""
    return product << 64 | zone << 48 | int(way) << 32 | period


class RequestTerms(NamedTuple):
    """Terms of a buyer's request; tick: its ceiling price; only: the one seller, 0 = all."""

    product: int
    zone: int
    way: Way
    pay_as_bid: bool
    wh: int
    tick: int
    closes_at: int
    only: int = 0
    lot: bytes = NO_SEED


class Row(NamedTuple):
    """An offer in a participant's name; 0 Wh takes it back."""

    participant: int
    tick: int
    wh: int


class Report(NamedTuple):
    """Of the verifier: baseline of one seller (or, without a meter, what was delivered) and its evidence."""

    participant: int
    wh: int
    evidence_seconds: int
    evidence: bytes


class Leg(NamedTuple):
    """Leg of a participant under a request: what it owes, or stands by with."""

    wh: int
    price_micro_eur_per_wh: int
    bond_micro_eur: int
    stands_by: bool


class FlexibilityMarket(CheckedTrades):
    """Awards, verdicts and legs."""

    TRADE_EVENT = "FlexibilityAwarded"

    def words_of(self, event: dict[str, Any]) -> list[int]:
        """Trades of one page of awards."""
        return list(event["trades"])

    def awarded(self, period: int) -> list[tuple[int, list[int]]]:
        """(request, its trade words) of every award of a period, in order, from the log."""
        return [(event["request"], list(event["trades"])) for event in self.trade_events(period)]

    def phase(self, period: int, number: int) -> str:
        """Of a request: one of PHASES."""
        return PHASES[self.read("requestOf", self.area, period, number)[5]]

    def requests(self, period: int) -> int:
        """How many requests the area has in the period."""
        return self.read("boardOf", self.area, period)[1]

    def award(
        self, by: LocalAccount, period: int, number: int, groups_a_call: int = ALL_GROUPS
    ) -> list[TradeWord]:
        """Award a cleared request in as many calls as it takes; its trades, which then wait for a verdict."""
        words: list[int] = []
        while self.phase(period, number) in ("cleared", "void"):
            receipt = self.write(
                by, "flexibility award", "award", self.area, period, number, groups_a_call
            )
            words += [
                w for event in self.events_in(receipt, self.TRADE_EVENT) for w in event["trades"]
            ]
        return [TradeWord.unpack(word) for word in words]

    def legs(self, period: int, number: int, participants: Sequence[int]) -> dict[int, Leg]:
        """Open legs of a request by participant; who has none is left out."""
        found = self.read("legsOf", self.area, period, number, list(participants))
        legs = (Leg(*values) for values in found)
        return {who: leg for who, leg in zip(participants, legs, strict=True) if leg.wh}


class FlexibilityToken(Bound):
    """Tokens for verified delivery."""

    def holding(self, holder: str, token: int) -> tuple[int, int]:
        """(Wh, claim in µEUR) of an address."""
        return self.read("balanceOf", holder, token), self.read("claimOf", token, holder)

    def supply(self, token: int) -> tuple[int, int]:
        """(Wh, claims in µEUR) of all holders: verified and not redeemed."""
        wh, claims = self.read("supplyOf", token)
        return wh, claims

    def transfer(self, by: LocalAccount, to: str, token: int, wh: int) -> None:
        """Move tokens with their part of the claim to an account of the clearing house."""
        self.write(by, "flexibility transfer", "safeTransferFrom", by.address, to, token, wh, b"")

    def redeem(self, by: LocalAccount, tokens: Sequence[int]) -> None:
        """Burn all the caller holds of these; their claims go to its account."""
        self.write(by, "flexibility redeem", "redeem", list(tokens), units=len(tokens))

    def follow(self, by: LocalAccount, former: str, tokens: Sequence[int]) -> None:
        """Move all a replaced account holds of these to its participant's present one; anyone may."""
        self.write(by, "flexibility follow", "follow", former, list(tokens), units=len(tokens))


@dataclass(frozen=True)
class Flexibility:
    """The contracts of the flexibility market in one market area."""

    area: int
    market: FlexibilityMarket
    requests: Bound
    products: Bound
    schedules: Bound
    delivery: Bound
    token: FlexibilityToken
    review: FlexibilityReview

    @classmethod
    def bind(
        cls, chain: Chain, at: Mapping[str, str], area: int, first_block: int
    ) -> "Flexibility":
        """at: addresses by contract name."""
        bound = {name: chain.bind(name, address) for name, address in at.items()}
        return cls(
            area=area,
            market=FlexibilityMarket(chain, bound["FlexibilityMarket"], area, first_block),
            requests=Bound(chain, bound["FlexibilityRequests"]),
            products=Bound(chain, bound["FlexibilityProducts"]),
            schedules=Bound(chain, bound["Schedules"]),
            delivery=Bound(chain, bound["FlexibilityDelivery"]),
            token=FlexibilityToken(chain, bound["FlexibilityToken"]),
            review=FlexibilityReview(chain, bound[REVIEW]),
        )

    # --- requests, schedules, offers -----------------------------------------------------------

    def request(self, by: LocalAccount, period: int, terms: RequestTerms) -> int:
        """Ask for flexibility, by the account of DSO, TSO or a participant; the request's number."""
        receipt = self.requests.write(
            by, "flexibility request", "request", self.area, period, terms
        )
        return self.requests.events_in(receipt, "RequestPosted")[0]["request"]

    def declare(self, by: LocalAccount, period: int, schedules_wh: Mapping[int, int]) -> None:
        """Declare net schedules by participant (+ injects), one's own, or as gateway or aggregator."""
        self.schedules.write(
            by, "flexibility declare", "declare",
            period, list(schedules_wh), list(schedules_wh.values()), units=len(schedules_wh),
        )  # fmt: skip

    def offer(
        self,
        by: LocalAccount,
        period: int,
        number: int,
        rows: Sequence[Row],
        lot: bytes = NO_SEED,
    ) -> None:
        """Offer in the names of participants, in place of what was offered before; all rows or none.

        lot: for declared schedules `salt_commitment` of the caller's salt; NO_SEED keeps the one before.
        """
        self.requests.write(
            by, "flexibility offer", "offer",
            self.area, period, number, list(rows), lot, units=len(rows),
        )  # fmt: skip

    def show_seed(self, by: LocalAccount, period: int, number: int, seed: bytes) -> None:
        """Show the buyer's seed of a closed request, by anyone who has it."""
        self.requests.write(by, "flexibility show", "showSeed", self.area, period, number, seed)

    def show_salt(
        self, by: LocalAccount, period: int, number: int, agent: int, salt: bytes
    ) -> None:
        """Show an agent's salt once the seed is known, by anyone who has it."""
        self.requests.write(
            by, "flexibility show", "showSalt", self.area, period, number, agent, salt
        )

    def clear(
        self,
        by: LocalAccount,
        period: int,
        number: int,
        groups_a_call: int = ALL_GROUPS,
    ) -> None:
        """Gather and clear a closed request in as many calls as it takes; void once delivery has begun."""
        while self.market.phase(period, number) == "open":
            self.requests.write(
                by, "flexibility clear", "clear", self.area, period, number, groups_a_call
            )

    # --- delivery ------------------------------------------------------------------------------

    def await_verification(self, by: LocalAccount, period: int) -> None:
        """Start the windows for readings and verification of a delivered period."""
        self.delivery.write(by, "flexibility await", "awaitVerification", self.area, period)

    def verify_declared(
        self, by: LocalAccount, period: int, number: int, participants: Sequence[int]
    ) -> list[dict[str, Any]]:
        """Verify against declared schedules; the findings (see `LegResult` in FlexibilityDelivery.sol)."""
        return self._findings(by, "verifyDeclared", period, number, list(participants))

    def verify(
        self, by: LocalAccount, period: int, number: int, reports: Sequence[Report]
    ) -> list[dict[str, Any]]:
        """Verify against baselines, as verifier; the findings."""
        return self._findings(by, "verify", period, number, list(reports))

    def _findings(
        self, by: LocalAccount, function: str, period: int, number: int, rows: list[Any]
    ) -> list[dict[str, Any]]:
        receipt = self.delivery.write(
            by, "flexibility verify", function, self.area, period, number, rows, units=len(rows)
        )
        found = self.delivery.events_in(receipt, "LegVerified")
        return [dict(event["result"]) for event in found]

    def by_declaration(self, period: int, number: int) -> bool:
        """Whether a request is verified against declared schedules, by anyone."""
        return bool(self.market.read("rulesOf", self.area, period, number)[5])

    def overdue(self, period: int) -> bool:
        """Whether the time for verification is over, by block time."""
        deadline = self.delivery.read("deadlineOf", self.area, period)
        window = self.delivery.read("verificationWindowSeconds")
        now = self.market.chain.w3.eth.get_block("latest")["timestamp"]
        return bool(deadline and deadline + window < now)

    def lapse(
        self, by: LocalAccount, period: int, number: int, participants: Iterable[int]
    ) -> None:
        """End legs that nobody verified in time."""
        self.delivery.write(
            by, "flexibility lapse", "lapse", self.area, period, number, list(participants)
        )

    def token_of(self, period: int, number: int) -> int:
        """The token that delivery under a request is minted as."""
        asked = self.market.read("requestOf", self.area, period, number)
        return token_id(asked[2], asked[3], Way(asked[4]), period)


# --- deployment ----------------------------------------------------------------------------------
