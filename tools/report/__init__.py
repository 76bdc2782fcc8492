"""Turns Pulumi's record of a preview into a report in Markdown for a pull request. Pure, standard library only.

`read` parses, `nodes`, `certificates` and `objects` compute what a change means, `render` and `markdown` write it.
"""
