"""What fields of files may hold, and how files are written, for tests that read anything at all."""

from __future__ import annotations

import csv
import io

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

fuzz = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

NUMBERS = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from(
        ["", "NA", "nan", "inf", "-Infinity", "1e400", "-1e-400", "1e99999", "1e1000000", "9" * 400, "1,5"]
    ),
    st.sampled_from(
        ["+1", "--1", "1.2.3", "0x1F", "１２", "1 000", "None", "#N/A", "TRUE", ".", "e5", "1e", "-", "\u22121"]
    ),
)
TIMES = st.one_of(
    st.datetimes().map(str),
    st.dates().map(str),
    st.dates().map(lambda date: date.strftime("%d.%m.%Y")),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(
        ["2024-01-01", "2024-01-02", "2024-02-30", "0000-01-01", "2024-13-01", "24:00", "2024-01-01 24:00"]
    ),
    st.sampled_from(
        ["2024-01-01T00:00+99:99", "2024-01-01T00:00Z", "1/2/3", "31/12/2024", "12/31/2024", "2024Q5", "0000Q1"]
    ),
    st.sampled_from(
        ["99999999", "20240101", "00000000", "0000-00", "2024-01-01 12:61", "1.1.0000", "NaT", "now", "today"]
    ),
)
TEXTS = st.text(max_size=8)
IDS = st.one_of(st.sampled_from(["a", "b", "", " ", "NA", '"', "a,b", "x\ny"]), TEXTS)
REGULAR = st.integers(0, 30).map(lambda day: f"2024-01-{day + 1:02d}")


def written(rows, header, separator, quoting, end, encoding):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue().encode(encoding, "surrogatepass" if encoding.startswith("utf-8") else "replace")


@st.composite
def tables(draw, times, numbers, ids=IDS):
    rows = draw(st.lists(st.tuples(ids, times, numbers, numbers), max_size=12))
    if draw(st.booleans()) and rows:
        broken = draw(st.integers(0, len(rows) - 1))
        rows[broken] = rows[broken][: draw(st.integers(0, 3))] + draw(st.sampled_from([(), ("", "", "")]))
    header = draw(
        st.sampled_from([("unique_id", "ds", "y", "x"), ("unique_id", "ds", "y", "y"), ("ds", "y", "x", "unique_id")])
    )
    return written(
        rows,
        header,
        draw(st.sampled_from([",", ";", "\t"])),
        draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
        draw(st.sampled_from(["\n", "\r\n"])),
        draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32-le"])),
    )


def refused(error, says=""):
    """Check that a message has something to say, and return None."""
    assert len(str(error)) > 20
    assert says in str(error)
