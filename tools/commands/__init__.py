"""The commands. Each imports its modules when it runs, because imports are a tenth of a run without changes."""
