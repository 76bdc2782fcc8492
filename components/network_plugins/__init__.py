"""Network plugins: one folder for each, with everything that the plugin needs, and one contract.

`contract.py` has what the rest of the program needs from a plugin; `choice.py` finds the plugin of a page.
"""

# The page imports the sections of plugins, and the sections import modules of the page: the page has to come first.
import components.config  # noqa: F401
