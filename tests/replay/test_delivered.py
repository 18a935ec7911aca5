"""Which of a participant's orders its meter confirms."""

import pandas as pd
import pytest

from replay.accounting import delivered_wh

SELLER, BUYER = 8, 9


@pytest.mark.parametrize(
    ("orders", "readings", "delivered"),
    [
        ([(SELLER, "offer", 500)], {SELLER: 700}, [500]),
        ([(SELLER, "offer", 500)], {SELLER: 300}, [300]),
        ([(SELLER, "offer", 500)], {SELLER: -20}, [0]),
        ([(BUYER, "bid", 500)], {BUYER: -300}, [300]),
        ([(BUYER, "bid", 500)], {BUYER: 20}, [0]),
        ([(SELLER, "offer", 0)], {SELLER: 700}, [0]),
        # the last booked is what is missing
        ([(SELLER, "offer", 300), (SELLER, "offer", 200)], {SELLER: 400}, [300, 100]),
        ([(SELLER, "offer", 300), (SELLER, "offer", 200)], {SELLER: 250}, [250, 0]),
        # another's shortfall is not mine
        ([(SELLER, "offer", 300), (BUYER, "bid", 300)], {SELLER: 100, BUYER: -300}, [100, 300]),
        # sold and bought on: the contract is the difference, what was bought covers what was sold
        ([(SELLER, "offer", 500), (SELLER, "bid", 200)], {SELLER: 300}, [500, 200]),
        ([(SELLER, "offer", 500), (SELLER, "bid", 200)], {SELLER: 250}, [450, 200]),
        ([(SELLER, "offer", 200), (SELLER, "bid", 500)], {SELLER: -250}, [200, 450]),
    ],
)
def test_the_meter_confirms(orders: list, readings: dict, delivered: list[int]) -> None:
    frame = pd.DataFrame(orders, columns=["number", "side", "fill_wh"])
    assert delivered_wh(frame, pd.Series(readings)).tolist() == delivered
