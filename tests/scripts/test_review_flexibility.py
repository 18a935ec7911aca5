"""`scripts.correct` and `scripts.settle` have flexibility reviewed that was verified on wrong readings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gridbourse.index.history import read_history
from gridbourse.model.house_accounts import TSO_ACCOUNT
from oracle.meter.corrections import book_corrections
from scripts.correct import _correct
from scripts.settle import settle
from tests.audit.test_reviewed import CORRECTED, P, sold
from tests.chain.street import PURSE, Street, open_street

ROWS = [
    ["0", "8", "400", "350", "-0.007000"],
    ["0", "9", "0", "600", "+0.084000"],
    ["1", "8", "300", "0", "-0.042000"],
    ["2", "11", "200", "0", "-0.028000"],
]
"""Request, seller, Wh delivered before and now, EUR of its account: paid and lost alike 70 µEUR/Wh."""


@pytest.fixture
def street(monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    monkeypatch.setenv("COLUMNS", "200")
    with open_street() as found:
        sold(found)
        yield found


def rows(said: str) -> list[list[str]]:
    _, _, table = said.partition("flexibility reviewed")
    cells = (line.replace("│", " ").split() for line in table.splitlines())
    return [row[1:] for row in cells if row and row[0] == str(P)]


def test_a_correction_reviews_what_was_verified_on_the_reading(
    street: Street, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "corrections.csv"
    lines = [f"{who},{P},{wh}" for who, wh in CORRECTED.items()]
    file.write_text("\n".join(["participant,period,wh", *lines]))
    assert _correct(street.market, file, {}, False) == 0
    assert rows(capsys.readouterr().out) == ROWS
    balances, waiting = (
        street.market.house.balances(12),
        street.market.house.waiting(12),
    )
    theirs = {who: balances[who] + waiting.get(who, 0) for who in (TSO_ACCOUNT, 10)}
    bought, metered = 300, 50
    assert theirs[TSO_ACCOUNT] == PURSE + 200 * 70, "it had paid, and has it back and damages"
    assert theirs[10] == PURSE - metered * 300 + bought * 70, "and so has who bought"
    assert _correct(street.market, file, {}, False) == 0
    assert "flexibility reviewed" not in capsys.readouterr().out


def test_settling_reviews_what_nobody_reviewed(
    street: Street, capsys: pytest.CaptureFixture[str]
) -> None:
    book_corrections(street.market, read_history(street.market).rebuilt, {P: CORRECTED})
    assert settle(street.market, []) == 1, "periods before it have no readings"
    assert rows(capsys.readouterr().out) == ROWS
    assert settle(street.market, []) == 1
    assert "flexibility reviewed" not in capsys.readouterr().out
