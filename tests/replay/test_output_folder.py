"""A run's folder is whole, or as it was before."""

from pathlib import Path

import pytest

from replay.output_folder import FolderError, folder_for, require_room, whole_or_not_at_all
from replay.period_walk import ReplayError


def fill(folder: Path, word: str) -> None:
    (folder / "summary.json").write_text(word)
    (folder / "readings").mkdir()
    (folder / "readings" / f"{word}.csv").write_text(word)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_good_end_replaces_what_an_earlier_run_left_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out" / "run"
    with whole_or_not_at_all(out) as folder:
        fill(folder, "first")
    (out / "check.json").write_text("of the first run")
    (out / "notes.txt").write_text("mine")

    with whole_or_not_at_all(out) as folder:
        fill(folder, "second")

    assert names(out) == {"summary.json", "readings", "readings/second.csv", "notes.txt"}
    assert (out / "summary.json").read_text() == "second"


@pytest.mark.parametrize("end", [ReplayError("no"), KeyboardInterrupt()])
def test_a_bad_end_leaves_the_earlier_run_as_it_was(tmp_path: Path, end: BaseException) -> None:
    with whole_or_not_at_all(tmp_path) as folder:
        fill(folder, "first")
    (tmp_path / "check.json").write_text("of the first run")
    before = names(tmp_path)

    with pytest.raises(type(end)), whole_or_not_at_all(tmp_path) as folder:  # noqa: PT012
        fill(folder, "second")
        raise end

    assert names(tmp_path) == before
    assert (tmp_path / "summary.json").read_text() == "first"


def test_a_bad_end_leaves_no_folder_where_there_was_none(tmp_path: Path) -> None:
    with pytest.raises(ReplayError), whole_or_not_at_all(tmp_path / "run"):
        raise ReplayError("no")
    assert names(tmp_path) == set()


def test_what_can_not_be_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(FolderError, match="cannot be the folder of a run"),
        whole_or_not_at_all(tmp_path / "file"),
    ):
        pass


@pytest.mark.parametrize("left", ["summary.json", "deployment.json", "record"])
def test_another_run_is_not_overwritten_unasked(tmp_path: Path, left: str) -> None:
    require_room(tmp_path / "none", overwrite=False)
    (tmp_path / "notes.txt").write_text("mine")
    require_room(tmp_path, overwrite=False)
    (tmp_path / left).touch()
    with pytest.raises(FolderError, match="holds a run; --overwrite puts the new one in its place"):
        require_room(tmp_path, overwrite=False)
    require_room(tmp_path, overwrite=True)


def test_a_run_of_no_folder_gets_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder_for("rural3") == Path("out/rural3")
    for number in (1, 2):
        with whole_or_not_at_all(folder_for("rural3")) as folder:
            fill(folder, f"run {number}")
    assert names(Path("out")) >= {"rural3/readings/run 1.csv", "rural3-2/readings/run 2.csv"}
    Path("out/rural3-3").write_text("a file")
    assert folder_for("rural3") == Path("out/rural3-4")
