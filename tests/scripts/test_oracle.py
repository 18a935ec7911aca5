"""`scripts.oracle meter`: from files in a folder to settled accounts, through kills and late readings."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from web3.types import RPCEndpoint

from gridbourse.chain.deployment.market import FIRST_AREA, Market, open_market
from gridbourse.chain.node.connect import connect
from gridbourse.metering.errors import ReadingError
from gridbourse.metering.signatures import sign_reading
from gridbourse.model.periods import Mtu
from gridbourse.scenario.scenario import load
from oracle.common.errors import JournalError
from oracle.common.journal import Journal
from scripts import oracle
from tests.chains import back_to, forgotten, snapshot
from tests.guard import GUARD_S
from tests.invariants.model_market import FEED_IN, FEES, RETAIL
from tests.invariants.ring_market import CAPACITY_WH, FIRST, MTU, NUMBERS
from tests.oracle.meter.late import ALL, ESTIMATE, LATE_ONES, ORDERS, TRUE, LateMarket, without
from tests.scripts.conftest import environment

BOUGHT = ORDERS[9].wh
"""All of it: 8 offers more than the two bid for."""
Run = Callable[..., int]


def write(path: Path, period: int, readings: Mapping[str, object], mtu: int = MTU) -> None:
    """As a metering system does: written beside, then put in its place."""
    start = f"{Mtu(mtu).start(period):%Y-%m-%dT%H:%MZ}"
    rows = "".join(f"{start},{point},{wh}\n" for point, wh in readings.items())
    draft = path.with_name(f".{path.name}")
    draft.write_text(f"time,point,wh\n{rows}")
    draft.rename(path)


def by_point(readings: Mapping[int, int]) -> dict[str, object]:
    return {f"P{number}": wh for number, wh in readings.items()}


@pytest.fixture(scope="module")
def delivered() -> LateMarket:
    return LateMarket()


@pytest.fixture
def market(delivered: LateMarket) -> Iterator[LateMarket]:
    with forgotten(delivered.chain):
        yield delivered


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "readings").mkdir()
    return tmp_path / "readings"


@pytest.fixture
def once(
    market: LateMarket, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Run:  # fmt: skip
    """`scripts.oracle meter FOLDER --once`; every call is another start."""
    record = tmp_path / "here.json"
    market.market.record.save(record)
    for module in ("scripts", "scripts.oracle"):
        monkeypatch.setattr(f"{module}.record_path", lambda network: record)
    rows = "\n".join(f"P{n},{n}" for n in NUMBERS)
    record.with_suffix(".participants.csv").write_text(f"point_id,number\n{rows}\n")

    def run(*options: str) -> int:
        caplog.clear()
        market.chain._nonces.clear()
        with caplog.at_level(logging.INFO):
            return oracle.main("meter", str(folder), "--once", *options, web3=market.chain.w3)

    return run


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelname == "ERROR"]


def test_a_late_file_makes_the_accounts_what_they_would_have_been(
    market: LateMarket, folder: Path, once: Run, caplog: pytest.LogCaptureFixture
) -> None:
    before = snapshot(market.chain)
    market.meter(FIRST, TRUE)
    market.settle_groups(FIRST, ALL)
    in_time = market.accounts()
    back_to(market.chain, before)

    write(folder / "early.csv", FIRST, by_point(without(TRUE, *LATE_ONES)))
    assert once() == 0
    contract = market.market.meter
    told = "\n".join(caplog.messages)
    assert "meter oracle of area two streets on devnet, chain " in told
    assert f"contract {contract.address}, signs as {contract.account.address}" in told
    assert f"watches {folder} for files .csv and .parquet" in told
    assert "early.csv, period " in told.partition("journal ")[2], "it is said before work begins"
    market.deadline_passes(FIRST)
    market.settle_groups(FIRST, ALL)
    assert market.accounts() != in_time
    write(folder / "late.csv", FIRST, by_point({n: TRUE[n] for n in LATE_ONES}))
    assert once() == 0

    assert market.accounts() == in_time
    import_fee, local_fee, _ = FEES[2]
    beyond = (-ESTIMATE - BOUGHT) * (RETAIL + import_fee)
    left = BOUGHT + TRUE[9]  # not drawn: the supplier takes it, and no local fee is due
    change = beyond + left * (FEED_IN + local_fee)
    assert (
        f"participant 9: {TRUE[9]} Wh came late, {-CAPACITY_WH} Wh were settled,"
        f" account {change:+d} µEUR"
    ) in caplog.text
    block = market.chain.w3.eth.block_number
    assert once() == 0
    assert market.chain.w3.eth.block_number == block


def test_what_is_refused_is_a_line_and_keeps_its_file_out(
    market: LateMarket, folder: Path, once: Run, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder / "bad.csv", FIRST, {"P8": 1, "P9": CAPACITY_WH + 1, "street": 3, "P10": "x"})
    write(folder / "good.csv", FIRST, {"P11": 7})
    (folder / "notes.txt").write_text("of somebody")
    assert once() == 1
    assert len(refusals(caplog)) == 3
    assert "bad.csv, line 3, column wh: 4,001 Wh is more than the 4,000 Wh" in caplog.text
    assert "bad.csv, line 4, column point: 'street' is not a known metering point" in caplog.text
    read = [market.market.meter.read("readingOf", FIRST_AREA, FIRST, n) for n in (8, 11)]
    assert read == [-(2**31), 7]

    assert once("--skip-refused") == 1
    assert market.market.meter.read("readingOf", FIRST_AREA, FIRST, 8) == 1


def test_a_reading_that_contradicts_the_one_sent_is_refused(
    market: LateMarket, folder: Path, once: Run, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder / "1.csv", FIRST, {"P8": 1})
    write(folder / "2.csv", FIRST, {"P8": 2, "P9": 3})
    write(folder / "3.csv", FIRST, {"P10": 4})
    assert once() == 1
    (line,) = refusals(caplog)
    assert line.startswith(f"2.csv: period {FIRST}, participant 8: 2 Wh, but 1 Wh were sent")
    assert market.market.meter.version(FIRST) == 2


def test_what_the_chain_refuses_is_in_nobodys_way(
    market: LateMarket, folder: Path, once: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Another oracle has brought in something else, and settlement has begun."""
    market.meter(FIRST, TRUE)
    market.settle_groups(FIRST, 1)
    write(folder / "1.csv", FIRST, {"P8": 1})
    write(folder / "0.csv", FIRST - 300, {"P8": 1})  # before the market
    assert once() == 1
    first, second = refusals(caplog)
    assert first.startswith(f"0.csv, period {FIRST - 300}: readings refused: RingSlotBusy")
    assert second.startswith(f"1.csv: period {FIRST}: the chain has version 1")
    assert once() == 1


