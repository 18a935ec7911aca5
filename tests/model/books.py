"""Order books the model, the linear programme and the contracts are compared on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbourse.model.call_auction import Band
from gridbourse.model.caps import NO_CAP

BAND = Band(floor_micro_eur_per_wh=80, tick_micro_eur_per_wh=4, ticks=56)
LAST = BAND.ticks - 1


@dataclass(frozen=True)
class Book:
    """One order a participant, in participant order; shapes (orders,)."""

    name: str
    is_offer: NDArray[np.bool_]
    tick: NDArray[np.int64]
    wh: NDArray[np.int64]

    @classmethod
    def of(cls, name: str, *orders: tuple[str, int, int]) -> "Book":
        """From rows ("bid" or "offer", tick, Wh)."""
        sides, ticks, energies = zip(*orders, strict=True) if orders else ((), (), ())
        return cls(
            name,
            np.array([side == "offer" for side in sides], dtype=bool),
            np.array(ticks, dtype=np.int64),
            np.array(energies, dtype=np.int64),
        )

    def __str__(self) -> str:
        return self.name


EDGE_BOOKS = (
    Book.of("nobody"),
    Book.of("bids only", ("bid", 30, 500), ("bid", 10, 700)),
    Book.of("offers only", ("offer", 30, 500), ("offer", 10, 700)),
    Book.of("a single participant", ("bid", 30, 500)),
    Book.of("no crossing", ("bid", 10, 500), ("offer", 11, 500)),
    Book.of("one watt-hour at one tick", ("offer", 7, 1), ("bid", 7, 1)),
    Book.of("all at one tick, short of energy", *[("bid", 20, 333)] * 4, *[("offer", 20, 250)] * 3),
    Book.of("all at one tick, long of energy", *[("offer", 20, 333)] * 4, *[("bid", 20, 250)] * 3),
    Book.of("exact crossing",
            ("bid", 40, 600), ("offer", 20, 600), ("bid", 19, 5), ("offer", 41, 5)),
    Book.of("exact crossing, both rejected sides inside",
            ("bid", 40, 600), ("offer", 20, 600), ("bid", 29, 5), ("offer", 32, 5)),
    Book.of("exact crossing, nothing rejected", ("offer", 20, 600), ("bid", 41, 600)),
    Book.of("bid margin partly filled", ("bid", 30, 100), ("bid", 25, 900), ("offer", 5, 450)),
    Book.of("offer margin partly filled", ("offer", 5, 100), ("offer", 15, 900), ("bid", 25, 450)),
    Book.of("flat part of both curves",
            ("bid", 30, 400), ("offer", 10, 400), ("bid", 20, 50), ("offer", 20, 50)),
    Book.of("zero-welfare volume counts", ("bid", 20, 100), ("offer", 20, 100), ("bid", 30, 10)),
    Book.of("one huge order, no room above",
            ("bid", LAST, NO_CAP), *[("offer", tick, 90_000) for tick in range(0, 40, 3)]),
    Book.of("huge on both sides", ("offer", 0, NO_CAP), ("bid", LAST, NO_CAP)),
    Book.of("huge rationed among small",
            ("bid", 12, NO_CAP), *[("bid", 12, 1)] * 7, ("offer", 3, 1_000_003)),
    Book.of("rationed to next to nothing", *[("bid", 12, 1_000)] * 9, ("offer", 3, 4)),
    Book.of("edges of the band cross", ("bid", LAST, 700), ("offer", 0, 300)),
    Book.of("all at tick 0", ("bid", 0, 700), ("offer", 0, 300), ("offer", 0, 100)),
    Book.of("all at the last tick", ("offer", LAST, 700), ("bid", LAST, 300), ("bid", LAST, 100)),
    Book.of("bids at tick 0, offers at the last", ("bid", 0, 700), ("offer", LAST, 700)),
    Book.of("sides alternate", *[(("bid", "offer")[i % 2], 28, 101 + i) for i in range(12)]),
    Book.of("offers before bids",
            ("offer", 9, 50), ("offer", 11, 70), ("bid", 33, 60), ("bid", 10, 9)),
)  # fmt: skip


def random_books(count: int, seed: int) -> Iterator[Book]:
    """Seeded books of many shapes: thin and full, crossing far or hardly, with ties or without."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        orders = int(rng.integers(1, 41))
        # A narrow window makes ties and marginal ticks shared by many; the whole band makes steps.
        width = int(rng.choice([1, 3, 10, BAND.ticks]))
        first = int(rng.integers(0, BAND.ticks - width + 1))
        most_wh = int(rng.choice([3, 50, 5_000, 2_000_000]))
        yield Book(
            f"random book {number} of seed {seed}",
            rng.random(orders) < rng.choice([0.1, 0.5, 0.9]),
            rng.integers(first, first + width, orders),
            rng.integers(1, most_wh + 1, orders),
        )
