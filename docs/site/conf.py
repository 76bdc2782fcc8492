"""Documentation pages from the Markdown files in the root and in docs/: `make docs` writes them to .cache/site."""

project = "hardway"
html_title = "hardway"
html_theme = "furo"
extensions = ["myst_parser"]
root_doc = "index"
# This folder's index.md is the root document; the folder itself has no pages.
exclude_patterns = ["docs/site"]
# Anchors of headings as the hosting platform makes them, so that the same link works in both places.
myst_heading_anchors = 3
# Sphinx has no lexer for diagrams. The hosting platform draws them; the pages load nothing from other servers.
suppress_warnings = ["misc.highlighting_failure"]
html_copy_source = False
html_show_sphinx = False
