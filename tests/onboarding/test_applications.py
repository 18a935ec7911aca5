"""Every way a row, or a file, can be wrong; and that the others go on."""

from dataclasses import replace
from decimal import Decimal

import pytest
from eth_account import Account

from gridbourse.metering.signatures import sign_reading
from gridbourse.onboarding.applications import read_applications, read_meters
from gridbourse.onboarding.errors import ApplicationError, Rule
from tests.onboarding.applying import COLUMNS, PERIOD, TERMS, judge, meter, row, write

SIGNATURE, NOT_ITS = "reading_signature", "not of the meter"
STRANGER = Account.create()


def signed(point: str, period: int, wh: int, by: str) -> str:
    return sign_reading(meter(by).key, point, period, wh)


def test_a_good_row_in_our_units(tmp_path):
    judged = judge(
        tmp_path,
        row("A", connection_kw="17.25", credit_limit_eur="12.5", mandate="yes", reading_wh=4312),
        row("B", account=STRANGER.address.lower()),
    )

    a, b = judged.good[2], judged.good[3]
    assert judged.refusals == []
    assert a.capacity_wh == int(Decimal("17.25") * 250)  # quarter-hours
    assert (a.credit_limit_micro_eur, a.mandate, a.account) == (12_500_000, True, None)
    assert (b.mandate, b.account) == (False, STRANGER.address)


@pytest.mark.parametrize(
    ("column", "other", "rule", "reason"),
    [
        ("name", {"name": " "}, Rule.TEXT, "is empty"),
        ("name", {"name": "Ada\x1b[2J"}, Rule.TEXT, "not printable"),
        ("contact", {"contact": "a" * 201}, Rule.TEXT, "above 200"),
        ("zone", {"zone": "LV9"}, Rule.ZONE, "'LV9' is no grid zone of this market: LV1.101, LV1.102"),
        ("connection_kw", {"connection_kw": "thirty"}, Rule.NUMBER, "'thirty' is no number"),
        ("connection_kw", {"connection_kw": "17,3"}, Rule.NUMBER, "'17,3' is no number"),
        ("connection_kw", {"connection_kw": "nan"}, Rule.NUMBER, "'nan' is no number"),
        ("connection_kw", {"connection_kw": "0"}, Rule.CAPACITY, "0 kW is not in"),
        ("connection_kw", {"connection_kw": "-3"}, Rule.CAPACITY, "-3 kW is not in"),
        ("connection_kw", {"connection_kw": "30000"}, Rule.CAPACITY, "30000 kW is not in"),
        ("meter_address", {"meter_address": "0x12"}, Rule.ADDRESS, "'0x12' is no address"),
        ("account", {"account": "0x" + "0" * 40}, Rule.ADDRESS, "zero address"),
        ("account", {"account": STRANGER.address.swapcase().replace("0X", "0x")}, Rule.ADDRESS, "checksum"),
        ("reading_period", {"reading_period": TERMS.over_before}, Rule.PERIOD, "the last is 1999999"),
        ("reading_period", {"reading_period": "noon"}, Rule.NUMBER, "'noon' is no whole number"),
        ("reading_wh", {"reading_wh": "1e3"}, Rule.NUMBER, "'1e3' is no whole number"),
        ("reading_wh", {"reading_wh": -7501}, Rule.RANGE, "carries 7,500 Wh"),
        ("credit_limit_eur", {"credit_limit_eur": "1000.01"}, Rule.CREDIT, "not in 0 to 1,000"),
        ("credit_limit_eur", {"credit_limit_eur": "-1"}, Rule.CREDIT, "not in 0 to 1,000"),
        ("credit_limit_eur", {"credit_limit_eur": "0.0000001"}, Rule.NUMBER, "is no number"),
        ("mandate", {"mandate": "maybe"}, Rule.MANDATE, "neither yes nor no"),
        ("mandate", {"mandate": "yes", "account": STRANGER.address}, Rule.MANDATE, "itself"),
        ("reading_signature", {"reading_signature": "0xabcd"}, Rule.SIGNATURE, "no signature"),
        ("reading_signature", {"reading_signature": ""}, Rule.SIGNATURE, "no signature"),
        (SIGNATURE, {SIGNATURE: signed("BAD", PERIOD, -250, "X")}, Rule.SIGNATURE, NOT_ITS),
        (SIGNATURE, {SIGNATURE: signed("X", PERIOD, -250, "BAD")}, Rule.SIGNATURE, NOT_ITS),
        (SIGNATURE, {SIGNATURE: signed("BAD", PERIOD, -251, "BAD")}, Rule.SIGNATURE, NOT_ITS),
        (SIGNATURE, {SIGNATURE: signed("BAD", PERIOD - 1, -250, "BAD")}, Rule.SIGNATURE, NOT_ITS),
    ],
)  # fmt: skip
def test_a_bad_row_is_refused_by_name_and_the_rest_go_on(tmp_path, column, other, rule, reason):
    judged = judge(tmp_path, row("A"), row("BAD", **other), row("C"))

    assert [(r.row, r.column, r.rule) for r in judged.refusals] == [(3, column, rule)]
    assert reason in judged.refusals[0].reason
    assert {a.metering_point for a in judged.good.values()} == {"A", "C"}


