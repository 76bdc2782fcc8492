"""Killed runs and lost machines: the next `make up` continues, and `make down` leaves nothing."""