def test_a_period_that_is_not_over_waits(market: LateMarket, folder: Path, once: Run) -> None:
    write(folder / "soon.csv", FIRST + 1, {"P8": 1})
    assert once() == 0
    assert market.market.meter.version(FIRST + 1) == 0
    market.market.clock.advance_to(market.keys["operator"], (FIRST + 2) * MTU)
    assert once() == 0
    assert market.market.meter.version(FIRST + 1) == 1


def test_a_users_own_columns(market: LateMarket, folder: Path, once: Run) -> None:
    """2016-07-01T00:00Z is two in the morning in Berlin."""
    (folder / "wide.csv").write_text("Zeit;P8;P9\n2016-07-01 02:15;0,9;-0,5\n")
    options = ("--wide", "--time", "Zeit", "--unit", "kWh", "--timezone", "Europe/Berlin")
    assert once(*options, "--marks", "end", "--separator", ";", "--decimal", ",") == 0
    read = [market.market.meter.read("readingOf", FIRST_AREA, FIRST, n) for n in (8, 9)]
    assert read == [900, -500]


def test_readings_are_signed_where_meters_have_keys(
    market: LateMarket, folder: Path, tmp_path: Path, once: Run, caplog: pytest.LogCaptureFixture
) -> None:
    meter = market.keys["meter/P8"]
    keys = tmp_path / "meters.csv"
    keys.write_text(f"metering_point,meter_address\nP8,{meter.address}\n")
    time_ = f"{Mtu(MTU).start(FIRST):%Y-%m-%dT%H:%MZ}"
    signed = sign_reading(meter.key, "P8", FIRST, 900)
    file = folder / "signed.csv"
    for wh, code in ((901, 1), (900, 0)):
        file.write_text(f"time,point,wh,sign\n{time_},P8,{wh},{signed}\n")
        assert once("--meters", str(keys), "--signature", "sign") == code
        assert market.market.meter.version(FIRST) == 1 - code


