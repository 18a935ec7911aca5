"""One sunny noon of the default scenario, smaller: trades, caps, every route, every verdict's consequence."""

from pathlib import Path

from gridbourse.chain.node.compiler import CHECKOUT

START = "2016-07-24T10:30Z"
PERIODS = 16


def write_scenario(folder: Path, participation: float = 0.15) -> Path:
    """The default scenario with that share of its connection points in the market."""
    text = (CHECKOUT / "scenarios" / "rural3.toml").read_text()
    for former, wanted in (
        ('folder = "rural3"', f'folder = "{CHECKOUT / "scenarios" / "rural3"}"'),
        ("participation = 1.0", f"participation = {participation}"),
    ):
        assert text.count(former) == 1
        text = text.replace(former, wanted)
    path = folder / "noon.toml"
    path.write_text(text)
    return path
