"""The configuration page: everything that a user sets, with all rules and messages.

`load` is pure; `from_pulumi` reads the running program's configuration. Both give a frozen `Page` or one error that
lists everything that is wrong.
"""

from components.config.errors import ConfigError, Finding
from components.config.loading import from_pulumi, load
from components.config.page import Page

__all__ = ["ConfigError", "Finding", "Page", "from_pulumi", "load"]
