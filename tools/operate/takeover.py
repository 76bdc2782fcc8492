"""Stacks from earlier versions of this program: the run that adopts such a stack must not also rename its cluster.

In earlier versions the Kubernetes provider had the name of the cluster. The program adopts that provider by the name on
the page (`components/cluster_api.py`). If the page has another name, then the provider is a new resource, and Pulumi
replaces every object of the cluster. Stacks of this version have a record of fixed values, so they can be renamed.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from components.resource_names import name_of
from tools.common.errors import ToolError

_PROVIDER, _RECORD = "pulumi:providers:kubernetes", "::fixed-values"


def refuse_rename(states: Iterable[Path], stack: str, path: Path) -> None:
    """Raise ToolError if a state has no record yet and its provider has another name than the cluster on the page."""
    for state in states:
        text = state.read_text()
        if _RECORD in text or _PROVIDER not in text:
            continue
        resources = (json.loads(text)["checkpoint"].get("latest") or {}).get("resources") or []
        made_as = [name_of(item["urn"]) for item in resources if item["type"] == _PROVIDER]
        name = _cluster_name(path)
        if made_as and name not in made_as:
            raise ToolError(
                f"{path.name}: hardway:cluster.name: {name!r} cannot take the place of {made_as[0]!r} in the first run "
                f"of this version; allowed: {made_as[0]}. Run `make up STACK={stack}` with that name once, then rename"
            )


def _cluster_name(path: Path) -> object:
    # Imported here, because the import of a YAML library takes long and most runs do not need it.
    from tools.operate import page

    cluster = page.section(page.read(path), "cluster")
    return cluster.get("name") if isinstance(cluster, dict) else None
