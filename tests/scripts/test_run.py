"""What every command line shares: refusals are one line and exit code 2."""

import pytest

from gridbourse.errors import GridbourseError
from scripts import run


def test_the_command_line_is_handed_on(monkeypatch):
    monkeypatch.setattr("sys.argv", ["name", "up", "--port", "1"])
    seen = []

    with pytest.raises(SystemExit) as ended:
        run(lambda *args: seen.extend(args))

    assert seen == ["up", "--port", "1"]
    assert ended.value.code is None


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (GridbourseError("row 3: no price"), 2, "GridbourseError: row 3: no price\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)  # fmt: skip
def test_a_refusal_has_its_exit_code_and_no_traceback(monkeypatch, capsys, error, code, said):
    monkeypatch.setattr("sys.argv", ["name"])

    def refuse():
        raise error

    with pytest.raises(SystemExit) as ended:
        run(refuse)

    assert ended.value.code == code
    assert capsys.readouterr().err == said


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("sys.argv", ["name"])

    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 // 0)
