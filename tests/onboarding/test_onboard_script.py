"""The command line, from file to members: what it says, its exit codes, and a process killed on the way."""

import csv
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gridbourse.chain.deployment import record as deployments
from gridbourse.chain.keys import keystores
from gridbourse.chain.keys.accounts import DEVELOPMENT_SECRET, Keyring
from gridbourse.chain.keys.keystores import KeystoreError
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.connect import session
from gridbourse.chain.node.transactions import Chain
from gridbourse.errors import GridbourseError
from gridbourse.metering.points import read_numbers
from gridbourse.onboarding.errors import ApplicationError, PeopleError, PersonError
from gridbourse.onboarding.mapping import found_mapping
from gridbourse.onboarding.people import People, Status
from gridbourse.onboarding.registration import Members
from scripts import onboard
from tests.onboarding.applying import row, write
from tests.onboarding.founding import found
from tests.scripts.conftest import next_commands

PASSWORD = "a long enough one"


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    monkeypatch.setattr(deployments, "FOLDER", tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv(keystores.PASSWORD_VARIABLE, PASSWORD)


@pytest.fixture
def command(market, tmp_path):
    """A call of the script on the session's chain, in a folder of this test."""
    market.record.save(tmp_path / "devnet.json")

    def call(*words: object) -> int:
        return onboard.main(*map(str, words), web3=market.chain.w3)

    yield call
    market.chain._nonces.clear()  # the script has a Chain of its own


def ids(folder: Path) -> dict[str, str]:
    with People(folder) as people:
        return {p.application.metering_point: p.id for p in people.everyone() if p.application}


def test_from_file_to_members_and_out_again(command, market, tmp_path, capsys):
    folder = tmp_path / "devnet.onboarding"
    of_deployment = {"point_id": "P0001", "number": 900, "account": "0x12", "at": 3, "zone": "LV1"}
    found_mapping(tmp_path / "devnet.participants.csv", [of_deployment])
    file = write(
        tmp_path / "people.csv",
        row("S1", mandate="yes", credit_limit_eur="5"), row("S2", zone="[/LV9]"), row("S3"),
    )  # fmt: skip

    assert command("apply", file) == 1
    said = capsys.readouterr().out
    assert "'[/LV9]' is no grid zone of this market: LV1.101, LV1.102" in said
    assert "2 applied, 1 row refused" in said
    assert "-m scripts.onboard check --all --operator NAME --network devnet" in said

    assert command("register") == 0
    assert "0 registered, 0 refused, 2 to be checked" in capsys.readouterr().out
    assert command("check", ids(folder)["S1"], "--operator", "Grace") == 0
    assert "register --password-file FILE --network devnet" in capsys.readouterr().out
    assert command("register") == 0
    assert "1 registered, 0 refused, 1 to be checked" in capsys.readouterr().out

    mapping = tmp_path / "devnet.participants.csv"
    with mapping.open() as rows:
        _, listed = csv.DictReader(rows)
    assert listed["point_id"] == "S1"
    assert Members(market).number_of(listed["account"]) == int(listed["number"])
    assert mapping.stat().st_mode & 0o777 == 0o600

    assert command("status") == 0
    assert "Ada of S1" in capsys.readouterr().out
    with pytest.raises(PersonError, match="the membership ends first"):
        command("erase", ids(folder)["S1"])
    assert command("leave", ids(folder)["S1"]) == 0
    assert command("erase", ids(folder)["S1"]) == 0
    assert "personal data and salt erased, and the log says so" in capsys.readouterr().out
    everything = b"".join(p.read_bytes() for p in tmp_path.rglob("*.sqlite"))
    everything += mapping.read_bytes()
    assert read_numbers(mapping) == {"P0001": (900,)}, "the deployment's own stays"
    assert b"Ada of S3" in everything
    for personal in (b"Ada of S1", b"s1@example.org", row("S1")["meter_address"].encode()):
        assert personal not in everything


def test_the_same_file_again_changes_nothing(command, tmp_path, capsys):
    file = write(tmp_path / "people.csv", row("T1"), row("T2"))

    assert command("apply", file) == 0
    assert command("apply", file) == 1

    said = capsys.readouterr().out
    assert "0 applied, 2 rows refused" in said
    assert "when its rows are right" in said
    assert len(ids(tmp_path / "devnet.onboarding")) == 2


def test_one_refused_by_the_chain_does_not_keep_the_others_out(command, market, tmp_path, capsys):
    """An account that got a number elsewhere between application and registration."""
    folder, own = tmp_path / "devnet.onboarding", market.keys["someone else"].address
    command("apply", write(tmp_path / "people.csv", row("U1", account=own), row("U2")))
    command("check", "--all", "--operator", "Grace")
    with People(folder) as people:
        other = people.everyone()[1].applied()
    market.chain._nonces.clear()
    Members(market).register(own, b"\1" * 32, other)

    assert command("register") == 1

    said = capsys.readouterr().out
    assert "1 registered, 1 refused" in said
    assert f"account {own} is participant" in said
    with People(folder) as people:
        assert [p.status for p in people.everyone()] == [Status.CHECKED, Status.REGISTERED]


@pytest.mark.parametrize(
    ("words", "error", "reason"),
    [
        (("apply", "none.csv"), ApplicationError, "is missing"),
        (("check", "abc", "--operator", "Grace"), PersonError, "nobody has this id"),
        (("erase", "abc"), PersonError, "nobody has this id"),
        (("register", "--password-file", "none"), KeystoreError, "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_refused_is_one_typed_line(command, words, error, reason):
    with pytest.raises(error, match=reason) as refused:
        command(*words)
    assert isinstance(refused.value, GridbourseError)
    assert "\n" not in str(refused.value)


def test_every_step_said_to_come_next_can_be_typed(command, tmp_path, capsys, monkeypatch):
    """From nobody to a member, each step as the one before printed it."""
    file, password = write(tmp_path / "people.csv", row("W1")), tmp_path / "password"
    password.write_text(PASSWORD)
    monkeypatch.delenv(keystores.PASSWORD_VARIABLE)
    filled = {
        "apply FILE": f"apply {file}",
        "NAME": "Grace",
        "--password-file FILE": f"--password-file {password}",
    }
    command("status")
    steps = []
    for _ in range(4):
        (line,) = next_commands(capsys.readouterr().out)
        for capitals, value in filled.items():
            line = line.replace(capitals, value)
        words = shlex.split(line)
        assert words[1:3] == ["-m", "scripts.onboard"]
        steps.append(words[3])
        assert command(*words[3:]) == 0
    assert steps == ["apply", "check", "register", "status"]
    (line,) = next_commands(capsys.readouterr().out)
    assert "scripts.status --network devnet" in line


def test_nobody_yet(command, capsys):
    assert command("status") == 0
    assert "-m scripts.onboard apply FILE --network devnet" in capsys.readouterr().out


def test_people_of_a_chain_that_is_gone_are_not_mixed_in(command, tmp_path):
    with People(tmp_path / "devnet.onboarding") as people:
        people.belong_to("another chain")
    with pytest.raises(PeopleError, match="of another deployment"):
        command("apply", write(tmp_path / "people.csv", row("V1")))


def test_a_process_killed_behind_its_transactions_registers_nobody_twice(tmp_path):
    """os._exit behind each of the first transactions, on a devnet; the next run goes on."""
    with session("devnet-child") as w3:
        market = found(Chain(w3, load_artifacts()), Keyring(DEVELOPMENT_SECRET))
        url = w3.provider.endpoint_uri
        market.record.save(deployments.record_path(url))
        folder = tmp_path / "people"
        where = ("--network", url, "--folder", str(folder))
        people = [row(p, mandate="yes", credit_limit_eur="5") for p in ("W1", "W2")]
        onboard.main("apply", str(write(tmp_path / "people.csv", *people)), *where)
        onboard.main("check", "--all", "--operator", "Grace", *where)

        for instant, code in ((1, 9), (3, 9), (2, 9), (0, 0)):
            program = (
                "import pathlib, runpy, sys; from gridbourse.chain import deployments\n"
                f"deployments.FOLDER = pathlib.Path({str(tmp_path)!r})\n"
                "runpy.run_module('tests.onboarding.killed_onboarding', run_name='__main__')"
            )
            ended = subprocess.run(
                [sys.executable, "-c", program, str(instant), "register", *where],
                capture_output=True, text=True,
            )  # fmt: skip
            assert ended.returncode == code, ended.stderr

        registered = market.registry.contract.events.ParticipantRegistered().get_logs(from_block=0)
        assert len(registered) == 2
        members = Members(market)
        with People(folder) as register:
            everyone = register.everyone()
        for person in everyone:
            assert person.status == Status.REGISTERED
            assert members.number_of(person.account) == person.number
            assert members.mandated(person.number)
            assert market.house.read("creditLimitOf", person.number) == 5_000_000
