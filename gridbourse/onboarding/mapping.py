"""The mapping from metering points to participants, as the meter and grid feeds need it."""

import csv
import io
from pathlib import Path

from gridbourse.onboarding.keystores import write_private
from gridbourse.onboarding.people import People, Status

COLUMNS = ("point_id", "number", "account", "zone")


def write_mapping(people: People) -> Path:
    """Write it anew beside the register: members, and who has left, as long as it is settled."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for person in people.everyone(Status.REGISTERED, Status.LEFT):
        application = person.applied()
        rows.writerow((application.metering_point, person.number, person.account, application.zone))
    path = people.path.with_name("participants.csv")
    write_private(path, text.getvalue())
    return path
