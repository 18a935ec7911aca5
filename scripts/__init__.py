"""Command lines. Each script has ``main(*args, web3=None)``, so that ``python -m scripts.NAME`` and
``brownie run NAME`` share their code; the former comes in through :func:`run`."""

import sys
from collections.abc import Callable
from typing import NoReturn

from gridbourse.errors import GridbourseError

BAD_INPUT = 2
INTERRUPTED = 130


def run(main: Callable[..., int | None]) -> NoReturn:
    """Call ``main`` with the command line; what gridbourse refuses is one line and exit code 2."""
    try:
        sys.exit(main(*sys.argv[1:]))
    except GridbourseError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
