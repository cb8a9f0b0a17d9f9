"""How hard hypothesis searches: `HYPOTHESIS_PROFILE=nightly` is the one for a night."""

import os

from hypothesis import HealthCheck, Phase, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]

settings.register_profile("ci", max_examples=500, stateful_step_count=40, deadline=None, suppress_health_check=_SLOW)
settings.register_profile("nightly", settings.get_profile("ci"), max_examples=20_000, stateful_step_count=60)
settings.register_profile("hunt", settings.get_profile("ci"), max_examples=5_000, phases=[Phase.generate, Phase.shrink])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
