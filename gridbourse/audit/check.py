"""One check of a run: read, rebuild, compare."""

from gridbourse.audit.against_scenario import compare_scenario
from gridbourse.audit.ending import compare_end
from gridbourse.audit.events import Decoder
from gridbourse.audit.folder import Run
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.compiler import load_artifacts
from gridbourse.chain.deployments import CONTRACTS
from gridbourse.scenario.scenario import Scenario


def rebuild(run: Run) -> Rebuilt:
    """The market as the logs alone give it; AuditError for a log that cannot be read."""
    artifacts = load_artifacts()
    at = {name: run.deployment.contracts[name].address for name in CONTRACTS}
    decoder = Decoder(
        {address.lower(): name for name, address in at.items()},
        {name: artifacts[name].abi for name in CONTRACTS},
    )
    rebuilt = Rebuilt(run.rules, house=at["ClearingHouse"], auction=at["CallAuction"])
    rebuilt.walk(decoder.decode(run.logs))
    return rebuilt


def check(run: Run, scenario: Scenario) -> Rebuilt:
    """Rebuild the market and compare it with the scenario and with the chain's own storage."""
    rebuilt = rebuild(run)
    compare_scenario(rebuilt, run.rules, scenario)
    compare_end(rebuilt, run.rules, run.state)
    return rebuilt
