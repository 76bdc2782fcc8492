"""`make rotate`: replaces a key of a running cluster. Each step is a change of the page that people can review."""
