"""The report of a replay: its record, its summary, its tables and its one-page HTML.

`record.RunRecord` is the only input; `summary.summary` turns it into figures, `tables` prints
them, `html.write` draws them. UTC in the data, local time in everything a reader sees.
"""
