"""Deployment of campaigns beside a market."""

from typing import Any

from eth_utils import keccak

from gridbourse.chain.bindings.clearing_house import PAYMENT
from gridbourse.chain.bindings.crowdsale import (
    KINDS,
    Campaign,
    CampaignTerms,
    EquityCampaign,
    _plain,
)
from gridbourse.chain.deployment.market import Market
from gridbourse.chain.deployment.record import PLEDGES, DeployedContract, DeploymentError
from gridbourse.chain.encoding.arguments import NOBODY


def launch(
    market: Market,
    kind: str,
    name: str,
    terms: CampaignTerms,
    *,
    panel_permille: int = 1000,
    beneficiary: str = NOBODY,
) -> Campaign:
    """Deploy a campaign for a project and enter it in the market's record, which the caller saves.

    kind: of KINDS. panel_permille (equity): the new panel's part of all panels behind the meter, by
    installed power. beneficiary (donation): who gets the money, if not the property owner. An equity
    campaign can collect once `authorise` went through, the timelock after this. DeploymentError when
    the name is taken; Reverted for terms the contract refuses.
    """
    contract = KINDS[kind].__name__
    key = f"{contract}/{name}"
    if key in market.record.contracts:
        raise DeploymentError(f"{key}: this deployment has one of this name")
    anchors = (market.registry.address, market.clock.address, market.currency.address)
    arguments: list[Any] = [anchors, tuple(terms)]
    if kind == "equity":
        at = (market.house.address, market.settlement.address, market.tariff.address)
        arguments += [*at, market.record.contracts[PLEDGES].address, panel_permille]
    if kind == "donation":
        arguments.append(beneficiary)
    operator, chain = market.keys["operator"], market.chain
    deployed = _deploy(market, contract, arguments)
    market.currency.write(operator, "crowdsale deploy", "addSystemHolder", deployed.address)
    if kind == "equity":
        module = (deployed.address, PAYMENT)
        market.house.write(operator, "crowdsale deploy", "proposeModule", *module)
    market.record.contracts[key] = deployed
    return KINDS[kind](chain, chain.bind(contract, deployed.address))


def _deploy(market: Market, contract: str, arguments: list[Any]) -> DeployedContract:
    chain = market.chain
    factory = chain.w3.eth.contract(
        abi=chain.artifacts[contract].abi, bytecode=chain.artifacts[contract].bytecode
    )
    receipt = chain.send(
        market.keys["operator"], factory.constructor(*arguments), "crowdsale deploy"
    )
    address = str(receipt["contractAddress"])
    return DeployedContract(address, _plain(arguments), receipt["blockNumber"])


def authorise(market: Market, campaign: EquityCampaign) -> None:
    """Let an equity campaign collect; Reverted (TimelockRunning) before the timelock has run."""
    operator = market.keys["operator"]
    market.house.write(operator, "crowdsale deploy", "authoriseModule", campaign.address)


def campaigns(market: Market) -> dict[str, Campaign]:
    """Every campaign of the market's record, by its key such as `EquityCampaign/solar roof`."""
    by_contract = {kind.__name__: kind for kind in KINDS.values()}
    return {
        key: by_contract[contract](
            market.chain, market.chain.bind(contract, market.record.contracts[key].address)
        )
        for key, contract in market.record.campaigns.items()
    }


def set_open(market: Market, purpose: str, is_open: bool) -> None:
    """Open one of PURPOSES to anyone, or close it again: public mode."""
    operator = market.keys["operator"]
    market.registry.write(operator, "crowdsale policy", "setOpen", keccak(text=purpose), is_open)
