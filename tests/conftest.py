"""What every suite shares, brownie's as well: no test depends on how fast the machine is."""

from hypothesis import HealthCheck, settings

# On top of the profile that is current: under brownie that is brownie's own.
settings.register_profile(
    "gridbourse", settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
)
settings.load_profile("gridbourse")
