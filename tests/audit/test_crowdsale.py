"""Campaigns are rebuilt from the log, and every amount in them is recomputed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gridbourse.audit.check import check
from gridbourse.audit.core.events import Decoder, Log
from gridbourse.audit.core.rules import rules_of
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import Run, load_run
from gridbourse.chain.deployment.crowdsale import campaigns
from gridbourse.chain.deployment.record import PLEDGES, DeploymentError
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.model.crowdsale.campaign import Phase, Reward
from gridbourse.model.crowdsale.equity import Equity
from gridbourse.scenario.scenario import load
from tests.audit.crowd_market import GARDEN, ROOF, SCHOOL, CrowdMarket, run_crowdsales
from tests.audit.small_market import write_scenario


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[CrowdMarket, Path]:
    base = tmp_path_factory.mktemp("crowd")
    return run_crowdsales(write_scenario(base), base / "run"), base / "run"


@pytest.fixture(scope="module")
def run(made: tuple[CrowdMarket, Path]) -> Run:
    return load_run(made[1])


@pytest.fixture(scope="module")
def rebuilt(run: Run) -> Rebuilt:
    return check(run, [load(run.scenario_file, run.overrides)])


def test_campaigns_are_rebuilt_to_the_last_micro_euro(
    made: tuple[CrowdMarket, Path], rebuilt: Rebuilt
) -> None:
    assert [*map(str, rebuilt.findings.differences)] == []
    on_chain = campaigns(made[0].market)
    assert set(on_chain) == {ROOF, GARDEN, SCHOOL}
    for key, campaign in on_chain.items():
        model, account = rebuilt.crowdsales.campaigns[key], campaign.account()
        assert model.phase.name.lower() == campaign.phase()
        assert model.held == account.held == campaign.currency_held()
        assert model.funded == account.funded
        assert model.released == account.released


OWNER = 8  # the number of the first to register


def test_the_story_is_in_the_rebuilt_campaigns(rebuilt: Rebuilt) -> None:
    roof, garden, school = (rebuilt.crowdsales.campaigns[key] for key in (ROOF, GARDEN, SCHOOL))
    assert (roof.phase, garden.phase, school.phase) == (Phase.CLOSED, Phase.ABANDONED, Phase.FAILED)
    assert isinstance(roof, Equity)
    assert isinstance(garden, Reward)
    (first, second) = roof.exports.values()
    assert (first.wh, second.wh) == (750, 300)  # 700 before it was corrected
    assert first.premium
    assert second.premium
    assert roof.taken == roof.due(0, OWNER) > roof.collected >= roof.dividends.claimed > 0
    assert garden.goods[0].left == 4
    assert garden.held == 0
    assert school.refunded == 90_000


def test_what_owners_paid_left_their_accounts(run: Run, rebuilt: Rebuilt) -> None:
    """The clearing house's own balances are compared with it as ever."""
    roof = rebuilt.crowdsales.campaigns[ROOF]
    assert isinstance(roof, Equity)
    coming = sum(amount for _, _, amount, _ in run.state.under_way.values())
    assert rebuilt.money.withdrawals == run.state.withdrawals == roof.collected
    assert roof.taken == roof.collected + coming
    assert coming > 0, "what a correction brought is on its way"
    assert rebuilt.findings.compared["crowdsale"] > 50


def _forged(run: Run, contract: str, name: str, change: Callable[[Log], Log]) -> list[str]:
    """What the checker finds when one log, the first of its kind, is another."""
    record, artifacts = run.deployment, load_artifacts()
    kinds = {key: record.campaigns.get(key, key) for key in record.contracts}
    decoder = Decoder(
        {record.contracts[key].address.lower(): key for key in kinds},
        {key: artifacts[kind].abi for key, kind in kinds.items()},
    )
    at = next(
        place
        for place, event in enumerate(decoder.decode(run.logs))
        if (event.contract, event.name) == (contract, name)
    )
    forged = [change(log) if place == at else log for place, log in enumerate(run.logs)]
    rebuilt = Rebuilt(record, rules_of(record))
    rebuilt.walk(decoder.decode(forged))
    return [difference.what for difference in rebuilt.findings.differences]


def _plus_one(word: int) -> Callable[[Log], Log]:
    """One more in a word of the log's data."""

    def change(log: Log) -> Log:
        start = 32 * word
        value = int.from_bytes(log.data[start : start + 32], "big") + 1
        data = log.data[:start] + value.to_bytes(32, "big") + log.data[start + 32 :]
        return Log(log.address, log.topics, data, log.block, log.index)

    return change


@pytest.mark.parametrize(
    ("key", "name", "word"),
    [
        (ROOF, "Funded", 0),
        (ROOF, "Funded", 1),
        (ROOF, "Concluded", 1),
        (ROOF, "MilestoneConfirmed", 0),
        (ROOF, "Released", 0),
        (ROOF, "Operating", 0),
        (ROOF, "ExportRecorded", 0),
        (ROOF, "ExportRecorded", 1),
        (ROOF, "PremiumAttested", 0),
        (ROOF, "Collected", 0),
        (ROOF, "Collected", 1),
        (ROOF, "Distributed", 0),
        (ROOF, "Claimed", 0),
        (ROOF, "Agreed", 1),
        (PLEDGES, "Pledged", 0),
        (PLEDGES, "PledgeReleased", 0),
        (ROOF, "Transfer", 0),
        (GARDEN, "Abandoned", 1),
        (GARDEN, "Refunded", 1),
        (GARDEN, "RemainderReleased", 0),
        (GARDEN, "GoodListed", 1),
        (SCHOOL, "Refunded", 0),
    ],
)
def test_an_amount_that_is_not_so_is_found(run: Run, key: str, name: str, word: int) -> None:
    found = _forged(run, key, name, _plus_one(word))
    assert "crowdsale" in found, found


def test_money_a_campaign_took_without_saying_so_is_found(run: Run) -> None:
    """One µEUR more out of the owner's account than the campaign's own log has."""
    assert "crowdsale" in _forged(run, "ClearingHouse", "WithdrawalAnnounced", _plus_one(0))
    assert "withdrawal" in _forged(run, "ClearingHouse", "Withdrawn", _plus_one(0))


def test_a_withdrawal_to_somebody_else_is_found(run: Run) -> None:
    def elsewhere(log: Log) -> Log:
        topics = [*log.topics[:2], b"\0" * 12 + b"\1" * 20]
        return Log(log.address, topics, log.data, log.block, log.index)

    assert "withdrawal" in _forged(run, "ClearingHouse", "Withdrawn", elsewhere)


def test_the_record_names_its_campaigns(run: Run) -> None:
    assert run.deployment.campaigns == {
        ROOF: "EquityCampaign", GARDEN: "RewardCampaign", SCHOOL: "DonationCampaign",
    }  # fmt: skip


def test_a_name_stands_for_one_campaign(made: tuple[CrowdMarket, Path]) -> None:
    with pytest.raises(DeploymentError, match="EquityCampaign/roof"):
        made[0].start("equity", "roof")
