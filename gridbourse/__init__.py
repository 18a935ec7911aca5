"""gridbourse: the software local electricity markets run on."""

__version__ = "0.1.0"
