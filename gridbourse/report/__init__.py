"""The report of a replay: its record, its summary, its tables and its one-page HTML.

`record.RunRecord` is the only input; `summary.summary` turns it into figures, `terminal` prints
them, `html.write` draws them. UTC in the data, local time in everything a reader sees. `bill` prints a
participant's bill, which `gridbourse.index.bill` adds up.
"""
