"""Campaigns of a deployed market, and the keys of the parties to them."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TypeVar

from eth_account.signers.local import LocalAccount
from eth_utils import is_checksum_address, keccak

from gridbourse.chain.bindings.crowdsale import Campaign, CampaignTerms
from gridbourse.chain.deployment.crowdsale import campaigns, launch
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.encoding.arguments import NOBODY
from gridbourse.chain.node.block_ranges import events_of
from gridbourse.chain.node.transactions import Reverted
from gridbourse.crowdsale.errors import CrowdsaleError

PUBLIC = "public/"
"""Prefix of names of persons that are no participants: their keys are in the keyring."""
DAY_S = 86_400
C = TypeVar("C", bound=Campaign)


class Desk:
    """numbers: participant numbers by metering point, as `read_numbers` gives them.

    key: account of the acting party, used in place of the keyring's.
    """

    def __init__(
        self,
        market: Market,
        numbers: Mapping[str, tuple[int, ...]],
        key: LocalAccount | None = None,
    ) -> None:
        self.market, self._key = market, key
        self._numbers = {point: found[-1] for point, found in numbers.items()}
        self._points = {number: point for point, number in self._numbers.items()}

    # --- campaigns -----------------------------------------------------------------------------

    def campaigns(self) -> dict[str, Campaign]:
        """Campaigns by name."""
        return {key.partition("/")[2]: found for key, found in campaigns(self.market).items()}

    def campaign(self, name: str) -> Campaign:
        """Campaign of a name; CrowdsaleError, with the names there are, for an unknown one."""
        there = self.campaigns()
        if name not in there:
            known = ", ".join(sorted(there)) or "none"
            raise CrowdsaleError(
                f"{name!r} is not a campaign of this deployment; there are: {known}"
            )
        return there[name]

    def of_kind(self, name: str, kind: type[C]) -> C:
        """Campaign of a name and kind; CrowdsaleError where it is of another kind."""
        found = self.campaign(name)
        if not isinstance(found, kind):
            wanted, is_ = kind.__name__, type(found).__name__
            raise CrowdsaleError(f"{name!r} is of kind {is_}: that step is for {wanted}")
        return found

    def draft(
        self,
        name: str,
        kind: str,
        point: str,
        *,
        goal: int,
        cap: int | None = None,
        minimum: int = 1,
        maximum: int | None = None,
        funding_days: int = 30,
        building_days: int = 180,
        term_days: int = 7_300,
        panel_permille: int = 1000,
        beneficiary: str = NOBODY,
    ) -> Campaign:
        """Deploy a campaign; money in µEUR. It can be funded from now on, once the owner opens it.

        CrowdsaleError for a name that a campaign of any kind has, or a point that is no participant.
        """
        if name in self.campaigns():
            raise CrowdsaleError(f"{name!r} is a campaign of this deployment already")
        now = self.block_time()
        mtu_seconds = self.market.clock.read("mtuSeconds")
        end = now + funding_days * DAY_S
        terms = CampaignTerms(
            installation=self.number_of(point),
            project=keccak(text=name),
            goal=goal,
            cap=goal if cap is None else cap,
            minimum=minimum,
            maximum=(goal if cap is None else cap) if maximum is None else maximum,
            start=now,
            end=end,
            operate_by=end + building_days * DAY_S,
            term_periods=term_days * DAY_S // mtu_seconds,
        )
        return launch(
            self.market, kind, name, terms, panel_permille=panel_permille, beneficiary=beneficiary
        )

    def block_time(self) -> int:
        """Unix seconds of the latest block."""
        return self.market.chain.w3.eth.get_block("latest")["timestamp"]

    # --- people --------------------------------------------------------------------------------

    def party(self, name: str | None) -> LocalAccount:
        """Account of a metering point or of `public/NAME`; a given key replaces either.

        CrowdsaleError for neither, and for a participant whose key is not in the keyring.
        """
        if self._key is not None:
            return self._key
        if name is None:
            raise CrowdsaleError("who? name a metering point or public/NAME, or give a keystore")
        if name.startswith(PUBLIC) and name != PUBLIC:
            return self.market.keys[name]
        return self._participant(self.number_of(name), name)

    def owner(self, campaign: Campaign) -> LocalAccount:
        """Account of the property owner, which the chain knows by its installation."""
        if self._key is not None:
            return self._key
        number = campaign.terms().installation
        return self._participant(number, self._points.get(number, str(number)))

    def party_address(self, name: str) -> str:
        """Address of another party, whoever has its key: by point, `public/NAME` or itself."""
        if is_checksum_address(name):
            return name
        if name.startswith(PUBLIC) and name != PUBLIC:
            return self.market.keys[name].address
        return self.market.registry.read("accountOf", self.number_of(name))

    def name_of(self, address: str) -> str:
        """Metering point of an account, where it is one of the mapping's; else the address."""
        try:
            number = self.market.registry.read("numberOf", address)
        except Reverted:  # the address of no participant
            return address
        return self._points.get(number, address)

    def number_of(self, point: str) -> int:
        """Participant number of a metering point; CrowdsaleError for a name that is none."""
        if point not in self._numbers:
            raise CrowdsaleError(
                f"{point!r} is neither a metering point of this deployment nor {PUBLIC}NAME"
            )
        return self._numbers[point]

    def _participant(self, number: int, point: str) -> LocalAccount:
        account = self.market.keys[f"participant/{point}"]
        if self.market.registry.read("accountOf", number) != account.address:
            raise CrowdsaleError(f"{point}: its key is its holder's own; give its keystore")
        return account

    def pay_in(self, to: LocalAccount, amount_micro_eur: int, reference: str) -> None:
        """Let the treasurer mint currency against a bank deposit, each reference once."""
        treasurer = self.market.keys["treasurer"]
        arguments = (to.address, amount_micro_eur, keccak(text=reference))
        self.market.currency.write(treasurer, "deposit", "mint", *arguments)

    def holders(self, campaign: Campaign) -> Iterator[tuple[str, int]]:
        """(address, tokens) of all present holders of tokens, in the order they first got some."""
        since = min(contract.block for contract in self.market.record.contracts.values())
        last = self.market.chain.w3.eth.block_number
        found = events_of(campaign.contract.events.Transfer(), since, last)
        for address in dict.fromkeys(event["args"]["to"] for event in found):
            if int(address, 16) and (tokens := campaign.stake(address)):
                yield address, tokens


def micro_eur(text: str) -> int:
    """Amount in euros as µEUR, exactly; ValueError for another text."""
    value = Decimal(text) * 1_000_000 if _is_plain(text) else Decimal("NaN")
    if not value.is_finite() or value != int(value) or value <= 0:
        raise ValueError(f"{text!r} is no amount in EUR above 0 with at most six decimals")
    return int(value)


def _is_plain(text: str) -> bool:
    whole, _, decimals = text.partition(".")
    return all(
        part.isdecimal() and part.isascii() for part in (whole, *([decimals] if decimals else []))
    )


def shares_of(goal: int, permille: list[int]) -> list[int]:
    """Parts of the goal, µEUR; the rounding remainder goes with the last. CrowdsaleError unless the
    parts make 1000 permille."""
    if sum(permille) != 1000 or min(permille, default=0) <= 0:
        raise CrowdsaleError(f"milestones: {permille} are not permille above 0 that sum to 1000")
    parts = [goal * share // 1000 for share in permille]
    parts[-1] += goal - sum(parts)
    return parts
