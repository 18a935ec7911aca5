"""Output folder of a replay: written as a whole or not at all; never over another run unasked."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridbourse.errors import GridbourseError

LATER = ("check.json",)
"""Files that other commands add to a run's folder: they do not belong to the next run."""
OF_A_RUN = ("summary.json", "deployment.json", "record")
"""Names by which a folder is known to hold a run."""
OUT = Path("out")


class FolderError(GridbourseError):
    """Folder that cannot take a run."""


def folder_for(name: str) -> Path:
    """A new folder for a run of that name: out/NAME, or out/NAME-2 where there is one, and so on."""
    number, folder = 1, OUT / name
    while folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        number += 1
        folder = OUT / f"{name}-{number}"
    return folder


def require_room(out: Path, overwrite: bool) -> None:
    """Refuse to replace another run, unless that is wanted."""
    if not overwrite and any((out / name).exists() for name in OF_A_RUN):
        raise FolderError(
            f"{out}: holds a run; --overwrite puts the new one in its place, --out names another"
            " folder, and without either a new folder is made"
        )


@contextmanager
def whole_or_not_at_all(out: Path) -> Iterator[Path]:
    """Folder to fill; its content goes to `out` when the block ends well, else nowhere.

    A former run's files there are replaced, other files stay. FolderError when `out` cannot be.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        empty = not any(out.iterdir())
        draft = Path(tempfile.mkdtemp(dir=out, prefix=".unfinished-"))
    except OSError as error:
        raise FolderError(f"{out}: cannot be the folder of a run ({error.strerror})") from error
    try:
        yield draft
        for name in LATER:
            (out / name).unlink(missing_ok=True)
        for made in draft.iterdir():
            _replace(out / made.name, made)
    except BaseException:
        shutil.rmtree(draft)
        if empty:
            out.rmdir()
        raise
    draft.rmdir()


def _replace(former: Path, made: Path) -> None:
    if former.is_dir():
        shutil.rmtree(former)
    made.replace(former)
