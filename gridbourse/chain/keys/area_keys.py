"""Keys of a market area's own parties, beside those that all areas of a deployment share."""

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress

from gridbourse.chain.keys.accounts import Keys

OF_THE_DEPLOYMENT = frozenset({"operator", "supplier", "treasurer", "attester", "gateway", "tso"})
"""Parties that serve every area. Each area has its own DSO, oracles, verifier and participants."""


class AreaKeys:
    """Keys by name, as the area's parties use them: its DSO is `dso of NAME` to the deployment."""

    def __init__(self, whole: Keys, area: str) -> None:
        self.whole, self._area = whole, area

    def __getitem__(self, name: str) -> LocalAccount:
        """The account; what it signs may need its keystore opened."""
        return self.whole[self._name(name)]

    def address(self, name: str) -> ChecksumAddress:
        """Its address, for which no key is needed."""
        return self.whole.address(self._name(name))

    def _name(self, name: str) -> str:
        return name if name in OF_THE_DEPLOYMENT else f"{name} of {self._area}"
