"""Draw the TSO's calls of a preset: `python scenarios/make_calls.py NAME > scenarios/rural3/calls.NAME.csv`.

No TSO publishes calls for an area of 118 connections, so they are drawn, seeded by the name: a call begins
with a chance of one in four in each quarter-hour, mostly down at noon and up in the evening,
lasts one to four quarter-hours and requests 3 to 12 kWh in each. The ceiling is 200 to 400 EUR/MWh, about
the cost of aFRR energy in a tense hour.
"""

import sys
import zlib
from datetime import UTC, datetime, timedelta

import numpy as np

START, QUARTERS = datetime(2016, 7, 24, tzinfo=UTC), 96
QUARTER = timedelta(minutes=15)


def main(name: str) -> None:
    """One local day of calls, one a quarter-hour at most."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    print("time,direction,wh,ceiling_micro_eur_per_wh")
    quarter = 1
    while quarter < QUARTERS:
        if rng.random() > 0.25:
            quarter += 1
            continue
        hour = quarter / 4
        up = rng.random() < (0.2 if 9 <= hour < 15 else 0.8)
        wh, ceiling = int(rng.integers(3, 13)) * 1000, int(rng.integers(40, 81)) * 5
        for each in range(quarter, min(quarter + int(rng.integers(1, 5)), QUARTERS)):
            time = f"{START + each * QUARTER:%Y-%m-%dT%H:%M:%SZ}"
            print(f"{time},{'up' if up else 'down'},{wh},{ceiling}")
            quarter = each + 1


if __name__ == "__main__":
    main(*sys.argv[1:])