def test_every_fault_of_a_row_is_named(tmp_path):
    judged = judge(tmp_path, row("A", zone="LV9", connection_kw="x", credit_limit_eur="y"))

    assert {r.column for r in judged.refusals} == {"zone", "connection_kw", "credit_limit_eur"}


def test_an_equal_row_again_is_refused_and_of_differing_ones_all_are(tmp_path):
    own = Account.create().address
    judged = judge(
        tmp_path,
        row("A"), row("A"),
        row("B"), row("B", name="Bob"),
        row("C", account=own), row("D", account=own),
        row("E"), row("F", meter_address=meter("E").address,
                      reading_signature=signed("F", PERIOD, -250, "E")),
    )  # fmt: skip

    assert list(judged.good) == [2]
    assert all(r.rule == Rule.DUPLICATE for r in judged.refusals)
    assert [(r.row, r.column) for r in judged.refusals] == [
        (3, "metering_point"), (4, "metering_point"), (4, "meter_address"), (5, "metering_point"),
        (5, "meter_address"), (6, "account"), (7, "account"), (8, "meter_address"),
        (9, "meter_address"),
    ]  # fmt: skip


def test_who_has_no_signature_of_the_meter_takes_nobodys_place(tmp_path):
    forged = row("A", name="Eve", reading_signature=signed("A", PERIOD, -250, "EVE"))

    judged = judge(tmp_path, forged, row("A"))

    assert [r.rule for r in judged.refusals] == [Rule.SIGNATURE]
    assert judged.good[3].name == "Ada of A"


def test_the_meter_operators_list_counts_before_the_stated_address(tmp_path):
    known = {"A": meter("A").address, "B": meter("OTHER").address}

    judged = judge(tmp_path, row("A"), row("B"), row("C"), terms=replace(TERMS, meters=known))

    assert [(r.row, r.rule) for r in judged.refusals] == [(3, Rule.METER), (4, Rule.METER)]
    assert list(judged.good) == [2]


def test_a_row_of_another_width_is_refused(tmp_path):
    path = write(tmp_path / "people.csv", row("A"), row("B"))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1] + ",more", "", lines[2], "short"]))

    judged = read_applications(path, TERMS)

    assert [(r.row, r.rule) for r in judged.refusals] == [(2, Rule.SCHEMA), (5, Rule.SCHEMA)]
    assert [a.metering_point for a in judged.good.values()] == ["B"]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (tuple(c for c in COLUMNS if c != "reading_signature"), "reading_signature: column is missing"),
        ((*(c for c in COLUMNS if c != "mandate"), "mandat"), "mandat: .* is 'mandate' meant?"),
        ((*COLUMNS, "name"), "name: column is there more than once"),
        ((), "has no header"),
    ],
)  # fmt: skip
def test_a_file_with_other_columns_is_refused_whole(tmp_path, columns, reason):
    path = write(tmp_path / "people.csv", row("A"), columns=columns)

    with pytest.raises(ApplicationError, match=reason):
        read_applications(path, TERMS)


def test_what_is_no_csv_file_is_refused_whole(tmp_path):
    path = write(tmp_path / "people.csv", row("A"))
    path.write_bytes(path.read_bytes().replace(b"Ada", b"\xff\xfe"))

    with pytest.raises(ApplicationError, match="is no text in UTF-8"):
        read_applications(path, TERMS)
    with pytest.raises(ApplicationError, match="is missing"):
        read_applications(tmp_path / "none.csv", TERMS)


def test_a_bad_list_of_meters_is_refused_whole(tmp_path):
    path = tmp_path / "meters.csv"
    good = f"metering_point,meter_address\nA,{meter('A').address}\n"
    path.write_text(good)
    assert read_meters(path) == {"A": meter("A").address}

    twice = f"A,{meter('B').address}"
    for more, reason in (("B,0x1", "no address"), (twice, "twice"), ("B", "1 fields")):
        path.write_text(good + more)
        with pytest.raises(ApplicationError, match=reason):
            read_meters(path)


def test_the_meter_names_the_account_it_is_settled_with(tmp_path):
    """Whoever comes by a signed reading cannot put an own account beside it."""
    mine, anothers = ("0x" + digit * 40 for digit in "12")
    signed = row("A", account=mine)["reading_signature"]
    bare = row("A")["reading_signature"]
    assert judge(tmp_path, row("A", account=mine)).refusals == []

    for account, signature in ((anothers, signed), (mine, bare), ("", signed)):
        judged = judge(tmp_path, row("A", account=account, reading_signature=signature))
        assert [(r.column, r.rule) for r in judged.refusals] == [
            ("reading_signature", Rule.SIGNATURE)
        ]
