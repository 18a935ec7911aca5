"""One trade in one word."""

import pytest

from gridbourse.model.errors import ModelError
from gridbourse.model.trade import TradeWord

LARGEST = TradeWord(2**32 - 1, 2**32 - 1, 2**28 - 1, 2**16 - 1)


def test_a_word_holds_seller_buyer_energy_and_price_the_price_lowest():
    word = TradeWord(seller=1, buyer=2, wh=3, price_micro_eur_per_wh=4).pack()

    assert word == (1 << 76) + (2 << 44) + (3 << 16) + 4


@pytest.mark.parametrize("trade", [TradeWord(7, 8, 9, 10), TradeWord(0, 0, 0, 0), LARGEST])
def test_what_is_packed_comes_back(trade):
    assert TradeWord.unpack(trade.pack()) == trade


@pytest.mark.parametrize("field", TradeWord._fields)
def test_a_value_beyond_its_lane_is_refused(field):
    for value in (-1, getattr(LARGEST, field) + 1):
        with pytest.raises(ModelError, match=f"trade: {field} {value} must lie in"):
            LARGEST._replace(**{field: value}).pack()


def test_a_word_of_more_bits_than_a_trade_is_refused():
    with pytest.raises(ModelError, match="more than 108 bits"):
        TradeWord.unpack(1 << 108)
