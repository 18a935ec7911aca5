"""Contracts between aggregators and prosumers on the chain (`Portfolios.sol`), and what agents may do."""

from dataclasses import astuple
from typing import Any

from eth_account.signers.local import LocalAccount

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.encoding.compact_signature import Signature
from gridbourse.model.portfolio_contract import Contract

GATEWAY_BIT = 1 << 32
"""Of `Agents.sol`: an agent is a participant's number, or this bit and a gateway's."""
ACCEPTANCE_TYPE = {
    "Acceptance": [
        {"name": "proposal", "type": "uint256"},
        {"name": "aggregator", "type": "uint32"},
        {"name": "participant", "type": "uint32"},
        {"name": "fromPeriod", "type": "uint32"},
        {"name": "untilPeriod", "type": "uint32"},
        {"name": "resources", "type": "uint8"},
        {"name": "control", "type": "uint8"},
        {"name": "permille", "type": "uint16"},
        {"name": "mayTrade", "type": "bool"},
        {"name": "expiry", "type": "uint40"},
    ]
}


def acceptance_domain(chain_id: int, portfolios: str) -> dict[str, Any]:
    """The EIP-712 domain: signatures bind the chain and the contract."""
    return {
        "name": "gridbourse Portfolios",
        "version": "1",
        "chainId": chain_id,
        "verifyingContract": portfolios,
    }


def sign_acceptance(
    account: LocalAccount, domain: dict[str, Any], proposal: int, terms: Contract, expiry: int
) -> tuple[int, bytes, bytes]:
    """Expiry (unix seconds of block time), r, vs: what `acceptSigned` takes beside the proposal."""
    names = [field["name"] for field in ACCEPTANCE_TYPE["Acceptance"]]
    values = dict(zip(names, (proposal, *astuple(terms), expiry), strict=True))
    signed = account.sign_typed_data(domain, ACCEPTANCE_TYPE, values)
    return expiry, *Signature.of(signed)


class Portfolios(Bound):
    """Who is in whose portfolio, by which terms."""

    @property
    def domain(self) -> dict[str, Any]:
        """What acceptances are signed under."""
        return acceptance_domain(self.chain.w3.eth.chain_id, self.address)

    def propose(self, aggregator: LocalAccount, terms: Contract) -> int:
        """The aggregator's proposal; its number."""
        receipt = self.write(aggregator, "propose contract", "propose", *astuple(terms)[1:])
        return self.events_in(receipt, "ContractProposed")[0]["proposal"]

    def withdraw(self, aggregator: LocalAccount, proposal: int) -> None:
        """Take a proposal back."""
        self.write(aggregator, "withdraw proposal", "withdraw", proposal)

    def accept(self, participant: LocalAccount, proposal: int) -> int:
        """By the participant's own transaction; number of its contract."""
        receipt = self.write(participant, "accept contract", "accept", proposal)
        return self.events_in(receipt, "ContractAccepted")[0]["number"]

    def accept_signed(
        self, by: LocalAccount, proposal: int, signed: tuple[int, bytes, bytes]
    ) -> int:
        """By the participant's signature (see `sign_acceptance`); number of its contract."""
        receipt = self.write(by, "accept signed contract", "acceptSigned", proposal, *signed)
        return self.events_in(receipt, "ContractAccepted")[0]["number"]

    def end(self, by: LocalAccount, participant: int, number: int, until_period: int) -> None:
        """End a contract of either side; `until_period` is the first no longer under it."""
        self.write(by, "end contract", "end", participant, number, until_period)

    def contract_of(self, participant: int, period: int) -> tuple[int, int, bool]:
        """(aggregator or 0, permille of flexibility revenue to the prosumer, may trade)."""
        aggregator, permille, may_trade = self.read("contractOf", participant, period)
        return aggregator, permille, may_trade

    def contracts(self, participant: int) -> list[Contract]:
        """Every contract the participant ever had, in order."""
        count = self.read("contractCount", participant)
        return [Contract(*self.read("contractAt", participant, n)) for n in range(count)]


class Agents(Bound):
    """Who may act for whom, and for how much (`Agents.sol`)."""

    def allow(self, by: LocalAccount, agent: int, micro_eur_per_period: int) -> None:
        """Let an agent, an aggregator's number or GATEWAY_BIT and a gateway's, risk so much a period."""
        self.write(by, "allowance", "allow", agent, micro_eur_per_period)
