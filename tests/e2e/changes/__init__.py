"""One cluster that is changed again and again, and never lets a request fail.

The files run in the order of their numbers; each leaves the cluster healthy, and the page as the next one finds it.
"""
