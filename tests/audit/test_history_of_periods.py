"""A few periods rebuilt from what the event index gives of them are as in the whole history."""

from pathlib import Path

import pytest

from gridbourse.audit.check import decoder_of
from gridbourse.audit.rebuild import Rebuilt
from gridbourse.audit.run_folder import Run, load_run
from gridbourse.audit.statement import statement
from gridbourse.index.classes import places
from gridbourse.index.store import Row, Store


def stored(run: Run) -> Store:
    """An index of a run's log; every transaction had a block of its own."""
    store, decoder = Store(None), decoder_of(run.deployment)
    events = list(decoder.decode(run.logs))
    found = places(events, {number: log.block for number, log in enumerate(run.logs)})
    rows = [
        Row(log, event.contract, event.name, place)
        for log, event, place in zip(run.logs, events, found, strict=True)
    ]
    store.add(None, run.logs[-1].block, b"", rows)
    return store


def walked(run: Run, logs: list) -> Rebuilt:
    rebuilt = Rebuilt(run.deployment, run.rules)
    rebuilt.walk(decoder_of(run.deployment).decode(logs))
    return rebuilt


@pytest.fixture(params=["uniform", "pay_as_bid", "every market"])
def run(request, runs, every_market) -> Run:
    folder: Path = every_market[1] if request.param == "every market" else runs[request.param]
    return load_run(folder)


def test_each_period_alone_is_as_in_the_whole(run):
    """Evidence, statement, prices and what everybody was paid; so for any set of periods, too."""
    with stored(run) as store:
        assert len(store.logs()) == len(run.logs)
        whole = walked(run, store.logs())
        periods = sorted(whole.metering.finished_in(0))
        assert periods
        for chosen in [*([period] for period in periods), periods[:2], periods]:
            logs = store.logs(chosen)
            some = walked(run, logs)
            for period in chosen:
                evidence = whole.metering.evidence.of(0, period)
                assert some.metering.evidence.of(0, period).value == evidence.value != bytes(32)
                told, wanted = (statement(each, 0, period) for each in (some, whole))
                assert told.energy_wh == wanted.energy_wh
                assert told.flows.to_dict("records") == wanted.flows.to_dict("records")
                assert some.tariffs.energy(0, period) == whole.tariffs.energy(0, period)
                for who in whole.members.participants:
                    assert some.money.paid[period, who] == whole.money.paid[period, who]
                    assert some.money.position(period, who) == whole.money.position(period, who)
        assert len(store.logs(periods[:1])) < len(run.logs)


def test_without_a_period_only_the_state_is_read(run):
    with stored(run) as store:
        assert (
            walked(run, store.logs([])).members.participants.keys()
            == walked(run, store.logs()).members.participants.keys()
        )
