"""A damaged folder is refused in one line that names file and field."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gridbourse.audit.check import rebuild
from gridbourse.audit.core.errors import AuditError
from gridbourse.audit.run_folder import load_run
from gridbourse.errors import GridbourseError
from scripts import run as run_script
from scripts.check import main

ANYWHERE = "0x" + "11" * 20


def _spoil(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    path = folder / f"{name}.json"
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(json.dumps(content if changed is None else changed))


@pytest.mark.parametrize("name", ["logs", "deployment", "scenario", "state"])
def test_missing_file(honest: Path, name: str) -> None:
    (honest / f"{name}.json").unlink()
    with pytest.raises(GridbourseError, match=rf"{name}\.json"):
        load_run(honest)


@pytest.mark.parametrize("name", ["logs", "deployment", "scenario", "state"])
@pytest.mark.parametrize("text", ["{", "[]", "{}", '"x"'])
def test_damaged_file(honest: Path, name: str, text: str) -> None:
    (honest / f"{name}.json").write_text(text)
    with pytest.raises(GridbourseError, match=rf"{name}\.json"):
        load_run(honest)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("state", lambda s: s.pop("deposits"), r"state\.json: field 'deposits' is missing"),
        ("state", lambda s: s.update(deposits="1"), r"state\.json: damaged: '1' is not an integer"),
        ("state", lambda s: s["balances"].update(x=1), r"state\.json: damaged"),
        ("logs", lambda s: s.update(chain_id=1), r"logs\.json: chain_id 1, deployment\.json says"),
        ("logs", lambda s: s["logs"][0].pop("data"), r"logs\.json: field 'data' is missing"),
        ("deployment", lambda s: s["contracts"].pop("Tariff"), r"contracts\.Tariff is missing"),
        ("deployment", lambda s: s["contracts"].pop("CallAuction"), "has none of the markets"),
        (
            "deployment",
            lambda s: s["contracts"]["MarketClock"].update(arguments=[]),
            "constructor arguments",
        ),
    ],
)
def test_damaged_field(honest: Path, name: str, change: Any, message: str) -> None:
    def in_place(content: Any) -> None:
        change(content)

    _spoil(honest, name, in_place)
    with pytest.raises(AuditError, match=message):
        load_run(honest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda logs: logs[5].update(address=ANYWHERE), "is no contract of the deployment"),
        (lambda logs: logs[5].update(topics=["0x" + "22" * 32]), "not an event of"),
        (lambda logs: logs[5].update(topics=[]), "not an event of"),
        (lambda logs: logs[-1].update(data="0x00"), "damaged CallAuction.OrdersPlaced"),
        (lambda logs: logs[-1]["topics"].pop(), "damaged CallAuction.OrdersPlaced"),
        (lambda logs: logs.append(logs[0]), "comes after block"),
    ],
)
def test_log_of_nothing(honest: Path, change: Callable[[Any], Any], message: str) -> None:
    def in_place(content: Any) -> None:
        change(content["logs"])

    _spoil(honest, "logs", in_place)
    run = load_run(honest)
    with pytest.raises(AuditError, match=message):
        rebuild(run.deployment, run.rules, run.logs)


def test_command_says_it_in_one_line(honest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (honest / "logs.json").unlink()
    with pytest.raises(SystemExit) as ended:
        run_script(lambda *_: main(str(honest)))
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "logs.json: missing" in error


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="no such folder"):
        main(str(tmp_path / "nowhere"))
