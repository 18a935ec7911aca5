"""Gas of a crowdsale's calls, from receipts; writes benchmarks/results/crowdsale.json.

    python -m benchmarks.crowdsale

Claim, transfer and the rest are measured with ten holders and with ten thousand: they cost the same. The
cost of collecting depends on whether shares divide the amount: a remainder is a word to store. The chain
is the embedded one; gas does not depend on the machine. "first" is a call that finds empty slots (an account
that never held the currency, a share, a claim), "again" one that does not. A funding is counted without the
approval before it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils import keccak, to_checksum_address
from rich.console import Console
from rich.table import Table

from gridbourse.chain.bindings.crowdsale import Campaign, CampaignTerms, EquityCampaign
from gridbourse.chain.bindings.registry import Registration
from gridbourse.chain.deployment.crowdsale import authorise, launch, set_open
from gridbourse.chain.deployment.deploy import MarketSettings, deploy
from gridbourse.chain.deployment.market import FIRST_AREA
from gridbourse.chain.encoding.commitment import Commitment, Leaf
from gridbourse.chain.encoding.lanes import PER_GROUP
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.connect import connect, let_time_pass
from gridbourse.chain.node.transactions import Chain
from gridbourse.chain.operations.withdrawals import finish_due
from gridbourse.model.call_auction import Band

RESULTS = Path(__file__).parent / "results" / "crowdsale.json"
HOLDERS = (10, 10_000)
FUNDERS = (10, 100)
MTU, LEAD = 900, 300
FIRST_PERIOD = 1_000
EVIDENCE = keccak(text="photographs of the roof")
SHARE = 1_000
"""Amount that each funder gives, µEUR."""
PERIODS_A_CALL = 8
INCOME_WH = 4_000


class Bench:
    """Market of four, whose first participant owns the roof; funders are from outside."""

    def __init__(self) -> None:
        w3 = connect("embedded")
        self.keys = Keyring.for_chain(w3)
        self.chain = Chain(w3, load_artifacts())
        settings = MarketSettings(MTU, LEAD, Band(45, 1, 256), ("bench",), ring_size=16)
        self.market = deploy(self.chain, self.keys, settings)
        market, keys = self.market, self.keys
        self.owner, self.operator = keys["person/0"], keys["operator"]
        market.tariff.write(keys["supplier"], "set-up", "setEnergyPrices", FIRST_AREA, 0, 300, 80)
        points = [keccak(text=f"point/{i}") for i in range(PER_GROUP)]
        rows = [
            Registration(keys[f"person/{i}"].address, point, FIRST_AREA, 0, 20_000, 0)
            for i, point in enumerate(points)
        ]
        self.numbers = market.registry.register(self.operator, rows)
        for purpose in ("HOLD_CURRENCY", "FUND", "HOLD_SHARES"):
            set_open(market, purpose, True)
        self.purse(keys["treasurer"], 10**12)
        market.currency.write(keys["treasurer"], "set-up", "approve", market.house.address, 10**12)
        market.house.deposit(keys["treasurer"], {2: 10**9, self.numbers[0]: 10**9})
        market.clock.advance_to(self.operator, FIRST_PERIOD * MTU)

    def purse(self, who: LocalAccount, amount: int) -> None:
        treasurer, reference = self.keys["treasurer"], keccak(text=f"{who.address} {amount}")
        self.market.currency.write(treasurer, "set-up", "mint", who.address, amount, reference)

    def wait(self, until: int) -> None:
        self.chain.w3.provider.ethereum_tester.time_travel(until)  # type: ignore[attr-defined]

    def start(self, kind: str, name: str, goal: int) -> Campaign:
        """Campaign, opened, with its funding begun."""
        begin = self.chain.w3.eth.get_block("latest")["timestamp"] + 200_000
        terms = CampaignTerms(
            self.numbers[0], EVIDENCE, goal, 10**12, 1, 10**9,
            begin, begin + 10**6, begin + 2 * 10**6, 1_000,
        )  # fmt: skip
        campaign = launch(self.market, kind, name, terms)
        if isinstance(campaign, EquityCampaign):
            campaign.offer(self.owner, "profit share", 500)
        campaign.open(self.owner, [goal])
        self.wait(begin)
        if isinstance(campaign, EquityCampaign):
            authorise(self.market, campaign)
        return campaign

    def measured(self, step: str, act: Any) -> int:
        """Gas of the one transaction of that step in `act`."""
        self.chain.gas.clear()
        act()
        used = self.chain.gas[step]
        assert used.transactions == 1, step
        return used.gas

    def book(self, period: int) -> None:
        """Clear, accept and book the period, between gate closure and delivery."""
        market, pool = self.market, self.market.auction
        market.clock.advance_to(self.operator, period * MTU - LEAD)
        pool.clear(self.operator, FIRST_AREA, period)
        report = keccak(text="report")
        market.grid.accept(period, market.grid.round(period), market.grid.book_root(period), report)
        pool.book(self.operator, FIRST_AREA, period, 250)

    def receive(self, campaign: EquityCampaign) -> int:
        """Gas of receiving what was collected, when the dispute window is over."""
        let_time_pass(self.chain.w3, self.market.house.read("disputeWindowSeconds"))
        finish_due(self.market, self.operator, campaign.address)
        return self.measured("crowdsale collect", lambda: campaign.collect(self.operator))

    def settle(self, periods: Sequence[int]) -> list[tuple[Leaf, Any]]:
        """Settled periods in which the owner exports, with the proof of each."""
        market, found = self.market, []
        group = self.numbers[0] // PER_GROUP
        for period in periods:
            self.book(period)
        market.clock.advance_to(self.operator, (periods[-1] + 1) * MTU)
        for period in periods:
            readings = {number: INCOME_WH * (i == 0) for i, number in enumerate(self.numbers)}
            market.meter.submit(period, 1, readings)
            market.settlement.settle(self.operator, FIRST_AREA, period, 250)
            words = market.meter.read("readingsOfGroups", FIRST_AREA, period, [group])[0]
            profiles = market.registry.read("profilesOf", group)
            positions = market.house.read("positionsOfGroups", FIRST_AREA, period, [group])[0]
            commitment = Commitment()
            commitment.extend([Leaf(period, group, profiles, positions, words)])
            assert commitment.value == market.settlement.commitment(FIRST_AREA, period)
            found.append((commitment.leaf(group), commitment.path(group)))
        return found


def figures(holders: int) -> dict[str, int]:
    """Gas by call, of a campaign with this many holders."""
    bench = Bench()
    early, late, many = (bench.keys[f"funder/{i}"] for i in range(3))
    campaign = bench.start("equity", "roof", SHARE * holders)
    assert isinstance(campaign, EquityCampaign)
    for who, shares in ((early, 1), (late, 1), (many, holders - 2)):
        bench.purse(who, SHARE * shares)
    result = {}
    campaign.fund(many, SHARE * (holders - 2))
    campaign.fund(early, SHARE)
    result["fund_first"] = bench.measured("crowdsale fund", lambda: campaign.fund(late, SHARE - 1))
    result["fund_again"] = bench.measured("crowdsale fund", lambda: campaign.fund(late, 1))
    bench.wait(campaign.terms().end)
    campaign.conclude(bench.operator)
    attester = bench.keys["attester"]
    campaign.confirm_milestone(attester, 0, EVIDENCE)
    campaign.confirm_built(attester, EVIDENCE)
    first = campaign.start_operating(attester, EVIDENCE)
    for i in range(holders - 3):  # each from the account that gave for them
        campaign.transfer(many, to_checksum_address(keccak(text=f"holder {i}")[-20:]), SHARE)
    for again, start in enumerate((first, first + PERIODS_A_CALL + 1)):
        when = "again" if again else "first"
        proofs = bench.settle(range(start, start + PERIODS_A_CALL))
        leaves, paths = [leaf for leaf, _ in proofs], [path for _, path in proofs]
        gas = bench.measured(
            "crowdsale record",
            lambda: campaign.record_exports(late, leaves, paths),  # noqa: B023
        )
        result[f"record_a_period_{when}"] = gas // PERIODS_A_CALL
        result[f"collect_{when}"] = bench.measured(
            "crowdsale collect", lambda: campaign.collect(late)
        )
        result[f"receive_{when}"] = bench.receive(campaign)
        result[f"claim_{when}"] = bench.measured("crowdsale claim", lambda: campaign.claim(early))
    stranger = bench.keys["somebody new"].address
    for when in ("first", "again"):
        result[f"transfer_{when}"] = bench.measured(
            "crowdsale transfer", lambda: campaign.transfer(late, stranger, 10)
        )
    return result


def refund(holders: int) -> int:
    """Gas of a refund by a campaign that failed with this many funders."""
    bench = Bench()
    people = [bench.keys[f"funder/{i}"] for i in range(holders)]
    campaign = bench.start("donation", "school", 10**9)
    for who in people:
        bench.purse(who, SHARE)
        campaign.fund(who, SHARE)
    bench.wait(campaign.terms().end)
    campaign.conclude(bench.operator)
    return bench.measured("crowdsale refund", lambda: campaign.refund(people[0]))


def main() -> None:
    """Measure, print, and write the file."""
    found = {str(n): figures(n) for n in HOLDERS}
    result = {
        "gas_by_number_of_holders": found,
        "gas_of_a_refund_by_number_of_funders": {str(n): refund(n) for n in FUNDERS},
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    table = Table("call", *(f"{n:,} holders" for n in HOLDERS))
    for call in found[str(HOLDERS[0])]:
        table.add_row(call, *(f"{found[str(n)][call]:,}" for n in HOLDERS))
    Console().print(table)
    Console().print(result["gas_of_a_refund_by_number_of_funders"])


if __name__ == "__main__":
    main()
