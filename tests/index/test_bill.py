"""A household's bill from a live market is the replay's, to the µEUR, and is where its account moved to."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from web3 import Web3

from gridbourse.chain.deployment.market import Market
from gridbourse.chain.deployment.record import DeploymentRecord
from gridbourse.chain.keys.accounts import Keyring
from gridbourse.chain.node.compiler import load_artifacts
from gridbourse.chain.node.connect import session
from gridbourse.chain.node.transactions import Chain
from gridbourse.chain.operations.withdrawals import announce
from gridbourse.index.bill import BillError, bill, month_of
from gridbourse.index.history import indexed, read_history
from gridbourse.metering.points import read_numbers
from gridbourse.model.house_accounts import SUPPLIER_ACCOUNT
from gridbourse.report.bill import CORRECTIONS, ENERGY, FEES, MONEY, verdict, write_bill
from gridbourse.report.record import RunRecord
from gridbourse.scenario.scenario import load
from oracle.meter.corrections import book_corrections
from replay.run import replay
from scripts import bill as command
from tests.replay.noon import START

OVERRIDES = {"start": START, "periods": 3, "parties.participation": 0.1}
RURAL3 = Path(__file__).parents[2] / "scenarios" / "rural3.toml"


@dataclass
class Lived:
    """A replay that is over, its chain still there."""

    w3: Web3
    market: Market
    record: RunRecord
    folder: Path

    @property
    def numbers(self) -> dict[str, int]:
        table = read_numbers(self.folder / "participants.csv")
        return {point: held[0] for point, held in table.items()}


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> Iterator[Lived]:
    folder = tmp_path_factory.mktemp("bill")
    with session("devnet-child") as w3:
        about = {"file": str(RURAL3), "overrides": OVERRIDES}
        done = replay(w3, "test", load(RURAL3, OVERRIDES), about, folder)
        record = DeploymentRecord.load(folder / "deployment.json")
        market = Market.bind(Chain(w3, load_artifacts()), Keyring.for_chain(w3), record)
        yield Lived(w3, market, done.record, folder)


def of(lived: Lived, point: str, month: str = "2016-07"):
    with indexed(lived.market) as index:
        return bill(index, lived.market, point, lived.numbers[point], month_of(month, "UTC", 900))


def test_every_bill_is_the_replays_and_its_account_has_moved_by_it(lived):
    people = lived.record.participants
    traded = 0
    for point, number in lived.numbers.items():
        found = of(lived, point)
        assert found.micro_eur == people.loc[point, "bill_micro_eur"]
        assert found.moved_micro_eur == lived.market.house.read("balanceOf", number)
        energy = list(found.of(ENERGY))
        bought = sum(line.wh or 0 for line in energy if line.what.startswith("bought, "))
        sold = sum(line.wh or 0 for line in energy if line.what.startswith("sold, "))
        assert (bought, sold) == tuple(people.loc[point, ["bought_wh", "sold_wh"]])
        assert (
            -sum(line.micro_eur for line in found.of(FEES)) == people.loc[point, "fees_micro_eur"]
        )
        assert (found.settled, found.periods) == (3, 31 * 96)
        traded += bought
    assert traded > 0


def test_a_correction_and_money_out_are_in_the_month_they_were_booked(lived):
    """Last of the tests of this file: the replay's figures are those before it."""
    market, point = lived.market, next(iter(lived.numbers))
    number, before = lived.numbers[point], of(lived, point)
    period = min(period for _, period in read_history(market).rebuilt.metering.finished)
    was = read_history(market).rebuilt.metering.settled_wh[period][number]
    (difference,) = book_corrections(
        market, read_history(market, [period]).rebuilt, {period: {number: was - 100}}
    )
    announce(market, market.keys[f"participant/{point}"], number, 1_000)
    found = of(lived, point)
    (line,) = found.of(CORRECTIONS)
    assert (line.what, line.micro_eur) == (f"delivery period {period}", difference.micro_eur)
    assert found.micro_eur == before.micro_eur + difference.micro_eur
    assert ("withdrawn", -1_000) in {(each.what, each.micro_eur) for each in found.of(MONEY)}
    assert found.moved_micro_eur == market.house.read("balanceOf", number)
    later = of(lived, point, "2016-08")
    assert (later.settled, later.micro_eur, later.lines) == (0, 0, ())


def test_the_command_prints_writes_and_says_whether_to_pay(lived, tmp_path, monkeypatch, capsys):
    record = tmp_path / "here.json"
    lived.market.record.save(record)
    monkeypatch.setattr("gridbourse.chain.deployment.record.FOLDER", tmp_path)
    point = next(iter(lived.numbers))
    mapping = ("--participants", str(lived.folder / "participants.csv"), "--network", "here")
    page, figures = tmp_path / "bill.html", tmp_path / "bill.json"
    command.main(
        point, "--month", "2016-07", *mapping, "--html", str(page), "--json", str(figures),
        web3=lived.w3,
    )  # fmt: skip
    told = json.loads(figures.read_text())
    shown = capsys.readouterr().out
    assert verdict(told["bill_micro_eur"]) in shown
    assert told["bill_micro_eur"] == sum(
        line["micro_eur"] for line in told["lines"] if line["section"] != MONEY
    )
    html = page.read_text()
    assert verdict(told["bill_micro_eur"]).capitalize() in html
    assert "<script" not in html
    assert all(line["what"] in html for line in told["lines"])


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (("P9999", "--month", "2016-07"), "point: 'P9999' is not in the mapping"),
        (("POINT", "--month", "July"), "month: 'July' is not a month such as 2016-07"),
        (("POINT", "--month", "2016-13"), "month: '2016-13' is not a month"),
        (("POINT", "--month", "2019-01"), "month: 2019-01 has no settled period"),
        (("POINT", "--month", "2016-07", "--timezone", "Mars"), "timezone: 'Mars' is no time zone"),
    ],
)
def test_what_is_no_bill_is_refused_in_one_line(lived, tmp_path, monkeypatch, words, refused):
    lived.market.record.save(tmp_path / "here.json")
    monkeypatch.setattr("gridbourse.chain.deployment.record.FOLDER", tmp_path)
    given = [next(iter(lived.numbers)) if word == "POINT" else word for word in words]
    mapping = ("--participants", str(lived.folder / "participants.csv"), "--network", "here")
    with pytest.raises(BillError, match=refused) as refusal:
        command.main(*given, *mapping, web3=lived.w3)
    assert "\n" not in str(refusal.value)


def test_an_amount_says_who_pays():
    assert verdict(-1_200_000) == "to pay: €1.20"
    assert verdict(300_000) == "to receive: €0.30"
    assert verdict(0) == "nothing to pay"


def test_the_house_has_no_point(lived):
    assert SUPPLIER_ACCOUNT not in lived.numbers.values()
    assert write_bill(of(lived, next(iter(lived.numbers))), lived.folder / "page.html").exists()
