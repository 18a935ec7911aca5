"""Contracts between aggregators and prosumers: one at a time, ended with notice, never rewritten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.model.portfolio_contract import Book, Contract, ContractRefused

AGGREGATORS, PEOPLE = {8, 9}, {8, 9, 10, 11}
HORIZON = 10


def terms(start: int, until: int, aggregator: int = 8, participant: int = 10) -> Contract:
    return Contract(aggregator, participant, start, until, 1, 0, 800, True)


def concluded(book: Book, some: Contract, now: int = 0) -> int:
    return book.accept(book.propose(some, now, AGGREGATORS, PEOPLE), now, AGGREGATORS)


def test_a_contract_holds_from_its_first_period_to_the_one_before_its_end() -> None:
    book = Book()
    concluded(book, terms(5, 9))
    held = [period for period in range(HORIZON) if book.contract_of(10, period)]
    assert held == [5, 6, 7, 8]


def test_what_overlaps_is_refused_with_the_values_of_the_chain() -> None:
    book = Book()
    concluded(book, terms(5, 9))
    number = book.propose(terms(8, 20, aggregator=9), 0, AGGREGATORS, PEOPLE)
    with pytest.raises(ContractRefused, match="ContractRuns") as refused:
        book.accept(number, 0, AGGREGATORS)
    assert refused.value.error == ("ContractRuns", 10, 0, 9)
    book.end(10, 0, 8, next_open=8)
    assert book.accept(number, 8, AGGREGATORS) == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["contract", "end", "wait"]),
        st.integers(0, HORIZON),
        st.integers(0, 8),
        st.sampled_from(sorted(AGGREGATORS)),
    ),
    max_size=25,
)


@given(STEPS)
def test_one_contract_a_period_and_the_past_is_never_rewritten(
    steps: list[tuple[str, int, int, int]],
) -> None:
    book, now = Book(), 0
    past: dict[int, Contract | None] = {}
    for kind, start, length, aggregator in steps:
        try:
            if kind == "contract":
                concluded(book, terms(start, start + length, aggregator), now)
            elif kind == "end":
                book.end(10, length % 3, start, now)
            else:
                for period in range(now, now + length):
                    past[period] = book.contract_of(10, period)
                now += length
        except ContractRefused:
            continue
        for period in range(HORIZON + 8):
            mine = [
                c for c in book.contracts.get(10, []) if c.from_period <= period < c.until_period
            ]
            assert len(mine) <= 1
        for period, held in past.items():
            found = book.contract_of(10, period)
            assert (held and held.aggregator) == (found and found.aggregator)
