"""Readings on the chain (`MeterOracle.sol`)."""

from collections.abc import Mapping

from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from web3.contract import Contract

from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.encoding.lanes import (
    pack_readings,
    unpack_readings,
)
from gridbourse.chain.node.transactions import Chain


class MeterOracle(Bound):
    """Port of the meter feed, for one market area."""

    def __init__(self, chain: Chain, contract: Contract, account: LocalAccount, area: int) -> None:
        super().__init__(chain, contract)
        self.account, self.area = account, area

    def version(self, period: int) -> int:
        """How many batches of the period the chain has."""
        return self.read("versionOf", self.area, period)

    def submit(self, period: int, version: int, readings: Mapping[int, int]) -> str:
        """Send a batch (Wh by participant number); the transaction's hash once it is mined."""
        first, data = pack_readings(readings)
        receipt = self.write(
            self.account, "readings", "submit",
            self.area, period, version, first, data, units=len(readings),
        )  # fmt: skip
        return receipt["transactionHash"].to_0x_hex()

    def batch(self, tx_hash: str) -> dict[int, int]:
        """Wh by participant number of a batch, as the chain's log has it."""
        receipt = self.chain.w3.eth.get_transaction_receipt(HexBytes(tx_hash))
        return {
            who: wh
            for event in self.events_in(receipt, "ReadingsSubmitted")
            for who, wh in unpack_readings(event["firstBlock"], event["readings"]).items()
        }
