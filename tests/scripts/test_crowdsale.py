"""`scripts.crowdsale`: every kind of campaign from its first step to its last, on a real chain."""

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from web3 import Web3

from gridbourse.chain.deployment.crowdsale import campaigns
from gridbourse.chain.deployment.record import DeploymentRecord
from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.chain.keys.keystores import Keystores
from gridbourse.chain.node.connect import session
from gridbourse.chain.node.transactions import Reverted
from gridbourse.crowdsale.desk import micro_eur, shares_of
from gridbourse.crowdsale.errors import CrowdsaleError
from gridbourse.errors import GridbourseError
from scripts import crowdsale
from tests.invariants.model_market import BAND, FEED_IN, Order
from tests.invariants.ring_market import FIRST, NUMBERS, RingMarket
from tests.scripts.conftest import next_commands

ORDERS = {8: Order(OFFER, 10, 900), 9: Order(BID, 20, 500), 14: Order(BID, 15, 300)}
"""8 sells 800 Wh at one price and exports 900."""
SHARE = 800
Run = Callable[..., str]


@pytest.fixture(scope="module")
def market() -> Iterator[RingMarket]:
    with session("devnet-child") as w3:
        market = RingMarket(w3)
        market.deposit(dict.fromkeys(NUMBERS, 400_000))
        yield market


