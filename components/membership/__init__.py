"""Which nodes belong to the cluster: what removes nodes that are no longer on the page.

`component.py` is the resource, whose command runs `removed_nodes.py` on the operator's machine. `decisions.py` decides,
`procedure.py` has the steps, and `remote_shell.py` runs them on one control-plane node over one connection.
"""
