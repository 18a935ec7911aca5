"""The folder a replay leaves: all of it at once, or what was there before."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from replay.walk import ReplayError

LATER = ("check.json",)
"""What other commands add to a run's folder: it says nothing of the next run."""


@contextmanager
def whole_or_not_at_all(out: Path) -> Iterator[Path]:
    """A folder to fill; what is in it goes to `out` when the block ends well, else nowhere.

    A former run's files there are replaced, other files stay. ReplayError when `out` can not be.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        empty = not any(out.iterdir())
        draft = Path(tempfile.mkdtemp(dir=out, prefix=".unfinished-"))
    except OSError as error:
        raise ReplayError(f"{out}: can not be the folder of a run ({error.strerror})") from error
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
