"""Bookings of a market that names a group once for each side of each trade."""

from gridbourse.chain.encoding.lanes import PER_GROUP, energy_lane
from gridbourse.index.bill import _add_trades, _Sums

BOOK = "0xB00C"
MASK64 = (1 << 64) - 1
GROUP = 2
SELLER, BUYER, OTHER = 8, 9, 12


def entry(who: int, sold: int, bought: int, paid: int) -> tuple[int, int, int]:
    """(group, fills, payments) of one side of a trade."""
    group, lane = divmod(who, PER_GROUP)
    return group, energy_lane(sold, bought) << 56 * lane, (paid & MASK64) << 64 * lane


def booked(*entries: tuple[int, int, int]) -> dict:
    groups, fills, payments = zip(*entries, strict=True)
    return {"market": BOOK, "groups": groups, "fills": fills, "payments": payments}


def bill_of(who: int, event: dict) -> dict[str, tuple[int | None, int]]:
    sums = _Sums()
    _add_trades(sums, {BOOK.lower(): "OrderBook"}, [event], who)
    return {line.what: (line.wh, line.micro_eur) for line in sums.lines()}


def test_every_entry_of_a_group_is_in_the_bill():
    """Seller and buyer are of one group, and the buyer trades twice more, once the other way."""
    assert SELLER // PER_GROUP == BUYER // PER_GROUP == GROUP != OTHER // PER_GROUP
    event = booked(
        entry(SELLER, 100, 0, 300), entry(BUYER, 0, 100, -300),
        entry(OTHER, 50, 0, 200), entry(BUYER, 0, 50, -200),
        entry(BUYER, 40, 0, 160), entry(OTHER, 0, 40, -160),
    )  # fmt: skip
    assert bill_of(SELLER, event) == {"sold, order book": (100, 300)}
    assert bill_of(BUYER, event) == {
        "bought, order book": (150, -500),
        "sold, order book": (40, 160),
    }
    assert bill_of(OTHER, event) == {
        "sold, order book": (50, 200),
        "bought, order book": (40, -160),
    }
