"""Audit of one run: read, rebuild, compare."""

from collections.abc import Sequence

from gridbourse.audit.compare.baselines import compare_baselines
from gridbourse.audit.compare.bills import compare_bills
from gridbourse.audit.compare.chain_state import compare_end
from gridbourse.audit.compare.scenario import compare_scenario
from gridbourse.audit.core.events import Decoder, Log
from gridbourse.audit.core.rules import Rules
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import Run
from gridbourse.chain.deployment.record import (
    CONTRACTS,
    FLEXIBILITY,
    MARKETS,
    OPTIONAL,
    DeploymentRecord,
)
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.scenario.scenario import Scenario


def start(deployment: DeploymentRecord, rules: Rules) -> tuple[Decoder, Rebuilt]:
    """Decoder of a deployment's logs, and its market before the first of them."""
    artifacts = load_artifacts()
    names = (*CONTRACTS, *OPTIONAL, *MARKETS, *FLEXIBILITY)
    there = [name for name in names if name in deployment.contracts]
    abis = dict(zip(there, there, strict=True)) | deployment.campaigns
    decoder = Decoder(
        {deployment.contracts[name].address.lower(): name for name in abis},
        {name: artifacts[contract].abi for name, contract in abis.items()},
    )
    return decoder, Rebuilt(deployment, rules)


def rebuild(deployment: DeploymentRecord, rules: Rules, logs: Sequence[Log]) -> Rebuilt:
    """Market as the logs alone give it; AuditError for a log that cannot be read."""
    decoder, rebuilt = start(deployment, rules)
    rebuilt.walk(decoder.decode(logs))
    return rebuilt


def check(run: Run, scenario: Scenario) -> Rebuilt:
    """Rebuild the market and compare it with the scenario and with the chain's own storage."""
    rebuilt = rebuild(run.deployment, run.rules, run.logs)
    compare_scenario(rebuilt, run.rules, scenario)
    compare_end(rebuilt, run.rules, run.state)
    compare_baselines(rebuilt, run.baselines)
    compare_bills(rebuilt, scenario, run.bills)
    return rebuilt
