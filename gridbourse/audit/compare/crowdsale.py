"""The campaigns of a deployment against the one its scenario plans."""

from collections.abc import Mapping

from gridbourse.audit.compare.scenario_points import numbers_by_point
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.chain.bindings.crowdsale import FORMS
from gridbourse.model.crowdsale.campaign import Campaign, Phase
from gridbourse.model.crowdsale.equity import Equity
from gridbourse.scenario.crowdsale import CampaignPlan
from gridbourse.scenario.scenario import Scenario

WHAT = "scenario"


def compare_crowdsale(rebuilt: Rebuilt, area: int, scenario: Scenario) -> None:
    """The planned campaign is there, by its terms, and who gave how much; of any other a scenario
    says nothing. People of the public are told by what they gave: nobody but they know their accounts.
    """
    plan = scenario.crowdsale
    if plan is None:
        return
    campaigns, planned = rebuilt.crowdsales.campaigns, f"EquityCampaign/{plan.name}"
    there = planned if planned in campaigns else ", ".join(sorted(campaigns)) or "none"
    rebuilt.findings.compare(WHAT, "campaign", there, planned)
    if planned in campaigns:
        accounts = _accounts(rebuilt, area, scenario)
        _compare(rebuilt, accounts, plan, campaigns[planned])


def _compare(
    rebuilt: Rebuilt, account_of: Mapping[str, str], plan: CampaignPlan, found: Campaign
) -> None:
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


def _accounts(rebuilt: Rebuilt, area: int, scenario: Scenario) -> dict[str, str]:
    """Account by connection point."""
    members = rebuilt.members.participants
    numbers = numbers_by_point(rebuilt, area, scenario)
    return {str(point): members[number].account.lower() for point, number in numbers.items()}