def test_one_oracle_a_journal_and_a_mapping_that_can_be_read(
    market: LateMarket, folder: Path, tmp_path: Path, once: Run
) -> None:
    write(folder / "1.csv", FIRST, {"P8": 1})
    with Journal(tmp_path / "j.sqlite"), pytest.raises(JournalError, match="holds this journal"):
        once("--journal", str(tmp_path / "j.sqlite"))
    for text, said in (("point,number\nP8,8\n", "column point_id"), ("point_id,number\nP8\n", "")):
        (tmp_path / "m.csv").write_text(text)
        with pytest.raises(ReadingError, match=f"m.csv.*{said}"):
            once("--participants", str(tmp_path / "m.csv"))
    with pytest.raises(SystemExit):
        oracle.main("meter", str(tmp_path / "nowhere"))


# --- as a process, on a devnet that stands ------------------------------------------------------

PERIODS = 40


@pytest.fixture
def traded(record: Path, small: Path, devnet: str) -> tuple[Market, range, dict[str, int]]:
    """A market, some periods of it that are over, and its participants by point."""
    market, scenario = open_market(connect(devnet), record), load(small)
    periods = range(scenario.first_period, scenario.first_period + PERIODS)
    market.clock.advance_to(market.keys["operator"], periods.stop * scenario.mtu_seconds)
    rows = record.with_suffix(".participants.csv").read_text().splitlines()[1:]
    return market, periods, {row.split(",")[0]: int(row.split(",")[1]) for row in rows}


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + GUARD_S
    while not what():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ended(process: subprocess.Popen[str]) -> str:
    """Told to end, it does, and well; what it said."""
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=GUARD_S)
    assert process.returncode == 0, said
    assert "SIGTERM: stopping" in said
    return said


def test_killed_and_started_again_each_reading_is_there_once(
    checkout: Path, tmp_path: Path, traded: tuple[Market, range, dict[str, int]]
) -> None:
    market, periods, number_of = traded
    for i, period in enumerate(periods):
        readings = {point: 10 * i - number for point, number in number_of.items()}
        write(tmp_path / f"{period}.csv", period, readings, market.clock.read("mtuSeconds"))

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "scripts.oracle", "meter", str(tmp_path)],
            cwd=checkout, env=environment(), text=True, stderr=subprocess.PIPE,
        )  # fmt: skip

    def brought() -> int:
        return sum(market.meter.version(period) > 0 for period in periods)

    process = start()
    wait_for(lambda: brought() >= 0.1 * PERIODS, process)
    process.kill()
    process.communicate()
    assert brought() < PERIODS, "it was killed in the middle"

    rpc = market.chain.w3.provider.make_request
    rpc(RPCEndpoint("evm_setAutomine"), [False])
    process = start()
    wait_for(lambda: market.chain.w3.eth.get_block("pending")["transactions"] != [], process)
    said = ended(process)
    assert "broken off in the midst of a step" in said, "the receipt it awaited did not come"
    rpc(RPCEndpoint("evm_setAutomine"), [True])
    rpc(RPCEndpoint("evm_mine"), [])

    process = start()
    wait_for(lambda: brought() == PERIODS, process)
    said = ended(process)
    assert "broken off" not in said
    assert [market.meter.version(period) for period in periods] == [1] * PERIODS
    for i, period in enumerate(periods):
        read = {
            n: market.meter.read("readingOf", FIRST_AREA, period, n) for n in number_of.values()
        }
        assert read == {number: 10 * i - number for number in number_of.values()}
