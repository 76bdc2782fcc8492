"""Runs that are killed, machines that are gone: the next `make up` goes on, and `make down` leaves nothing."""
