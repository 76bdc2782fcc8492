"""The wanted state of a node as a release (pure), and the scripts that stage and activate releases."""
