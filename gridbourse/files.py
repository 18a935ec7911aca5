"""Reads a whole file, whatever is at its path: a pipe, a folder or a link never blocks a reader."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any, Final

from gridbourse.errors import GridbourseError
from gridbourse.text import one_line

_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

MOST_NESTED: Final = 200
_BRACKETS: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]')
"""Texts, so that a bracket in one is not counted, and brackets."""


class FileError(GridbourseError):
    """File that cannot be read; `reason` gives the cause, without the path."""

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason
        super().__init__(one_line(f"{path}: {reason}"))


def read_bytes(path: Path) -> bytes:
    """Content of a regular file; FileError for anything else, at once."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if (kind := _other_kind(os.fstat(handle).st_mode)) is not None:
                raise FileError(path, f"is {kind}, no file")
        except BaseException:
            os.close(handle)
            raise
        with os.fdopen(handle, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise FileError(path, why(path, error)) from error


def read_text(path: Path) -> str:
    """Text in UTF-8, without its byte-order mark; FileError for another file."""
    data = read_bytes(path)
    if b"\0" in data:
        raise FileError(path, f"is no text: byte {data.index(0)} is NUL")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(
            path, f"is no text in UTF-8 ({error.reason}, byte {error.start})"
        ) from error


def read_toml(path: Path) -> dict[str, Any]:
    """TOML file; FileError for one that cannot be read as such."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise FileError(path, f"is not TOML ({one_line(error)})") from error


def parse_json(text: str) -> Any:
    """JSON text; ValueError for another one, or one nested so deep that it would end the process."""
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > MOST_NESTED:
            raise ValueError(f"is nested more than {MOST_NESTED} deep")
    return json.loads(text)


def other_kind(path: Path) -> str | None:
    """Kind of what is at a path if it is no regular file, in words; None for a file.

    OSError where the kind cannot be found out, as for a link to nothing.
    """
    return _other_kind(path.stat().st_mode)


def why(path: Path, error: Exception) -> str:
    """Cause of an error of the system about a path, in a few words."""
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return "is a link to nothing" if path.is_symlink() else "is missing"
    if number == errno.ELOOP:
        return "is a link that leads back to itself"
    said = getattr(error, "strerror", None) or error
    return f"cannot be read ({said})"


def _other_kind(mode: int) -> str | None:
    if stat.S_ISREG(mode):
        return None
    return next((word for is_kind, word in _KINDS if is_kind(mode)), "no regular file")
