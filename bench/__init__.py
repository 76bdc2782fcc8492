"""Measures what the README says about speed. Nothing here passes or fails by a time: that is for people to judge."""
