"""Root of every exception that gridbourse raises on purpose."""


class GridbourseError(Exception):
    """Bad input or a refused action; the message names the field, the row and the rule."""
