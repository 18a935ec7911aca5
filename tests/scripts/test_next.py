"""What a command says to do next is typed as it is printed, and works; the demo first."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.chain.node.devnet import free_port
from tests.replay.noon import write_scenario
from tests.scripts.conftest import copied, next_commands, typed

SHORT = "start = 2016-07-24T10:30:00Z\nperiods = 1                    #"
"""In the place of the default scenario's day."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose default scenario is one period of nine participants."""
    made = copied(tmp_path_factory.mktemp("checkout"))
    text = write_scenario(tmp_path_factory.mktemp("scenario"), 0.07).read_text()
    assert text.count("periods = 96 ") == 1
    (made / "scenarios" / "rural3.toml").write_text(text.replace("periods = 96 ", SHORT))
    return made


def follow(done: subprocess.CompletedProcess[str], root: Path, **filled: str) -> str:
    """Type the one command that is said to come next; what it says."""
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = next_commands(done.stdout)
    assert line.startswith(".venv/bin/python -m scripts."), line
    after = typed(line, root, **filled)
    assert after.returncode == 0, after.stdout + after.stderr
    assert after.stderr == ""
    return after.stdout


def test_the_demo(root: Path) -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    (words,) = re.findall(r"^DEMO := \$\(PY\) (-m scripts\.replay .*)$", makefile, re.MULTILINE)
    demo = f".venv/bin/python {words}".replace("$(DEMO_SCENARIO)", "scenarios/rural3.toml")
    (root / "out" / "demo").mkdir(parents=True)
    (root / "out" / "demo" / "summary.json").write_text("of the last time: a demo is run again")
    done = typed(demo, root)
    assert "the same" in follow(done, root)
    (figures,) = re.findall(r"^Figures  (\S+)$", done.stdout, re.MULTILINE)
    assert json.loads((root / figures).read_text())["periods"] == 1


@pytest.fixture(scope="module")
def up(root: Path) -> Iterator[subprocess.CompletedProcess[str]]:
    """What `devnet up` says."""
    done = typed(f".venv/bin/python -m scripts.devnet up --port {free_port()}", root)
    yield done
    (stop,) = re.findall(r"^Stop     (.+)$", done.stdout, re.MULTILINE)
    assert typed(stop, root).returncode == 0


@pytest.fixture(scope="module")
def deployed(up: subprocess.CompletedProcess[str], root: Path) -> str:
    return follow(up, root)


def test_from_a_devnet_to_a_replay(deployed: str, root: Path) -> None:
    (status,) = next_commands(deployed)
    shown = typed(status, root)
    (replay,) = next_commands(shown.stdout)
    assert "scripts.replay" in replay
    replayed = typed(replay, root)
    assert "the same" in follow(replayed, root)


def test_help_names_the_commands_as_they_work_from_here(root: Path) -> None:
    done = typed(".venv/bin/python -m scripts.onboard --help", root)
    assert "    .venv/bin/python -m scripts.onboard apply FILE" in done.stdout


@pytest.mark.parametrize("text", ["README.md", "scenarios/README.md"])
def test_a_command_shown_to_a_reader_is_one_of_the_environment(text: str) -> None:
    shown = (CHECKOUT / text).read_text(encoding="utf-8")
    commands = re.findall(r"\S*python -m (?:scripts|benchmarks)\.(\w+)", shown)
    assert len(commands) > 3
    assert not re.findall(r"(?<!\.venv/bin/)python -m (?:scripts|benchmarks)", shown)
    made = {
        path.stem for name in ("scripts", "benchmarks") for path in CHECKOUT.glob(f"{name}/*.py")
    }
    assert set(commands) <= made
