"""From what Pulumi says of a preview to a report in Markdown for a pull request. Pure, standard library only.

`read` parses, `nodes`, `certificates` and `objects` say what a change means, `render` and `markdown` write it down.
"""
