"""Text for people: counts, moments, one line for any text, and the name that was probably meant."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final

PLAIN: Final = "gridbourse.plain"
"""Error handler of encoders: characters that a terminal cannot show are replaced by ones it can."""
_INSTEAD: Final = {
    "µ": "u", "μ": "u", "€": "EUR", "…": "...", "·": "-", "×": "x", "±": "+/-", "−": "-",
    "–": "-", "—": "-", "°": "deg ", "²": "2", "³": "3", "→": "->", "←": "<-", "≤": "<=", "≥": ">=",
    "ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "é": "e",
    "━": "-", "─": "-", "│": "|", "█": "#", "╸": "-", "╺": "-", "•": "*", "“": '"', "”": '"',
    "‘": "'", "’": "'", "\xa0": " ", "\u202f": " ", "\u2009": " ",
}  # fmt: skip


def many(number: int, noun: str, plural: str = "") -> str:
    """1 bid, 2 bids; plural: where it is not formed with s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def moment(timestamp: int) -> str:
    """Unix seconds for display: 2016-07-24 10:00 UTC, with seconds where there are any."""
    form = "%Y-%m-%d %H:%M:%S" if timestamp % 60 else "%Y-%m-%d %H:%M"
    return f"{datetime.fromtimestamp(timestamp, UTC):{form}} UTC"


def one_line(text: object) -> str:
    """Text with everything escaped that ends a line, moves a cursor or cannot be seen."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)
    )


def meant(name: str, known: Iterable[str]) -> str | None:
    """Known name that is nearly this one; None where there is none."""
    names = {each.casefold(): each for each in known}
    near = get_close_matches(name.casefold(), names, n=1, cutoff=0.7)
    return names[near[0]] if near else None


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    hard = error.object[error.start : error.end]
    return "".join(_INSTEAD.get(c, "?") for c in hard), error.end


codecs.register_error(PLAIN, _plain)
