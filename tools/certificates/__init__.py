"""The calendar of a stack: every certificate and key with its generation, issuer, end and renewal.

`rows` computes the rows, `table` writes the rows as text, `axis` and `drawing` draw the rows as SVG: these modules are
pure. `kubelets` asks the cluster when the kubelets' own certificates end. `show` connects them for the command line.
"""
