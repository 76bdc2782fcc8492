"""Unprepared hosts: plain Debian machines behind a bastion. The files run in the order of their numbers."""
