"""One cluster is changed again and again, and no request fails.

The files run in the order of their numbers. Each file leaves a healthy cluster and the page for the next file.
"""
