"""The network plugin of a page."""

from __future__ import annotations

from components.config import Page
from components.network_plugins.contract import NetworkPlugin
from components.network_plugins.flannel.plugin import FLANNEL


def plugin_of(page: Page) -> NetworkPlugin:
    """The plugin whose section the page has."""
    return {page.network.flannel.title: FLANNEL}[page.network.plugin.title]
