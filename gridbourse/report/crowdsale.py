"""Figures of a campaign: use of its money, income from the panel, and payback.

**No-project case.** The owner's bill on the same readings less the panel's production, by the reference
settlement: see `replay.crowdsale_record`. The gain from the project is the difference of the two bills,
before the holders are paid: the cost avoided by the panel's own use (avoided), the income from its export
(income, each Wh at no less than feed-in), and the rest, which is the cost of wrong forecasts (imbalance).

**A year** is never replayed. Its energy is 365 times the mean over the seasons of each season's mean day
in the data, so that summer and winter count alike; its money is that energy at the worth of a Wh in
the periods replayed, own use and export each. Running costs, ageing and interest are not deducted.
"""

from typing import Any, Final

from gridbourse.report import formatting as words
from gridbourse.report.record import RunRecord
from gridbourse.text import many

DAYS_A_YEAR: Final = 365
DAY_S: Final = 86_400
PERMILLE: Final = 1000
ENERGIES: Final = ("produced_wh", "used_wh", "exported_wh")


def campaign_figures(record: RunRecord) -> dict[str, Any] | None:
    """Figures ready for JSON: Wh, µEUR, years; None for a run without a campaign.

    `year` and `payback_years` are None where the data cover one season, or nothing was produced.
    `payback_years` holds None where nothing would ever be paid back.
    """
    campaign = record.crowdsale
    if campaign is None:
        return None
    sums = _sums(campaign)
    claimed = sum(holder["claimed_micro_eur"] for holder in campaign["holders"])
    run = _run(sums)
    year = _year(record, sums, run)
    public = sum(holder["public"] for holder in campaign["holders"])
    funded, collected = campaign["funded_micro_eur"], campaign["collected_micro_eur"]
    return {
        **{
            key: campaign[key]
            for key in ("name", "phase", "point_id", "watt_peak", "form", "value")
        },
        **{key: campaign[key] for key in ("goal_micro_eur", "milestones", "funded_micro_eur")},
        "released_micro_eur": campaign["released_micro_eur"],
        "funders": {"participants": len(campaign["holders"]) - public, "public": public},
        "energy": {name: sums[name] for name in ENERGIES},
        "income_micro_eur": {
            "feed_in": sums["feed_in_micro_eur"],
            "premium": sums["premium_micro_eur"],
            "total": run["income"],
        },
        "due_micro_eur": campaign["due_micro_eur"],
        "collected_micro_eur": collected,
        "arrears_micro_eur": campaign["due_micro_eur"] - collected,
        "claimed_micro_eur": claimed,
        "remainder_micro_eur": collected - claimed,
        "owner_bill_micro_eur": {
            "with_project": sums["bill_micro_eur"] - collected,
            "before_holders": sums["bill_micro_eur"],
            "no_project": sums["without_micro_eur"],
            "no_project_supplier_alone": sums["alone_micro_eur"],
        },
        "project_gain_micro_eur": run,
        "year": year,
        "payback_years": None if year is None else _payback(funded, year),
        "term_years": round(campaign["term_periods"] * record.mtu_seconds / DAY_S / DAYS_A_YEAR, 2),
    }


def method(record: RunRecord) -> str:
    """Method by which a year is derived from the replay, in words."""
    seasons = list(record.crowdsale["panel_days"]) if record.crowdsale else []
    if len(seasons) < 2:
        return "The data are of one season: no year is made of them, and no payback."
    listed = f"{', '.join(seasons[:-1])} and {seasons[-1]}"
    return (
        f"A year is 365 times the mean of a mean day in {listed}, as the data have them, each"
        " counting alike, at what a Wh of own use and of export was worth in the periods replayed."
        " No running costs, no ageing, no interest."
    )


def _sums(campaign: dict[str, Any]) -> dict[str, int]:
    rows = campaign["income"]
    return {key: sum(int(row[key]) for row in rows) for key in rows[0] if key != "period"}


def _run(sums: dict[str, int]) -> dict[str, int]:
    """Gain from the project in the periods replayed, before the holders are paid."""
    gain = sums["bill_micro_eur"] - sums["without_micro_eur"]
    income = sums["feed_in_micro_eur"] + sums["premium_micro_eur"]
    avoided = sums["avoided_micro_eur"]
    return {
        "total": gain,
        "avoided": avoided,
        "income": income,
        "imbalance": gain - income - avoided,
    }


