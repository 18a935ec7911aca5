"""Settings of a deployment that contradict each other are refused before anything is sent."""

from dataclasses import replace

import pytest

from gridbourse.chain.deployment.markets.aggregator_auction import Rules
from gridbourse.chain.deployment.settings import MarketSettings, SettingsError
from gridbourse.model.call_auction import Band

LIVE = MarketSettings(
    900, 300, Band(80, 1, 221), ("street",),
    markets=("CallAuction", "FlexibilityMarket"), replay=False,
)  # fmt: skip


def test_windows_longer_than_the_ring_are_refused() -> None:
    """One request that nobody verifies held every market for 48 h while the ring left 40."""
    LIVE.require_fits()
    needed = 97 * 900 + 300 + 3 * 86_400
    assert LIVE.needed_seconds == needed
    least = -(-needed // 900)
    replace(LIVE, ring_size=least).require_fits()
    with pytest.raises(SettingsError, match=f"ring_size: {least - 1} periods.*at least {least}"):
        replace(LIVE, ring_size=least - 1).require_fits()
    replace(LIVE, ring_size=2, replay=True).require_fits()  # its clock waits


def test_a_dispute_window_shorter_than_the_replacement_of_a_meter_key_is_refused() -> None:
    """A thief was paid after a day, when the role could be given to another key after two."""
    least = LIVE.timelock_seconds + 86_400
    replace(LIVE, dispute_window_seconds=least).require_fits()
    with pytest.raises(SettingsError, match=f"dispute_window_seconds: 86400 s.*at least {least}"):
        replace(LIVE, dispute_window_seconds=86_400).require_fits()


def test_no_time_to_reveal_is_refused() -> None:
    auctions = replace(LIVE, markets=("AggregatorAuction",))
    for seconds in (0, 60):  # without any the contract posts no sealed auction
        replace(auctions, rules={"aggregator_auction": Rules(seconds, 500)}).require_fits()
    with pytest.raises(SettingsError, match="59 leave no time to reveal"):
        replace(auctions, rules={"aggregator_auction": Rules(59, 500)}).require_fits()
