"""`scripts.offices`: what waits for a timelock is proposed, shown, objected to and carried out."""

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from eth_account import Account
from eth_utils import keccak

from gridbourse.chain.bindings.registry import Registration
from gridbourse.chain.deployment.deploy import MarketSettings, deploy
from gridbourse.chain.deployment.market import FIRST_AREA, Market
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.connect import let_time_pass, session
from gridbourse.chain.node.transactions import Chain
from gridbourse.chain.operations import proposals as library
from scripts import crowdsale, offices, run
from tests.invariants.model_market import BAND
from tests.scripts.conftest import next_commands

DAY = 86_400
PASSWORD = "correct horse battery"
POINTS = ("P0001", "P0002", "P0003")
Step = Callable[..., str]


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    with session("devnet-child") as w3:
        chain, keys = Chain(w3, load_artifacts()), Keyring.for_chain(w3)
        settings = MarketSettings(900, 300, BAND, ("one street",), ring_size=6)
        market = deploy(chain, keys, settings)
        rows = [
            Registration(
                keys.address(f"participant/{point}"), keccak(text=point), FIRST_AREA, 0, 4_000, 1
            )
            for point in POINTS
        ]
        market.registry.register(keys["operator"], rows)
        yield market


@pytest.fixture(scope="module")
def record(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("deployments") / "here.json"
    market.record.save(path)
    rows = "\n".join(f"{point},{8 + place}" for place, point in enumerate(POINTS))
    path.with_suffix(".participants.csv").write_text(f"point_id,number\n{rows}\n")
    return path


@pytest.fixture
def step(
    market: Market,
    record: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Step:
    """One step; what it says."""
    monkeypatch.setattr("scripts.record_path", lambda network: record)
    monkeypatch.setattr("scripts.open_market", lambda w3, path: market)  # bound once
    monkeypatch.setenv("GRIDBOURSE_KEYSTORE_PASSWORD", PASSWORD)

    def say(*words: str) -> str:
        capsys.readouterr()
        assert offices.main(*words, web3=market.chain.w3) == 0
        return capsys.readouterr().out

    return say


@pytest.fixture
def refused(
    step: Step,
    market: Market,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Step:
    """The one line by which a step is refused, with exit code 2."""

    def line(*words: str) -> str:
        capsys.readouterr()
        monkeypatch.setattr("sys.argv", ["offices", *words])
        with pytest.raises(SystemExit) as end:
            run(lambda *given: offices.main(*given, web3=market.chain.w3))
        assert end.value.code == 2
        said = capsys.readouterr()
        assert said.out == ""
        (only,) = said.err.splitlines()
        return only

    return line


@pytest.fixture
def keystore(tmp_path: Path) -> Callable[[str], tuple[str, str]]:
    """Address and keystore of somebody whose key no command derives."""

    def made(seed: str) -> tuple[str, str]:
        account = Account.from_key(keccak(text=seed))
        path = tmp_path / f"{seed}.json"
        path.write_text(json.dumps(Account.encrypt(account.key, PASSWORD, iterations=2)))
        return account.address, str(path)

    return made


def held(market: Market) -> list[tuple[str, str]]:
    return [(str(role), who) for role, who in library.holders(market, library.read_log(market))]


def typed(line: str, **filled: str) -> list[str]:
    """The words of a command that is said to come next, behind `scripts.offices`."""
    words = shlex.split(line)
    assert words[1:3] == ["-m", "scripts.offices"], line
    return [filled.get(word, word) for word in words[3:]]


def wait(market: Market, days: int) -> None:
    let_time_pass(market.chain.w3, days * DAY)


def test_a_lost_key_is_replaced_by_what_is_said_to_come_next(
    step: Step, refused: Step, market: Market, keystore: Callable[[str], tuple[str, str]]
) -> None:
    new, file = keystore("the new key of P0001")
    assert "NotSuspended(participant=8, status=active)" in refused(
        "account", "propose", "P0001", new
    )
    first, _ = next_commands(step("member", "suspend", "P0001"))
    said = step(*typed(first, ADDRESS=new))
    take, objection = next_commands(said)
    assert objection.endswith("account withdraw P0001 --by P0001")
    shown = step("status")
    assert f"Waits      place of P0001 for {new}" in shown
    assert "by that account itself" in shown
    assert "Suspended  P0001" in shown
    assert next_commands(shown) == [take]
    assert refused(*typed(take, FILE=file)).startswith(
        "Reverted: take account refused: VetoRunning("
    )
    wait(market, 7)
    assert f"Ready      place of P0001 for {new}" in step("status")
    (reinstate,) = next_commands(step(*typed(take, FILE=file)))
    assert market.registry.read("accountOf", 8) == new
    assert "P0001: may order again" in step(*typed(reinstate))
    assert "Nothing is proposed." in step("status")


def test_who_has_its_key_changes_it_and_objects(
    step: Step, refused: Step, market: Market, keystore: Callable[[str], tuple[str, str]]
) -> None:
    """A thief proposes its own account: the holder, or the operator, withdraws it."""
    thief, file = keystore("a thief of P0002")
    step("account", "propose", "P0002", thief, "--by", "P0002")
    assert "P0002: keeps its account" in step("account", "withdraw", "P0002")
    wait(market, 8)
    assert "NoSuccession" in refused("account", "take", "P0002", "--keystore", file)
    said = step("account", "propose", "P0002", "public/mine", "--by", "P0002")
    take = next_commands(said)[0]
    assert take.endswith("account take P0002 --by public/mine")
    wait(market, 22)
    assert "Expired    place of P0002" in step("status")
    assert "SuccessionExpired" in refused(*typed(take))
    assert "NotItsAccount" in refused("account", "withdraw", "P0002", "--by", "P0003")
    step("account", "withdraw", "P0002", "--by", "P0002")


def test_a_role_moves_behind_the_timelock(
    step: Step, refused: Step, market: Market, keystore: Callable[[str], tuple[str, str]]
) -> None:
    new, _ = keystore("another meter oracle")
    old = market.keys.address("meter oracle")
    said = step("role", "propose", "meter-oracle", new)
    (give,) = next_commands(said)
    assert "RoleTimelockRunning(role=METER_ORACLE" in refused(*typed(give))
    assert f"Waits      role METER_ORACLE for {new}" in step("status")
    wait(market, 2)
    (drop,) = next_commands(step(*typed(give)))
    assert drop.endswith(f"role drop METER_ORACLE {old}")
    step(*typed(drop))
    assert ("METER_ORACLE", new) in held(market)
    assert ("METER_ORACLE", old) not in held(market)
    assert f"{old} does not hold METER_ORACLE" in refused(
        "role", "drop", "METER_ORACLE", "meter oracle"
    )
    step("role", "propose", "TSO", new)
    step("role", "withdraw", "TSO", new)
    assert "RoleNotProposed(role=TSO" in refused("role", "give", "TSO", new)


def test_the_operator_changes_its_key(
    step: Step, refused: Step, market: Market, keystore: Callable[[str], tuple[str, str]]
) -> None:
    """Both its roles; the former one is put out by the new one, and last of all comes back."""
    new, file = keystore("a new operator")
    old = market.keys.address("operator")
    for role in ("OPERATOR", "ADMIN"):
        (give,) = next_commands(step("role", "propose", role, new))
        assert give.endswith(f"role give {role} {new} --keystore FILE")
    wait(market, 2)
    assert "OnlyItself(role=OPERATOR" in refused("role", "give", "OPERATOR", new)
    (drop,) = next_commands(step("role", "give", "OPERATOR", new, "--keystore", file))
    (removal,) = next_commands(step("role", "give", "ADMIN", new, "--keystore", file))
    step(*typed(drop), "--keystore", file)
    assert "MissingRole" in refused("area", "open", "too late")
    (end,) = next_commands(step(*typed(removal), "--keystore", file))
    assert end.endswith(f"role drop ADMIN {old}")
    assert "RoleTimelockRunning(role=ADMIN_REMOVAL" in refused(*typed(end), "--keystore", file)
    assert f"role ADMIN_REMOVAL for {old}" in step("status")
    wait(market, 2)
    step(*typed(end), "--keystore", file)
    assert [role for role, who in held(market) if who == old] == []
    assert "LastHolder(role=ADMIN" in refused("role", "drop", "ADMIN", new, "--keystore", file)
    for role in ("OPERATOR", "ADMIN"):
        step("role", "propose", role, "operator", "--keystore", file)
    wait(market, 2)
    for role in ("OPERATOR", "ADMIN"):
        step("role", "give", role, "operator")
        step("role", "drop", role, new, "--keystore", file)  # by itself, an admin's too
    assert [role for role, who in held(market) if who == new] == []


def test_a_gateway_is_given_by_the_operator(
    step: Step, market: Market, keystore: Callable[[str], tuple[str, str]]
) -> None:
    new, _ = keystore("a second gateway")
    (give,) = next_commands(step("role", "propose", "GATEWAY", new))
    wait(market, 2)
    step(*typed(give))
    assert market.registry.read("gatewayNumberOf", new) == 2


def test_a_module_is_proposed_authorised_and_revoked(
    step: Step, refused: Step, market: Market
) -> None:
    module = market.clock.address  # some code
    said = step("module", "propose", module, "market", "payment")
    (authorise,) = next_commands(said)
    assert f"Waits      module market, payment for {module}" in step("status")
    assert "TimelockRunning(module=" in refused(*typed(authorise))
    wait(market, 2)
    assert f"Ready      module market, payment for {module}" in step("status")
    step(*typed(authorise))
    assert market.house.read("permissionsOf", module) == 9
    step("module", "revoke", module)
    assert market.house.read("permissionsOf", module) == 0
    assert "permission 'markets' is none; there are: market" in refused(
        "module", "propose", module, "markets"
    )


def test_an_area_opened_by_mistake_is_closed(step: Step, refused: Step, market: Market) -> None:
    (close,) = next_commands(step("area", "open", "two streets"))
    assert market.registry.read("areaCount") == 2
    assert "no part of the periods from" in step(*typed(close))
    assert "Closed     area two streets, from period" in step("status")
    assert "AreaClosed(area=1" in refused(*typed(close))
    assert "AreaHasMembers(area=0, participant=8" in refused("area", "close", "one street")
    assert "did you mean 'one street'?" in refused("area", "close", "one stret")
    step("area", "open", "two streets")
    assert "2 have this name; give the number: 1, 2" in refused("area", "close", "two streets")
    step("area", "close", "2")


def test_who_comes_after_an_owner_takes_its_pledge_over(
    step: Step,
    refused: Step,
    market: Market,
    keystore: Callable[[str], tuple[str, str]],
) -> None:
    terms = ("--point", "P0003", "--goal", "100", "--profit-share", "800")
    crowdsale.main("open", "roof", *terms, web3=market.chain.w3)
    heir, file = keystore("who buys the house of P0003")
    assert "100 % of P0003's export; taken over by nobody" in step("status")
    assert f"{heir} takes over" in step("pledge", "take-over", "P0003", "--keystore", file)
    assert f"100 % of P0003's export; taken over by {heir}" in step("status")
    step("pledge", "refuse", "P0003", "--keystore", file)
    assert "taken over by nobody" in step("status")
    assert "who?" in refused("pledge", "take-over", "P0003")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("role", "propose", "METEROACLE", "dso"), "did you mean METER_ORACLE?"),
        (("role", "give", "ADMIN_REMOVAL", "dso"), "role 'ADMIN_REMOVAL' is none"),
        (("account", "propose", "P0009", "dso"), "'P0009' is neither a metering point"),
        (("role", "propose", "TSO", "0x" + "ab" * 20), "its checksum is wrong or missing"),
        (("role", "propose", "TSO", "somebody"), "'somebody' is neither a metering point"),
        (("account", "take", "P0002"), "who?"),
        (("area", "open", "a name that is longer than one word of the chain"), "within 32 bytes"),
    ],
)
def test_what_is_mistyped_is_one_line(refused: Step, words: tuple[str, ...], said: str) -> None:
    assert said in refused(*words)
