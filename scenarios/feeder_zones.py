"""Give the connection points of a scenario a grid zone for each feeder, below that of the transformer.

    python scenarios/feeder_zones.py scenarios/rural3 "LV3.101"

reads ``grid.json`` (power-grid-model) and ``points.csv`` and writes ``points.feeders.csv``: a feeder
is a part still connected once the transformer's busbar is removed; the one with most nodes is F1.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import networkx as nx
import pandas as pd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("zone", help="of the transformer")
    given = parser.parse_args()
    wires = json.loads((given.folder / "grid.json").read_text())["data"]
    points = pd.read_csv(given.folder / "points.csv")
    zoned(points, wires, given.zone).to_csv(given.folder / "points.feeders.csv", index=False)


def zoned(points: pd.DataFrame, wires: dict[str, Any], zone: str) -> pd.DataFrame:
    """Points, each in the zone of its feeder."""
    return points.assign(zone=points["node"].map(feeders(wires)).map(f"{zone} F{{}}".format))


def feeders(wires: dict[str, Any]) -> dict[int, int]:
    """Feeder, counted from 1, by node."""
    graph = nx.Graph(
        (line["from_node"], line["to_node"])
        for line in wires["line"]
        if line["from_status"] and line["to_status"]
    )
    graph.remove_nodes_from([transformer["to_node"] for transformer in wires["transformer"]])
    parts = sorted(nx.connected_components(graph), key=lambda nodes: (-len(nodes), min(nodes)))
    return {node: number for number, nodes in enumerate(parts, start=1) for node in nodes}


if __name__ == "__main__":
    main()
