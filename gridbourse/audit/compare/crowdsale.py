"""Comparison of a deployment's crowdsale campaigns with the one its scenario plans."""

from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.bindings.crowdsale import FORMS
from gridbourse.model.crowdsale.campaign import Campaign, Phase
from gridbourse.model.crowdsale.equity import Equity
from gridbourse.scenario.crowdsale import CampaignPlan
from gridbourse.scenario.scenario import Scenario

WHAT = "scenario"


def compare_crowdsale(rebuilt: Rebuilt, scenario: Scenario) -> None:
    """Compare the planned campaign: its terms, and how much each funder gave. A scenario plans no other.
    Funders from the public are compared by amount, since their accounts are in no scenario.
    """
    plan = scenario.crowdsale
    if plan is None:
        return
    campaigns, planned = rebuilt.crowdsales.campaigns, f"EquityCampaign/{plan.name}"
    there = planned if planned in campaigns else ", ".join(sorted(campaigns)) or "none"
    rebuilt.findings.compare(WHAT, "campaign", there, planned)
    if planned in campaigns:
        _compare(rebuilt, scenario, plan, campaigns[planned])


def _compare(rebuilt: Rebuilt, scenario: Scenario, plan: CampaignPlan, found: Campaign) -> None:
    account_of = _accounts(rebuilt, scenario)
    given = {account: tokens for account, tokens in found.tokens.items() if tokens}
    participants = {point: given.pop(account_of.get(point), 0) for point in plan.funders}
    rules, agreed = found.rules, found.agreed if isinstance(found, Equity) else None
    form = "none" if agreed is None else FORMS[agreed.form]
    for what, chain, wanted in (
        ("owner", found.owner, account_of.get(plan.panel.point)),
        ("(goal, cap), µEUR", (rules.goal, rules.cap), (plan.goal, plan.cap)),
        ("least and most of a funder, µEUR", (rules.minimum, rules.maximum),
         (plan.minimum, plan.maximum)),
        ("term, periods", rules.term_periods, plan.term_periods),
        ("days of funding, s", rules.end - rules.start, plan.funding_s),
        ("days of building, s", rules.operate_by - rules.end, plan.building_s),
        ("agreement", (form, agreed.value if agreed else 0), (plan.form, plan.value)),
        ("milestones, µEUR", list(found.milestones), list(plan.milestones.values())),
        ("phase", found.phase.name, Phase.OPERATING.name),
        ("given by participants, µEUR", participants, dict(plan.funders)),
        ("given by the public, µEUR", sorted(given.values()), sorted(plan.public.values())),
    ):  # fmt: skip
        rebuilt.findings.compare(WHAT, f"{what}, campaign {plan.name}", chain, wanted)


def _accounts(rebuilt: Rebuilt, scenario: Scenario) -> dict[str, str]:
    """Account by connection point; points are registered in scenario order."""
    members = rebuilt.members.participants
    points = scenario.points.index[scenario.points["participant"]]
    numbers = sorted(members)
    return {
        str(point): members[n].account.lower() for point, n in zip(points, numbers, strict=False)
    }
