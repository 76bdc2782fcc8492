"""The part of the report about certificates that are due soon, whether or not the plan changes anything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from policies import clock
from tools.certificates.rows import DEPLOYER, calendar, due_within
from tools.certificates.table import date
from tools.report.certificates import certificate_changes
from tools.report.markdown import Section, code, table
from tools.report.read import Preview, Values

DAYS = 60
"""The report shows a certificate if its renewal starts or its end comes within so many days."""

_COLUMNS = ("certificate", "use", "issuer", "renewal from", "ends", "state")


def due_section(preview: Preview, now: datetime) -> Iterator[Section]:
    """The section, or none. Certificates that the plan renews or drops are not in the section."""
    gone = {c.name for c in certificate_changes(preview) if c.kind in ("renewed", "dropped")}
    known = [entry for entry in preview.certificates if _is_readable(entry) and entry["name"] not in gone]
    # The program's own certificate lives for days, and every `up` renews it when it is due: it would always be here.
    entries = [entry for entry in known if entry["use"] != DEPLOYER]
    rows = [
        (code(row.name), row.use, code(row.issuer), date(row.renewed_from), date(row.ends), row.state)
        for row in due_within(calendar(entries, (), (), (), now), DAYS, now)
    ]
    if rows:
        yield table(f"Due within {DAYS} days", _COLUMNS, rows)


def _is_readable(entry: Values) -> bool:
    """Whether the entry is complete. A value that was hidden as a secret is not a time."""
    try:
        times = [clock.parse(entry[name]) for name in ("notAfter", "renewedFrom")]
    except (KeyError, ValueError):
        return False
    return bool(times) and {"name", "use", "issuer"} <= entry.keys()
