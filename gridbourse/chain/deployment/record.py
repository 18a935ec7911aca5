"""Deployment records: what stands where on which chain, so that nobody talks to the wrong one."""

import json
import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from web3 import Web3

from gridbourse.chain.node.answers import public_address
from gridbourse.chain.node.compiler import CHECKOUT, compiler_settings
from gridbourse.chain.node.connect import PASSING
from gridbourse.commands import command
from gridbourse.errors import GridbourseError
from gridbourse.market_kinds import KINDS

FOLDER = CHECKOUT / "deployments"
CONTRACTS = (
    "ParticipantRegistry",
    "MarketClock",
    "SettlementCurrency",
    "Tariff",
    "ClearingHouse",
    "MeterOracle",
    "GridOracle",
    "Settlement",
    "ExportPledges",
)
"""Contracts of every deployment."""
OPTIONAL = ("Portfolios", "Agents", "CurtailmentCompensation")
"""Contracts of some deployments."""
MARKETS = (*(kind.contract for kind in KINDS.values()), "FlexibilityMarket")
"""Of these a deployment has one or more."""
FLEXIBILITY = (
    "FlexibilityProducts",
    "Schedules",
    "FlexibilityRequests",
    "FlexibilityDelivery",
    "FlexibilityToken",
    "FlexibilityReview",
)
"""Contracts that come with a flexibility market."""
CAMPAIGNS = ("EquityCampaign", "RewardCampaign", "DonationCampaign")
"""Kinds of campaign; a record has each under its kind and name, such as `EquityCampaign/solar roof`."""

PLEDGES = "ExportPledges"
"""Contract of the shares of metering points' export that equity campaigns hold."""


class DeploymentError(GridbourseError):
    """A deployment record is missing, damaged, or of another chain."""


@dataclass(frozen=True)
class DeployedContract:
    """Address and arguments of a contract."""

    address: str
    arguments: list[Any]
    block: int


@dataclass(frozen=True)
class DeploymentRecord:
    """`deployments/<network>.json`."""

    chain_id: int
    genesis_hash: str
    commit: str
    compiler: dict[str, Any]
    scenario: dict[str, Any]
    contracts: dict[str, DeployedContract]

    @property
    def campaigns(self) -> dict[str, str]:
        """The contract's kind of every campaign, by its key in `contracts`."""
        kinds = {key: key.partition("/")[0] for key in self.contracts}
        return {key: kind for key, kind in kinds.items() if kind in CAMPAIGNS and kind != key}

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")  # never half a record, nor half of two
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> "DeploymentRecord":
        """Read; DeploymentError when there is none or it is damaged."""
        try:
            fields = json.loads(path.read_text())
            contracts = {n: DeployedContract(**c) for n, c in fields.pop("contracts").items()}
            return cls(**fields, contracts=contracts)
        except FileNotFoundError:
            raise DeploymentError(
                f"no deployment record {path}; make one: {command('deploy')}"
            ) from None
        except OSError as error:
            raise DeploymentError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DeploymentError(f"{path}: not a deployment record ({error})") from error

    def require_chain(self, w3: Web3) -> None:
        """Refuse a chain that is not the one recorded, and a record that lacks a contract."""
        chain_id, genesis = chain_identity(w3)
        for field, recorded, found in (
            ("chain id", self.chain_id, chain_id),
            ("genesis hash", self.genesis_hash, genesis),
        ):
            if recorded != found:
                raise DeploymentError(f"{field}: the record is of {recorded}, the chain is {found}")
        markets = [name for name in MARKETS if name in self.contracts]
        beside = [name for name in OPTIONAL if name in self.contracts]
        with_it = FLEXIBILITY if "FlexibilityMarket" in markets else ()
        for name in (*CONTRACTS, *beside, *(markets or MARKETS[:1]), *with_it):
            address = str(self.contracts[name].address) if name in self.contracts else "nothing"
            if not Web3.is_address(address):
                raise DeploymentError(f"{name}: the record has no address of it, but {address}")
            if not w3.eth.get_code(Web3.to_checksum_address(address)):
                raise DeploymentError(f"{name}: no code at {address} on this chain")


def record_path(network: str) -> Path:
    """Path of the record of a network; of an RPC address it is a file name.

    DeploymentError for a chain that ends with the command that made it.
    """
    if network in PASSING:
        raise DeploymentError(
            f"network {network} ends with its command: nothing to keep a record of"
        )
    name = re.sub(r"[^\w.-]", "_", public_address(network).split("://")[-1])
    return FOLDER / f"{name}.json"


def chain_identity(w3: Web3) -> tuple[int, str]:
    """(chain id, genesis hash)."""
    genesis = w3.eth.get_block(0)
    return w3.eth.chain_id, genesis["hash"].to_0x_hex()


def current_commit() -> str:
    """The checkout's commit, "+" behind it when files differ from it; "unknown" outside git."""
    try:

        def git(*words: str) -> str:
            return subprocess.run(
                ["git", *words], cwd=CHECKOUT, capture_output=True, text=True, check=True
            ).stdout.strip()

        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def compiler_facts() -> dict[str, Any]:
    """Compiler settings as they enter a record."""
    return asdict(compiler_settings())
