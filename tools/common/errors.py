"""The error that the tools show to a user."""


class ToolError(Exception):
    """A failure with a complete message, which is printed without a traceback."""
