"""The preset `solar-roof`, smaller: a sunny noon, few participants, the campaign among them."""

import re
from pathlib import Path

from gridbourse.chain.node.compiler import CHECKOUT
from gridbourse.scenario.scenario import load

START = "2016-07-24T10:30Z"
PERIODS = 3
PARTICIPATION = 0.12
GOAL = 12_870_000_000


def write_preset(folder: Path, *changes: tuple[str, str]) -> tuple[Path, dict[str, int]]:
    """(scenario file, what each participant gives): roof and funders are of those who take part.

    changes: (former, wanted) texts of the preset's file.
    """
    path = folder / "solar-roof.toml"
    text = (CHECKOUT / "scenarios" / "solar-roof.toml").read_text()
    data = f'folder = "{CHECKOUT / "scenarios" / "rural3"}"'
    for former, wanted in (
        ('folder = "rural3"', data),
        ("participation = 1.0", f"participation = {PARTICIPATION}"),
        *changes,
    ):
        assert text.count(former) == 1, former
        text = text.replace(former, wanted)
    campaign = text.index("[crowdsale]")
    path.write_text(text[:campaign] + text[text.index("[strategy]") :])
    scenario = load(path)
    members = scenario.points.index[scenario.points["participant"]]
    bare = [point for point in members if scenario.profiles.pv_w[point].max() == 0]
    roof, one, other = (str(point) for point in (bare[0], *members[-2:]))
    assert len({roof, one, other}) == 3
    funders = {one: 8_000_000_000, other: GOAL - 8_000_000_000 - 1_370_000_000}
    listed = "\n".join(f"{point} = {amount}" for point, amount in funders.items())
    text = re.sub(r'^point = "\w+"', f'point = "{roof}"', text, flags=re.MULTILINE)
    text = re.sub(
        r"(\[crowdsale\.funders\][^\n]*\n).*?\n\n", rf"\g<1>{listed}\n\n", text, flags=re.DOTALL
    )
    text = re.sub(r"maximum_micro_eur = \S+", f"maximum_micro_eur = {GOAL}", text)
    path.write_text(text)
    return path, funders