def _year(record: RunRecord, sums: dict[str, int], run: dict[str, int]) -> dict[str, int] | None:
    campaign = record.crowdsale
    if campaign is None or len(campaign["panel_days"]) < 2:
        return None
    if not (sums["used_wh"] and sums["exported_wh"]):
        return None
    days = list(campaign["panel_days"].values())
    energy = {
        name: DAYS_A_YEAR * sum(day[at] for day in days) / len(days)
        for at, name in enumerate(ENERGIES)
    }
    exported = energy["exported_wh"] / sums["exported_wh"]
    money = {
        "avoided": run["avoided"] * energy["used_wh"] / sums["used_wh"],
        "income": run["income"] * exported,
        "imbalance": run["imbalance"] * exported,
    }
    if campaign["form"] == "rent":
        periods = DAYS_A_YEAR * DAY_S // record.mtu_seconds
        paid = float(campaign["value"] * periods)
    else:
        paid = money["income"] * campaign["value"] / PERMILLE
    gain = sum(money.values())
    found = energy | {
        f"{name}_micro_eur": micro_eur
        for name, micro_eur in {
            **money, "gain": gain, "to_holders": paid, "to_owner": gain - paid,
        }.items()
    }  # fmt: skip
    return {name: round(value) for name, value in found.items()}


def _payback(funded: int, year: dict[str, int]) -> dict[str, float | None]:
    """Years until the funded amount has come back: to all together, and to the holders."""
    return {
        "project": _years(funded, year["gain_micro_eur"]),
        "holders": _years(funded, year["to_holders_micro_eur"]),
    }


def _years(funded: int, a_year: int) -> float | None:
    return round(funded / a_year, 2) if a_year > 0 else None


def agreement(figures: dict[str, Any]) -> str:
    """Income of the holders, in words."""
    if figures["form"] == "rent":
        return f"a rent of {words.euro(figures['value'])} a period"
    return f"{figures['value'] / 10:g} % of what it earns by exporting"


def money_rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """(label, value): use of the campaign's money, and income from the panel."""
    income, energy = figures["income_micro_eur"], figures["energy"]
    return [
        ("Funded", words.euro(figures["funded_micro_eur"])),
        (
            f"Released, {many(len(figures['milestones']), 'milestone')}",
            words.euro(figures["released_micro_eur"]),
        ),
        ("Produced", words.energy(energy["produced_wh"])),
        ("of it used by the owner", words.energy(energy["used_wh"])),
        ("of it exported", words.energy(energy["exported_wh"])),
        ("Export income", words.euro(income["total"])),
        ("of it above feed-in", words.euro(income["premium"])),
        ("Due to holders", words.euro(figures["due_micro_eur"])),
        ("Collected / arrears", _pair(figures, "collected_micro_eur", "arrears_micro_eur")),
        ("Claimed / not yet", _pair(figures, "claimed_micro_eur", "remainder_micro_eur")),
    ]


def payback_rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """(label, value): the owner's bill with and without the project, and the payback."""
    bill, gain = figures["owner_bill_micro_eur"], figures["project_gain_micro_eur"]
    year, back = figures["year"], figures["payback_years"] or {}
    rows = [
        ("Owner's bill, no project", words.euro(bill["no_project"])),
        ("with it, before holders", words.euro(bill["before_holders"])),
        ("with it, holders paid", words.euro(bill["with_project"])),
        ("Project brought", words.euro(gain["total"], signed=True)),
        ("own use / export", f"{words.euro(gain['avoided'])} / {words.euro(gain['income'])}"),
        ("wrong forecasts", words.euro(gain["imbalance"], signed=True)),
    ]
    if year is not None:
        rows += [
            ("A year brings, about", words.euro(year["gain_micro_eur"])),
            ("of it to the holders", words.euro(year["to_holders_micro_eur"])),
            ("left to the owner", words.euro(year["to_owner_micro_eur"])),
        ]
    return [
        *rows,
        ("Payback, project", _years_said(back.get("project"))),
        ("Payback, holders", _years_said(back.get("holders"))),
        ("Term", f"{figures['term_years']:g} years"),
    ]


def _pair(figures: dict[str, Any], one: str, other: str) -> str:
    return f"{words.euro(figures[one])} / {words.euro(figures[other])}"


def _years_said(years: float | None) -> str:
    return words.NOTHING if years is None else f"{years:.1f} years"
