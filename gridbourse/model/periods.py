"""Delivery periods: MTU indices in UTC, and the local days they make up."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from gridbourse.model.errors import ModelError


@dataclass(frozen=True)
class Mtu:
    """Market time unit; a period is the index `start // seconds` of unix time."""

    seconds: int

    def __post_init__(self) -> None:
        if self.seconds <= 0 or 3600 % self.seconds:
            raise ModelError(f"mtu_seconds: {self.seconds} must divide one hour")

    def period_at(self, moment: datetime) -> int:
        """Period that a moment lies in; a moment without time zone is refused."""
        if moment.tzinfo is None:
            raise ModelError(f"time: {moment.isoformat()} has no time zone")
        return int(moment.timestamp()) // self.seconds

    def start(self, period: int) -> datetime:
        """Start of a period, UTC."""
        return datetime.fromtimestamp(period * self.seconds, tz=UTC)

    def local_day(self, day: date, timezone: str) -> range:
        """Periods of a local calendar day: 23, 24 or 25 hours of them."""
        zone = ZoneInfo(timezone)
        midnights = [
            datetime(d.year, d.month, d.day, tzinfo=zone) for d in (day, day + timedelta(days=1))
        ]
        return range(*(self.period_at(midnight) for midnight in midnights))

    @property
    def hours(self) -> float:
        """Length in hours."""
        return self.seconds / 3600
