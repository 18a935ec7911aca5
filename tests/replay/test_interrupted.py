"""Oracles killed at every instant, on the real contracts: nothing is lost, nothing is sent twice."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gridbourse.chain.bindings import grid_oracle
from gridbourse.chain.bindings.contract import Bound
from gridbourse.chain.deployment.market import AREA, Market
from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.chain.node.connect import connect
from gridbourse.chain.node.devnet import Devnet
from gridbourse.deployment.live_market import found_market
from oracle.common.journal import Journal
from oracle.dso import feed as grid_feed
from oracle.dso import grid_check as finding
from replay.markets.call_auction import CallAuctionVenue
from replay.markets.checked_trades import Judging
from tests.oracle.fake_chain import DeathClock, Killed, raise_killed
from tests.replay.interrupted import BATCH, Scene
from tests.replay.noon import write_scenario

Run = Callable[[Path, DeathClock], object]


@pytest.fixture(scope="module")
def cleared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Fifteen minutes at noon, whose schedule overloads the transformer: cleared, not yet judged."""
    folder = tmp_path_factory.mktemp("scene")
    write_scenario(folder)
    with Devnet() as devnet:
        scene = Scene(devnet.rpc_url, folder)
        market, members = found_market(connect(devnet.rpc_url), scene.scenario, {})
        market.record.save(folder / "deployment.json")
        members.table.to_csv(folder / "participants.csv", index_label="point_id")
        judging = Judging(scene.scenario, members, market, None)  # type: ignore[arg-type]
        venue = CallAuctionVenue(judging)
        closure = scene.period * scene.scenario.mtu_seconds - scene.scenario.market.gate_closure_s
        market.clock.advance_to(market.keys["operator"], closure - 1)
        venue.trade(scene.period, scene.scenario.forecast_wh(scene.period))
        market.clock.advance_to(market.keys["operator"], closure)
        venue.clear(scene.period)
        yield scene


@pytest.fixture
def scene(cleared: Scene) -> Iterator[Scene]:
    """The chain is taken back afterwards."""
    w3 = connect(cleared.rpc_url)
    mark = w3.provider.make_request("evm_snapshot", [])["result"]
    yield cleared
    w3.provider.make_request("evm_revert", [mark])


@pytest.fixture
def each_time(scene: Scene) -> Callable[[], None]:
    """Takes the chain back to where the test began."""
    w3 = connect(scene.rpc_url)
    marks = [w3.provider.make_request("evm_snapshot", [])["result"]]

    def again() -> None:
        w3.provider.make_request("evm_revert", [marks.pop()])
        marks.append(w3.provider.make_request("evm_snapshot", [])["result"])

    return again


@pytest.fixture
def delivered(scene: Scene) -> Scene:
    """The period is over: meters may be read."""
    market = scene.market()
    over = (scene.period + 1) * scene.scenario.mtu_seconds
    market.clock.advance_to(market.keys["operator"], over)
    return scene


