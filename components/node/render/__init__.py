"""One renderer for each service: pure functions from the page and the topology to files and systemd units."""
