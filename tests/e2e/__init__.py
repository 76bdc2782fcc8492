"""Real clusters, brought up and down with the real engine: one folder per suite, and what suites share in `support`."""
