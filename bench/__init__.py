"""Measures the times that README.md lists. No result passes or fails."""
