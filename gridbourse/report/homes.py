"""Homes with scheduled devices, compared with the same homes without a manager."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from gridbourse.report import formatting as words
from gridbourse.report import style
from gridbourse.report.record import DEVICES, WAYS, RunRecord

_COLOURS: Final = {"managed": style.GAIN, "unmanaged": style.MUTED}


def comparison(record: RunRecord) -> dict[str, Any]:
    """By way, "managed" and "unmanaged": costs, self-consumption and device energy of all homes.

    Integers in Wh and µEUR; self_consumption: share of pv_wh, None without any. Also: homes, their number;
    better, worse: number of homes that pay less, and more, with the manager, wear included.
    """
    table = record.homes
    pv = int(table["pv_wh"].sum())
    return {
        "homes": len(table),
        "pv_wh": pv,
        "better": int((_paid(record, "managed") < _paid(record, "unmanaged")).sum()),
        "worse": int((_paid(record, "managed") > _paid(record, "unmanaged")).sum()),
        **{
            way: {
                **{
                    name: int(table[f"{stem}_{way}_{unit}"].sum())
                    for name, stem, unit in (
                        ("cost_micro_eur", "cost", "micro_eur"),
                        ("wear_micro_eur", "wear", "micro_eur"),
                        ("self_used_wh", "self_used", "wh"),
                        ("stored_wh", "stored", "wh"),
                        ("missed_wh", "missed", "wh"),
                        *((f"{device}_wh", device, "wh") for device in DEVICES),
                    )
                },
                "self_consumption": _share(int(table[f"self_used_{way}_wh"].sum()), pv),
            }
            for way in WAYS
        },
    }


def picture(record: RunRecord) -> Figure:
    """Energy drawn by the devices, by kind, and the payment of each home with and without the manager."""
    table = record.homes
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    shown = [d for d in DEVICES if any(table[f"{d}_{way}_wh"].any() for way in WAYS)]
    places = np.arange(len(shown))
    for side, way in zip((-0.2, 0.2), WAYS, strict=True):
        drawn = [table[f"{device}_{way}_wh"].sum() / 1e3 for device in shown]
        left.bar(places + side, drawn, width=0.38, color=_COLOURS[way], label=words.name(way))
    left.set_xticks(places, [words.name(device) for device in shown])
    left.set_ylabel("kWh drawn, net")
    left.legend(loc="lower left", ncols=2, bbox_to_anchor=(0, 1), borderaxespad=0.1)
    alone, managed = (
        _paid(record, way).to_numpy("float64") / 1e6 for way in ("unmanaged", "managed")
    )
    edges = [min(alone.min(), managed.min()), max(alone.max(), managed.max())]
    right.plot(edges, edges, color=style.MUTED, lw=0.9, ls=(0, (1, 1.5)))
    colours = np.where(managed <= alone, style.GAIN, style.LOSS)
    right.scatter(alone, managed, s=16, c=colours.tolist(), alpha=0.7, lw=0)
    right.set_xlabel("€ paid without a manager")
    right.set_ylabel("€ paid with it")
    return figure


def _paid(record: RunRecord, way: str) -> Any:
    """Cost of energy and wear of each home, µEUR."""
    return record.homes[f"cost_{way}_micro_eur"] + record.homes[f"wear_{way}_micro_eur"]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
