"""Words for counts and moments, as every command and log writes them."""

from datetime import UTC, datetime


def many(number: int, noun: str, plural: str = "") -> str:
    """1 bid, 2 bids; plural: where it is more than an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def moment(timestamp: int) -> str:
    """Unix seconds for the eye: 2016-07-24 10:00 UTC, with seconds where there are any."""
    form = "%Y-%m-%d %H:%M:%S" if timestamp % 60 else "%Y-%m-%d %H:%M"
    return f"{datetime.fromtimestamp(timestamp, UTC):{form}} UTC"