@pytest.fixture(scope="module")
def record(market: RingMarket, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deployment record, and beside it the mapping of participants."""
    path = tmp_path_factory.mktemp("deployments") / "here.json"
    market.market.record.save(path)
    rows = "\n".join(f"{n},{n}" for n in NUMBERS)
    path.with_suffix(".participants.csv").write_text(f"point_id,number\n{rows}\n")
    return path


@pytest.fixture
def run(
    market: RingMarket,
    record: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """One step; what it says."""
    monkeypatch.setattr("scripts.record_path", lambda network: record)
    monkeypatch.setenv("COLUMNS", "140")

    def step(*words: str, web3: Web3 = market.chain.w3) -> str:
        capsys.readouterr()
        assert crowdsale.main(*words, web3=web3) == 0
        market.market.record = DeploymentRecord.load(record)
        market.chain._nonces.clear()  # the script has signed with the same keys
        return capsys.readouterr().out

    return step


def account(market: RingMarket, name: str) -> dict[str, int]:
    (found,) = (c for key, c in campaigns(market.market).items() if key.endswith(f"/{name}"))
    return found.account()._asdict()


def funded(run: Run, name: str, *extra: str, point: str = "8") -> None:
    """Both funders give all there is to give, one of them from outside the market."""
    run("open", name, "--point", point, "--goal", "100", "--milestones", "400,600", *extra)
    run("policy", "open")
    run("fund", name, "75", "--by", "10", "--pay-in", f"{name} 1")
    run("fund", name, "25", "--by", "public/ada", "--pay-in", f"{name} 2")


def test_nothing_there_yet(run: Run) -> None:
    said = run("status")
    assert "No campaign yet." in said
    assert "-m scripts.crowdsale open NAME --point POINT" in said


def test_equity_from_the_offer_to_the_last_claim(run: Run, market: RingMarket) -> None:
    assert "fund roof EUR" in run(
        "open", "roof", "--point", "8", "--goal", "100", "--profit-share", str(SHARE),
        "--milestones", "400,600",
    )  # fmt: skip
    with pytest.raises(Reverted, match="NotPermitted"):
        run("fund", "roof", "25", "--by", "public/ada")
    with pytest.raises(Reverted, match="HolderNotPermitted"):
        run("fund", "roof", "25", "--by", "public/ada", "--pay-in", "ada")
    run("policy", "open")
    run("fund", "roof", "75", "--by", "10", "--pay-in", "ten")
    assert "conclude roof" in run("fund", "roof", "25", "--by", "public/ada", "--pay-in", "ada")
    assert "release roof" in run("conclude", "roof")
    assert "40 EUR to the owner" in run("release", "roof", "--evidence", "ordered")
    assert "operate roof" not in run("built", "roof", "--evidence", "photographs")
    assert "60 EUR to the owner" in run("release", "roof", "--evidence", "inspected")
    said = run("operate", "roof", "--evidence", "meter")
    assert "scripts.crowdsale wait 2" in said
    assert "the timelock runs until 20" in said
    run("wait", "2")
    assert "authorise roof" in run("status", "roof")
    assert "record roof" in run("authorise", "roof")

    market.live(FIRST + 1, ORDERS, 9)
    said = run("record", "roof")
    price = BAND.price(10)
    income = 900 * FEED_IN + 800 * (price - FEED_IN)
    due = income * SHARE // 1000
    assert f"1 period recorded, {800 * (price - FEED_IN) / 1e6:g} EUR paid above feed-in" in said
    assert f"{due / 1e6:g} EUR collected" in said
    assert f"{due / 1e6:g} EUR are on their way to the campaign, until " in said
    assert "0 periods recorded, 0 EUR" in run("record", "roof"), "done again, nothing is left to do"
    run("wait", "1")
    assert f"{due / 1e6:g} EUR came to the campaign" in run("record", "roof")

    run("transfer", "roof", "25", "--by", "10", "--to", "11")
    shown = run("status", "roof")
    for who, holds, may_claim in (("10", "50", due * 3 // 4), ("11", "25", 0)):
        assert [who, holds, f"{may_claim / 1e6:g}"] in [
            [cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines()
        ]
    assert "80 % of the export income" in shown
    assert "100 of 100 EUR" in shown
    claimed = run("claim", "roof", "--by", "10", "--by", "public/ada")
    assert f"10: {due * 3 // 4 / 1e6:g} EUR" in claimed
    assert account(market, "roof")["claimed"] == due * 3 // 4 + due // 4
    with pytest.raises(Reverted, match="NothingToMove"):
        run("claim", "roof", "--by", "11")
    with pytest.raises(Reverted, match="NotOver"):
        run("close", "roof")
    assert market.market.house.money_sum(market.limit) == 0
    assert "operating" in run("status")
    with pytest.raises(Reverted, match="PledgedAbove"):
        run("open", "roof II", "--point", "8", "--goal", "100", "--profit-share", "1")


def test_every_step_said_to_come_next_can_be_typed(run: Run) -> None:
    """From an open campaign to one that collects, each step as the one before printed it."""
    filled = {"EUR": "100", "WHO": "10", "REFERENCE": "bank 14", "TEXT": "seen"}
    said, steps = run("open", "tent", "--point", "14", "--goal", "100", "--rent", "1"), []
    while "record" not in steps:
        (line,) = next_commands(said)
        words = [filled.get(word, word) for word in shlex.split(line)]
        assert words[1:3] == ["-m", "scripts.crowdsale"]
        steps.append(words[3])
        said = run(*words[3:])
        said = run("status", "tent") if words[3] == "wait" else said
    assert steps == [
        "fund", "conclude", "release", "built", "operate", "wait", "authorise", "record",
    ]  # fmt: skip


def test_an_investors_offer_is_accepted_or_declined(run: Run) -> None:
    assert "offer shed --by WHO" in run("draft", "shed", "--point", "9", "--goal", "5")
    said = run("offer", "shed", "--by", "12", "--rent", "0.5")
    assert "offer 0: a rent of 0.5 EUR" in said
    assert "accept shed 0" in said
    assert "offer 1: 70 %" in run("offer", "shed", "--by", "13", "--profit-share", "700")
    assert "declined" in run("decline", "shed", "0")
    with pytest.raises(Reverted, match="OfferDeclined"):
        run("accept", "shed", "0")
    with pytest.raises(Reverted, match="NothingAgreed"):
        run("open", "shed")
    assert "70 % of the export income" in run("accept", "shed", "1")
    assert "Phase    open" in run("open", "shed")


def test_what_fails_is_refunded_whole(run: Run, market: RingMarket) -> None:
    run("open", "mast", "--point", "11", "--goal", "100", "--rent", "1", "--funding-days", "1")
    run("fund", "mast", "99.999999", "--by", "10", "--pay-in", "mast")
    with pytest.raises(
        Reverted, match=r"NotOver\(now_=20.* UTC, from=20.* UTC\); 'mast' is open; next"
    ):
        run("conclude", "mast")
    run("wait", "1")
    assert "refund mast" in run("conclude", "mast")
    assert "10: 99.999999 EUR" in run("refund", "mast", "--by", "10")
    held = account(market, "mast")
    assert held["funded"] == held["refunded"] == 99_999_999


def test_what_is_abandoned_gives_back_what_was_not_released(run: Run) -> None:
    funded(run, "wind", "--profit-share", "500", point="12")
    run("conclude", "wind")
    run("release", "wind", "--evidence", "ordered")
    with pytest.raises(Reverted, match="MissingRole"):
        run("abandon", "wind", "--evidence", "no more")
    run("abandon", "wind", "--evidence", "storm", "--by", "attester")
    assert "10: 45 EUR" in run("refund", "wind", "--by", "10"), "75 of the 60 that were left of 100"
    assert "public/ada: 15 EUR" in run("refund", "wind", "--by", "public/ada")


def test_rewards_are_picked_and_handed_over(run: Run) -> None:
    run("draft", "oven", "--kind", "reward", "--point", "8", "--goal", "100")
    assert "good 0: bread, 5 at 20 EUR" in run("goods", "oven", "bread", "20", "5")
    funded(run, "oven")
    with pytest.raises(Reverted, match="NotGivenEnough"):
        run("pick", "oven", "0", "4", "--by", "10")
    run("pick", "oven", "0", "3", "--by", "10")
    run("conclude", "oven")
    run("hand-over", "oven", "0", "2", "--to", "10")
    assert "2 of good 0 received" in run("received", "oven", "0", "2", "--by", "10")
    with pytest.raises(CrowdsaleError, match="is of kind RewardCampaign: that step is for Equity"):
        run("claim", "oven", "--by", "10")


def test_a_donation_may_be_for_somebody_else(run: Run, market: RingMarket) -> None:
    to = market.key(15).address
    funded(run, "school", "--kind", "donation", "--beneficiary", to)
    run("conclude", "school")
    assert "40 EUR wait for the beneficiary" in run("release", "school", "--evidence", "x")
    run("withdraw", "school", "--by", "15")
    assert account(market, "school")["withdrawn"] == 40_000_000


def test_who_has_its_own_key_gives_its_keystore(
    run: Run, market: RingMarket, tmp_path: Path
) -> None:
    (password := tmp_path / "password").write_text("correct horse battery\n")
    address = Keystores(tmp_path, work=2).make("zoe", "correct horse battery")
    run("open", "lamp", "--point", "13", "--goal", "100", "--profit-share", "1")
    key = ("--keystore", str(tmp_path / "zoe.json"), "--password-file", str(password))
    run("fund", "lamp", "10", "--pay-in", "zoe", *key)
    (lamp,) = (c for key, c in campaigns(market.market).items() if key.endswith("/lamp"))
    assert lamp.stake(address) == 10_000_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fund", "roof", "1", "--by", "99"), "'99' is neither a metering point of this deployment"),
        (("fund", "roof", "1"), "who? name a metering point or public/NAME"),
        (("fund", "rof", "1", "--by", "8"), "'rof' is not a campaign of this deployment; there are:"),
        (("open", "new", "--goal", "1"), "'new' is not there yet: a new campaign needs --point"),
        (("open", "new", "--point", "99", "--goal", "1"), "'99' is neither a metering point"),
        (("draft", "roof", "--point", "8", "--goal", "1"), "'roof' is a campaign of this deployment"),
        (("offer", "roof", "--by", "8"), "an offer is a --profit-share or a --rent"),
        (("fund", "roof", "1", "--by", "8"), "crowdsale fund refused: WrongPhase(phase=operating); 'roof'"
         " is operating; next: "),
        (("conclude", "roof"), "crowdsale conclude refused: WrongPhase(phase=operating); 'roof' is"),
        (("release", "shed", "--evidence", "x"), "WrongPhase(phase=open); 'shed' is open; next: "),
        (("goods", "roof", "x", "1", "1"), "'roof' is of kind EquityCampaign: that step is for Rew"),
        (("open", "new", "--point", "8", "--goal", "1", "--milestones", "1,2"), "sum to 1000"),
        (
            ("open", "new", "--point", "8", "--goal", "1", "--kind", "donation", "--rent", "1"),
            "'new': only an equity campaign has a share or a rent",
        ),
        (("draft", "new", "--point", "8", "--goal", "2", "--cap", "1"), "BadTerms(rule=cap not below"),
    ],
)  # fmt: skip
def test_what_is_refused_is_one_line(run: Run, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(GridbourseError) as refused:
        run(*words)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "words",
    [
        ("fund", "roof", "-1", "--by", "8"),
        ("fund", "roof", "0.0000001", "--by", "8"),
        ("fund", "roof", "nan", "--by", "8"),
        ("open", "roof", "--profit-share", "0"),
        ("open", "roof", "--profit-share", "1", "--rent", "1"),
        ("open", "roof", "--milestones", "a,b"),
        ("open", "roof", "--beneficiary", "0x12"),
        ("wait", "0"),
        ("sideways",),
        (),
    ],
)
def test_a_command_line_that_is_none(
    words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        crowdsale.main(*words)
    assert end.value.code == 2
    said = capfd.readouterr().err
    assert said.startswith("usage: ")
    assert "error: " in said.splitlines()[-1]


@pytest.mark.parametrize(("text", "amount"), [("1", 10**6), ("0.000001", 1), ("12.5", 12_500_000)])
def test_an_amount_is_exact(text: str, amount: int) -> None:
    assert micro_eur(text) == amount


@pytest.mark.parametrize("text", ["", ".", "1e3", "-1", "0", "0.0", "1.0000001", "∞", "1,5"])
def test_a_text_that_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="is no amount in EUR"):
        micro_eur(text)


@pytest.mark.parametrize(("goal", "parts"), [(10, [3, 7]), (1, [0, 1]), (999, [332, 667])])
def test_milestones_lose_nothing(goal: int, parts: list[int]) -> None:
    assert shares_of(goal, [333, 667]) == parts
