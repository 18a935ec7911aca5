"""Progress of a long task of unknown length: a bar on a terminal, else a line now and then."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

EVERY_S = 15.0


@contextmanager
def working(what: str, every_s: float = EVERY_S) -> Iterator[None]:
    """Show on stderr what is done for as long as the block lasts, and how long it took."""
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            progress.add_task(what, total=None)
            yield
    else:
        print(f"{what} ...", file=sys.stderr, flush=True)
        done = threading.Event()
        beat = threading.Thread(target=_beat, args=(what, every_s, done), daemon=True)
        beat.start()
        try:
            yield
        finally:
            done.set()
            beat.join()
    print(f"{what}: done after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _beat(what: str, every_s: float, done: threading.Event) -> None:
    began = time.monotonic()
    while not done.wait(every_s):
        print(f"{what} ... {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
