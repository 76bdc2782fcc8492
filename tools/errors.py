"""The one error that the tools show to a user."""


class ToolError(Exception):
    """A failure with a message that is complete by itself; it is printed without a traceback."""
