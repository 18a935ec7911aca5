"""`scripts.correct`: a file of corrections goes in whole, or is refused row by row."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from web3 import Web3

from gridbourse.chain.encoding.lanes import BID, OFFER
from gridbourse.chain.node.connect import session
from gridbourse.metering.errors import ReadingError
from scripts import correct
from tests.invariants.model_market import FEED_IN, FEES, RETAIL, Order
from tests.invariants.ring_market import CAPACITY_WH, FIRST, MTU, NUMBERS, RING, RingMarket

ORDERS = {8: Order(OFFER, 10, 900), 9: Order(BID, 20, 500), 14: Order(BID, 15, 300)}
START = datetime.fromtimestamp(FIRST * MTU, UTC).isoformat()
Run = Callable[..., int]


@pytest.fixture(scope="module")
def market() -> Iterator[RingMarket]:
    """Two settled periods, the second of which took the ring slot of the first."""
    with session("devnet-child") as w3:
        market = RingMarket(w3)
        market.deposit(dict.fromkeys(NUMBERS, 400_000))
        for period in (FIRST, FIRST + RING):
            market.live(period, ORDERS, 2)
        yield market


@pytest.fixture
def run(market: RingMarket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The script on a file of these lines."""
    record = tmp_path / "here.json"
    market.market.record.save(record)
    rows = "\n".join(f"P{n},{n}" for n in NUMBERS)
    record.with_suffix(".participants.csv").write_text(f"point_id,number\n{rows}\n")
    monkeypatch.setattr("scripts.record_path", lambda network: record)

    def on(*lines: str, options: tuple[str, ...] = (), web3: Web3 = market.chain.w3) -> int:
        file = tmp_path / "corrections.csv"
        file.write_text("\n".join(lines) + "\n")
        return correct.main(str(file), *options, web3=web3)

    return on


def test_what_was_read_wrong_is_booked_and_done_again_nothing_is(
    market: RingMarket, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = market.look()
    lines = ["point,time,wh", f"P8,{START},1000", f"P9,{START},-509", f"P13,{START},-113"]
    assert run(*lines) == 0
    shown = capsys.readouterr().out
    assert "3 readings" in shown

    after = market.look()
    changes = {n: after[n] - before[n] for n in before if after[n] != before[n]}
    more = RETAIL + FEES[2][0]
    assert changes[8] == 100 * (FEED_IN - FEES[1][2]), "100 Wh more, sold to the supplier"
    assert changes[13] == -100 * more, "100 Wh more, bought from it"
    assert changes.keys() == {1, 2, 8, 9, 13}
    assert sum(changes.values()) == 0
    assert f"{changes[13] / 1e6:+,.6f}" in shown

    assert run(*lines) == 0
    assert "Everything stands as it should be." in capsys.readouterr().out
    assert market.look() == after


def test_refused_rows_are_a_line_each_and_nothing_is_sent(
    market: RingMarket, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before, block = market.look(), market.chain.w3.eth.block_number
    rows = {
        f"8,{FIRST},1": "",
        f"7,{FIRST},1": "line 3, column participant: '7' is not known (rule meter)",
        f"x,{FIRST},1": "line 4, column participant: 'x' is not a whole number (rule number)",
        f"9,{FIRST + 1},1": f"line 5, column period: '{FIRST + 1}' is not settled for '9'",
        f"9,{FIRST},1.5": "line 6, column wh: '1.5' is not a whole number (rule number)",
        f"9,{FIRST},{CAPACITY_WH + 1}": "line 7, column wh: 4001 Wh is more than the 4000 Wh",
        f"8,{FIRST},2": "line 8, column participant: '8' is corrected twice in the period",
        f"9,{FIRST}": "line 9, column wh: '' is not a whole number",
    }
    assert run("participant,period,wh", *rows) == 2
    lines = capsys.readouterr().err.splitlines()
    said = [reason for reason in rows.values() if reason]
    assert len(lines) == len(said)
    assert all(reason in line for reason, line in zip(said, lines, strict=True)), lines
    assert (market.look(), market.chain.w3.eth.block_number) == (before, block)


@pytest.mark.parametrize(
    ("time", "rule"),
    [
        ("yesterday", "time"),
        ("2016-07-01T00:00", "time"),
        ("2016-07-01T00:01+00:00", "grid"),
    ],
)
def test_times_are_starts_of_periods(
    run: Run, capsys: pytest.CaptureFixture[str], time: str, rule: str
) -> None:
    assert run("point,time,wh", f"P8,{time},1") == 2
    assert f"(rule {rule})" in capsys.readouterr().err


def test_good_rows_go_in_beside_refused_ones_when_asked(
    market: RingMarket, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ("participant,period,wh", f"16,{FIRST + RING},33", f"16,{FIRST + 99},33")
    assert run(*lines, options=("--skip-refused",)) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "1 reading; the supplier and the DSO stand against it" in captured.out
    assert market.look()[16] > 0


@pytest.mark.parametrize("header", ["participant,period", "participant,wh", "period,wh"])
def test_a_file_without_a_column_is_refused(run: Run, header: str) -> None:
    with pytest.raises(ReadingError, match="column is missing"):
        run(header)


def test_an_empty_file_is_refused(run: Run) -> None:
    with pytest.raises(ReadingError, match=r"^corrections\.csv: has no header \(rule schema\)$"):
        run("")
