"""How hard the stateful test searches: `HYPOTHESIS_PROFILE=nightly python -m pytest tests/core` is the one for a night.

The profiles are for that test alone; other properties keep hypothesis' own measure, and pytest's time-out.
"""

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]

settings.register_profile("ci", max_examples=500, stateful_step_count=40, deadline=None, suppress_health_check=_SLOW)
settings.register_profile("hunt", settings.get_profile("ci"), max_examples=5_000)
settings.register_profile("nightly", settings.get_profile("ci"), max_examples=20_000, stateful_step_count=60)
