"""A verdict in plain sentences: which node or line, how far over, whose doing, who is capped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gridbourse.grid.assessment import Assessment, Kind, Violation
from gridbourse.grid.errors import GridError
from gridbourse.grid.network import Network
from gridbourse.grid.sensitivities import Sensitivities, sensitivities
from gridbourse.model.caps import NO_CAP
from oracle.dso.caps import CapProposal

TOLD: Final = 3
"""Violations, and causers of each, that are named; more are counted."""


def all_kept(state: Assessment) -> str:
    """The sentence for a state inside all limits."""
    return (
        f"all limits are kept: voltages from {state.u_min_pu:.3f} to {state.u_max_pu:.3f} pu,"
        f" highest loading {100 * state.loading_max:.0f} %"
    )


def explain(
    network: Network,
    names: Sequence[str],
    schedule_wh: NDArray[np.int64],
    reactive_var: NDArray[np.float64],
    hours: float,
    before: Assessment | None,
    proposal: CapProposal,
) -> list[str]:
    """Sentences for the capped schedule of one period.

    names: of the connection points; hours: length of the period; before: the state without the
    proposal, None where the grid has no operating point then.
    """
    sentences = list(_what_is_wrong(network, names, schedule_wh / hours, reactive_var, before))
    sentences += _what_is_done(proposal)
    caps = proposal.caps
    for way, cap_wh in (("export", caps.export_cap_wh), ("import", caps.import_cap_wh)):
        sentences += [
            f"{names[i]} capped at {cap_wh[i]:,} Wh of {way} (scheduled {abs(schedule_wh[i]):,} Wh)"
            for i in np.flatnonzero(cap_wh < NO_CAP).tolist()
        ]
    return sentences


def _what_is_wrong(
    network: Network,
    names: Sequence[str],
    injection_w: NDArray[np.float64],
    reactive_var: NDArray[np.float64],
    before: Assessment | None,
) -> Iterator[str]:
    if before is None:
        yield "the grid has no operating point under the schedule: voltages collapse"
        return
    try:
        at = sensitivities(network, injection_w, reactive_var, np.arange(len(names)))
    except GridError:
        at = None  # so near to collapse that one more watt is too much
    for violation in before.violations[:TOLD]:
        blame = "" if at is None else _causers(violation, at, names, injection_w)
        yield f"{violation}{blame}"
    if (more := len(before.violations) - TOLD) > 0:
        yield f"{more} more limits are broken by less"


def _causers(
    violation: Violation, at: Sensitivities, names: Sequence[str], injection_w: NDArray[np.float64]
) -> str:
    """Who pushes the value beyond its limit: a point's injection times what a watt of it does."""
    slopes = at.dl_per_w if violation.kind == Kind.OVERLOAD else at.du_per_w
    towards = -1.0 if violation.kind == Kind.UNDERVOLTAGE else 1.0
    push = np.maximum(towards * slopes[:, violation.element] * injection_w, 0.0)
    if not push.any():
        return ""
    most = [i for i in np.argsort(-push, kind="stable")[:TOLD] if push[i] > 0]
    told = ", ".join(
        f"{names[i]} ({'feeds in' if injection_w[i] > 0 else 'draws'}"
        f" {abs(injection_w[i]) / 1e3:.1f} kW, {push[i] / push.sum():.0%} of it)".replace("%", " %")
        for i in most
    )
    return f", caused most by {told}"


def _what_is_done(proposal: CapProposal) -> Iterator[str]:
    if not proposal.feasible:
        yield (
            f"nothing tried brings the grid inside its limits; {proposal.method} breaks them"
            f" least, and curtails {proposal.curtailed_wh:,} Wh"
        )
        return
    others = [c for c in proposal.candidates if c.feasible and c.method != proposal.method]
    compared = ", ".join(f"{c.method} {c.curtailed_wh:,} Wh" for c in others)
    yield f"{proposal.method} curtails least, {proposal.curtailed_wh:,} Wh" + (
        f" ({compared})" if compared else ""
    )
