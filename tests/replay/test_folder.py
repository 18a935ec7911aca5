"""A run's folder is whole, or as it was before."""

from pathlib import Path

import pytest

from replay.folder import whole_or_not_at_all
from replay.walk import ReplayError


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
        pytest.raises(ReplayError, match="can not be the folder of a run"),
        whole_or_not_at_all(tmp_path / "file"),
    ):
        pass