@pytest.fixture
def thinks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same schedule has the same caps: the search for them is done once in all these runs."""
    known: dict[bytes, object] = {}
    search = finding.propose_caps

    def recall(network: object, schedule_wh: object, *rest: object) -> object:
        key = schedule_wh.tobytes()  # type: ignore[attr-defined]
        if key not in known:
            known[key] = search(network, schedule_wh, *rest)  # type: ignore[arg-type]
        return known[key]

    monkeypatch.setattr(finding, "propose_caps", recall)
    monkeypatch.setattr(grid_oracle, "CAP_GROUPS_A_CALL", 1)  # every group is a page of its own


def events(market: Market, contract: Bound, name: str) -> list[dict]:
    found = contract.contract.events[name]().get_logs(from_block=0)
    return [dict(event["args"]) for event in found]


def instants(run: Run, folder: Path) -> int:
    folder.mkdir()
    clock = DeathClock(0, raise_killed)
    run(folder, clock)
    return clock.instants


def assert_readings_came_in_once(scene: Scene, folder: Path) -> None:
    market = scene.market()
    batches = -(-len(scene.readings) // BATCH)
    assert market.meter.version(scene.period) == batches + 1
    versions = [event["version"] for event in events(market, market.meter, "ReadingsSubmitted")]
    assert versions == list(range(1, batches + 2))
    held = {
        who: market.meter.read("readingOf", AREA, scene.period, who)
        for who in scene.number_of.values()
    }
    assert held == scene.corrected
    with Journal(folder / "oracle.sqlite") as journal:
        assert journal.pending() == []


def test_a_meter_oracle_killed_at_any_instant(
    delivered: Scene, each_time: Callable[[], None], tmp_path: Path
) -> None:
    last = instants(delivered.bring_readings, tmp_path / "undisturbed")
    assert_readings_came_in_once(delivered, tmp_path / "undisturbed")
    assert last >= 18, "prepare, send and confirm of three batches and a correction"
    for instant in range(1, last + 1):
        each_time()
        folder = tmp_path / str(instant)
        folder.mkdir()
        with pytest.raises(Killed):
            delivered.bring_readings(folder, DeathClock(instant, raise_killed))
        delivered.bring_readings(folder, DeathClock(0, raise_killed))
        assert_readings_came_in_once(delivered, folder)


def verdict_on_chain(scene: Scene) -> dict[str, object]:
    market = scene.market()
    return {
        "verdict": market.grid.read("verdictOf", AREA, scene.period),
        "book": market.auction.read("bookOf", AREA, scene.period),
        "caps": market.grid.caps(scene.period),
        "pages": events(market, market.grid, "Capped"),
    }


@pytest.mark.usefixtures("thinks_once")
def test_a_grid_oracle_killed_at_any_instant_or_between_two_pages_of_caps(
    scene: Scene, each_time: Callable[[], None], tmp_path: Path
) -> None:
    last = instants(scene.bring_verdict, tmp_path / "undisturbed")
    undisturbed = verdict_on_chain(scene)
    assert len(undisturbed["pages"]) > 1, "the caps take several transactions"
    assert [page["last"] for page in undisturbed["pages"]][-2:] == [False, True]
    assert undisturbed["caps"]
    pages_cut = 0
    for instant in range(1, last + 1):
        each_time()
        folder = tmp_path / str(instant)
        folder.mkdir()
        with pytest.raises(Killed):
            scene.bring_verdict(folder, DeathClock(instant, raise_killed))
        pages_cut += 0 < len(verdict_on_chain(scene)["pages"]) < len(undisturbed["pages"])
        market = scene.market()
        if market.auction.phase(AREA, scene.period) == "cleared":
            scene.bring_verdict(folder, DeathClock(0, raise_killed))
        else:  # the book is open again: what is left to do is to know it
            scene_resumes(scene, folder)
        assert verdict_on_chain(scene) == undisturbed
        with Journal(folder / "oracle.sqlite") as journal:
            assert journal.pending() == []
            (entry,) = journal.entries(grid_feed.FEED, scene.period)
        assert (folder / "verdicts" / f"{scene.period}-0.json").read_bytes() == entry.payload
    assert pages_cut >= 2


def scene_resumes(scene: Scene, folder: Path) -> None:
    with Journal(folder / "oracle.sqlite") as journal:
        grid_feed.GridFeed(
            scene.market().grid, journal, scene.network, list(scene.scenario.points.index),
            scene.number_of, scene.scenario.limits, scene.scenario.mtu_seconds, folder / "verdicts",
        ).resume()  # fmt: skip


def end_as_a_process(scene: Scene, folder: Path, what: str, instant: int) -> None:
    """The same in a process of its own, with `os._exit`: no file is closed, no lock given back."""
    program = [sys.executable, "-m", "tests.replay.interrupted"]
    done = subprocess.run(
        [*program, scene.rpc_url, str(scene.folder), str(folder), what, str(instant)],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (9, "")


@pytest.mark.parametrize("instant", [2, 6], ids=["written down", "sent, not noted"])
def test_a_meter_oracle_whose_process_ends(delivered: Scene, tmp_path: Path, instant: int) -> None:
    end_as_a_process(delivered, tmp_path, "meters", instant)
    with Journal(tmp_path / "oracle.sqlite") as journal:
        assert journal.pending()

    delivered.bring_readings(tmp_path, DeathClock(0, raise_killed))

    assert_readings_came_in_once(delivered, tmp_path)


@pytest.mark.usefixtures("thinks_once")
def test_a_grid_oracle_whose_process_ends(scene: Scene, tmp_path: Path) -> None:
    end_as_a_process(scene, tmp_path, "grid", 2)
    assert verdict_on_chain(scene)["pages"] == []

    verdict = scene.bring_verdict(tmp_path, DeathClock(0, raise_killed))

    after = verdict_on_chain(scene)
    assert after["caps"] == verdict.caps
    assert {page["report"] for page in after["pages"]} == {verdict.report_hash}
    assert [page["last"] for page in after["pages"]].count(True) == 1
