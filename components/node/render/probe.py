"""How health checks ask a service of their own machine."""

from __future__ import annotations

CURL = "curl -fsS --noproxy '*' --max-time 2"
"""Never through a proxy: a host may set one for its downloads, and no proxy reaches the host's own services."""
