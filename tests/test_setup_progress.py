"""Set-up says what it does: packages with their counts, contracts while they are compiled."""

import subprocess
import sys
from pathlib import Path

import pytest

import scripts
from gridbourse.chain.node import compiler
from gridbourse.chain.node.compiler import CHECKOUT
from scripts.progress import working

PIP = """
echo 'Collecting web3==7.16.0 (from -r requirements.lock (line 1))'
echo 'Requirement already satisfied: rich==14.0 in /somewhere'
echo 'Installing collected packages: web3'
exit {}
"""


def with_progress(tmp_path: Path, code: int) -> subprocess.CompletedProcess[str]:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "web3==7.16.0 \\\\\n    --hash=sha256:00\nrich==14.0 ; python_version < '4'\n# a==1\n"
    )
    return subprocess.run(
        [sys.executable, CHECKOUT / "tools" / "pip-progress", "Python packages", lock,
         "sh", "-c", PIP.format(code)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_packages_are_counted(tmp_path: Path) -> None:
    done = with_progress(tmp_path, 0)
    assert (done.returncode, done.stderr) == (0, "")
    first, second, last = done.stdout.splitlines()
    assert first == "Python packages: 2 packages in the lock file"
    assert second == "Python packages: installing 1 package"
    assert last.startswith("Python packages: done after ")


def test_what_pip_said_is_shown_when_it_fails(tmp_path: Path) -> None:
    done = with_progress(tmp_path, 3)
    assert done.returncode == 3
    assert "Collecting web3" in done.stderr
    assert done.stdout.splitlines()[-1].startswith("Python packages: failed after ")


def test_the_set_up_uses_it_and_pip_is_not_silent() -> None:
    for name in ("Makefile", "tools/make-venv"):
        text = (CHECKOUT / name).read_text()
        assert "tools/pip-progress" in text
        assert "pip install --quiet" not in text


def test_long_work_says_so_while_it_lasts(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    with working("compiling", every_s=0.001):
        while not any("compiling ... " in line for line in said):
            said += capsys.readouterr().err.splitlines()
    assert said[0] == "compiling ..."
    assert capsys.readouterr().err.splitlines()[-1].startswith("compiling: done after ")


def test_a_compilation_is_announced_and_only_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scripts.compiled() == compiler.load_artifacts()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(scripts, "uncompiled", lambda: 63)
    assert scripts.compiled() == compiler.load_artifacts()
    assert capsys.readouterr().err.startswith("compiling 63 contract files with solc 0.8.37 ...")


def test_what_is_compiled_is_known_by_its_sources(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "A.sol").write_text("contract A {}")
    assert compiler.uncompiled(tmp_path, compiler.compiler_settings()) == 1
    assert compiler.uncompiled() == 0
