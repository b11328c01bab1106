"""One setting for every test: property tests are repeatable, and a busy machine cannot fail them."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("evit-mobile", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("evit-mobile")
