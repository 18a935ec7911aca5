"""Curtailment compensation by the DSO, which `contracts/settlement/CurtailmentCompensation.sol` must equal.

The flow without the cap is the schedule the caps were made of, stated before delivery; where none was stated,
the connection's capacity. Held back is the part of it above the cap, where the reading reached the cap. A
corrected reading reopens what was paid, in either direction.
"""

from gridbourse.model.caps import NO_CAP


def held_back_wh(
    stated_wh: int | None, cap_wh: int, reading_wh: int, capacity_wh: int, reach_permille: int
) -> int:
    """Wh that an export cap kept from being fed in; the reading is net, + injects; NO_CAP = none."""
    if cap_wh == NO_CAP or reading_wh < 0 or reading_wh * 1000 < cap_wh * reach_permille:
        return 0
    wanted = capacity_wh if stated_wh is None else min(stated_wh, capacity_wh)
    return max(wanted - max(reading_wh, cap_wh), 0)


def compensation_micro_eur(held_back: int, feed_in: int, export_fee: int) -> int:
    """Compensation for the Wh held back: at the feed-in tariff less the export fee, µEUR per Wh."""
    return held_back * max(feed_in - export_fee, 0)


def outstanding_wh(held_back: int, paid: int, rate: int, free_micro_eur: int) -> int:
    """Wh that a call pays (+) or takes back (−), from the Wh held back and the Wh paid for.

    Only whole Wh are taken back, as many as the account has free money for at the rate, µEUR per Wh.
    """
    if held_back >= paid or rate == 0:
        return held_back - paid
    return -min(paid - held_back, max(free_micro_eur, 0) // rate)
