"""People log in at a real OpenID Connect provider and work on a real cluster."""
