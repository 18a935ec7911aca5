"""Prices, pooled offers and deliveries from files: what is read, and what is refused by row and rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridbourse.metering.errors import ReadingError, Rule
from gridbourse.model.flexibility.baseline.delivery import Direction
from gridbourse.scenario.balancing import read_balancing
from gridbourse.scenario.errors import ScenarioError
from gridbourse.scheduling.external_balancing import DEMAND_TURN_UP, Response, Sharing
from scripts import balance

TERMS = """
mtu_seconds = 1800
[sharing]
rule = "contribution"
account = "aggregator"
"""
PRICES = """time,area,up_eur_per_mwh,down_eur_per_mwh
2016-07-20T12:00Z,GB,80.25,60
2016-07-20T12:30Z,GB,90,-5.5
"""
OFFERS = """bid,time,area,direction,site,member,wh,price_eur_per_mwh
big,2016-07-20T12:00Z,GB,up,plant,plant,480000,70
big,2016-07-20T12:00Z,GB,up,town,depot,50000,75.5
small,2016-07-20T12:30Z,GB,down,plant,plant,400000,-20
dear,2016-07-20T12:30Z,GB,up,plant,plant,500000,99
"""
DELIVERIES = """bid,member,baseline_wh,metered_wh
big,plant,-500000,-20000
big,depot,-50000,-10000
"""


def write(folder: Path, **files: str) -> Path:
    given = {"terms": TERMS, "prices": PRICES, "offers": OFFERS, "deliveries": DELIVERIES} | files
    for name, text in given.items():
        (folder / f"{name}.{'toml' if name == 'terms' else 'csv'}").write_text(text)
    return folder


def test_a_folder_is_read(tmp_path):
    found = read_balancing(write(tmp_path))
    assert (found.product, found.terms.sharing) == (DEMAND_TURN_UP, Sharing.CONTRIBUTION)
    assert [bid.name for bid in found.bids] == ["big", "small", "dear"]
    big = found.bids[0]
    assert (big.area, big.wh, big.price_micro_eur_per_mwh) == ("GB", 530_000, 75_500_000)
    assert found.mtu.start(big.period).isoformat() == "2016-07-20T12:00:00+00:00"
    assert found.prices[big.period, "GB", Direction.UP] == 80_250_000
    assert found.prices[big.period + 1, "GB", Direction.DOWN] == -5_500_000
    assert found.responses == {
        "big": {"plant": Response(-500_000, -20_000), "depot": Response(-50_000, -10_000)}
    }


def test_a_bid_over_two_areas_is_refused_and_the_others_are_not(tmp_path):
    offers = OFFERS.replace("12:00Z,GB,up,town", "12:00Z,IE,up,town")
    found = read_balancing(write(tmp_path, offers=offers))
    assert [bid.name for bid in found.bids] == ["small", "dear"]
    assert [(each.name, each.reason) for each in found.refused] == [
        ("big", "pools the areas GB and IE")
    ]


def test_the_script_prints_bids_refusals_and_proceeds(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    offers = (
        OFFERS + "two,2016-07-20T12:00Z,GB,up,a,a,500000,1\ntwo,2016-07-20T12:00Z,IE,up,b,b,5,1\n"
    )
    balance.main(str(write(tmp_path, offers=offers)))
    out = capsys.readouterr().out
    assert "98.1% of 530,000 Wh delivered" in out
    assert "refused: 800,000 W is below the 1,000,000 W of demand turn-up" in out
    assert "not taken: asks more than the market pays" in out
    assert "refused: pools the areas GB and IE" in out
    # 520 kWh at 80.25 EUR/MWh; 10 kWh are missing, at the same price: all of the depot's.
    rows = {cells[1].strip(): [c.strip() for c in cells[2:-1]] for line in out.splitlines()
            if len(cells := line.split("│")) == 8}  # fmt: skip
    assert rows["plant"] == ["480,000", "0", "38.520000", "0.000000", "38.520000"]
    assert rows["depot"] == ["40,000", "10,000", "3.210000", "0.802500", "2.407500"]
    assert rows["system operator pays"][-1] == "40.927500"


@pytest.mark.parametrize(
    ("file", "old", "new", "row", "column", "rule", "reason"),
    [
        ("prices", "down_eur_per_mwh", "down", None, "down_eur_per_mwh", Rule.SCHEMA, "is missing"),
        ("prices", "80.25", "cheap", 2, "up_eur_per_mwh", Rule.NUMBER, "'cheap' is not a number"),
        ("prices", "80.25", "", 2, "up_eur_per_mwh", Rule.WORD, "nothing is there"),
        ("prices", "80.25", "1e9", 2, "up_eur_per_mwh", Rule.NUMBER, "is not in ±1,000,000"),
        ("prices", "80.25", "nan", 2, "up_eur_per_mwh", Rule.NUMBER, "is not in ±1,000,000"),
        ("prices", "80.25", "0.0000001", 2, "up_eur_per_mwh", Rule.NUMBER, "six decimals"),
        ("prices", "12:30Z", "12:00Z", 3, "time", Rule.DUPLICATE, "GB has two prices of a period"),
        ("prices", "12:30Z", "12:10Z", 3, "time", Rule.GRID, "not on the start of a period"),
        ("prices", "12:30Z", "12:30", 3, "time", Rule.TIME, "has no UTC offset"),
        ("prices", "2016-07-20T12:30Z", "noon", 3, "time", Rule.TIME, "'noon' is not a time"),
        ("prices", "12:30Z", "13:30Z", None, "time", Rule.GAP, "there is no price of GB at 2016"),
        ("offers", "GB,down", "GB,left", 4, "direction", Rule.WORD, "'left' is not up or down"),
        ("offers", "480000", "480.5", 2, "wh", Rule.NUMBER, "'480.5' is not a whole number"),
        ("offers", "480000", "-1", 2, "wh", Rule.RANGE, "-1 is not in 1..268435455"),
        ("offers", "town,depot", "town,plant", 3, "member", Rule.DUPLICATE, "plant is in bid big"),
        ("offers", "Z,GB,up,town", "Z,GB,down,town", 3, "direction", Rule.SAME, "in row 2"),
        ("offers", "00Z,GB,up,town", "30Z,GB,up,town", 3, "time", Rule.SAME, "another time in row 2"),
        ("deliveries", "big,depot", "none,depot", 3, "bid", Rule.WORD, "'none' is no bid"),
        ("deliveries", "big,depot", "big,plant", 3, "member", Rule.DUPLICATE, "there twice for big"),
        ("deliveries", "big,depot", "big,mill", 3, "member", Rule.METER, "'mill' is not in bid big"),
        ("deliveries", "-10000", "999999999", 3, "metered_wh", Rule.RANGE, "beyond ±268435455 Wh"),
        ("deliveries", "-10000", "x", 3, "metered_wh", Rule.NUMBER, "'x' is not a whole number"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_by_row_column_and_rule(
    tmp_path, file, old, new, row, column, rule, reason
):
    text = {"prices": PRICES, "offers": OFFERS, "deliveries": DELIVERIES}[file]
    assert old in text
    with pytest.raises(ReadingError, match=reason) as caught:
        read_balancing(write(tmp_path, **{file: text.replace(old, new, 1)}))
    first = caught.value.first
    assert (first.file, first.row, first.column, first.rule) == (
        "prices.csv" if rule == Rule.GAP else f"{file}.csv", row, column, rule,
    )  # fmt: skip


def test_what_a_member_can_move_is_the_most_it_may_offer(tmp_path):
    (tmp_path / "points.csv").write_text(
        "point_id,member,flexible_w\nP1,depot,60000\nP2,depot,40000\n"
    )
    terms = 'points = "points.csv"\n' + TERMS
    read_balancing(write(tmp_path, terms=terms))
    more = OFFERS.replace("depot,50000", "depot,50001")
    with pytest.raises(ReadingError, match="50,001 Wh is more than depot can move, 50,000 Wh"):
        read_balancing(write(tmp_path, terms=terms, offers=more))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("1800", "7000", "mtu_seconds: 7000 must divide one hour"),
        ('"contribution"', '"luck"', "rule: 'luck' is not one of contribution, equal, marginal"),
        ("account", "acount", "acount|account: is missing"),
        ("[sharing]", "[sharing", "is not TOML"),
    ],
)
def test_bad_terms_are_refused(tmp_path, old, new, reason):
    with pytest.raises(ScenarioError, match=reason):
        read_balancing(write(tmp_path, terms=TERMS.replace(old, new)))


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    write(tmp_path)
    (tmp_path / "prices.csv").unlink()
    with pytest.raises(ReadingError, match=r"prices.csv: is missing"):
        read_balancing(tmp_path)
    (tmp_path / "terms.toml").unlink()
    with pytest.raises(ScenarioError, match=r"terms.toml: is missing"):
        read_balancing(tmp_path)
