"""A person who knocks at the API all the time while `make up` gives the person a namespace."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.e2e.support import pods

_PAUSE = 0.1
NOT_YET = "cannot create resource"
"""What RBAC says about a pod."""


@dataclass
class Knock:
    """The answers to three requests in a row. Each is the status and the message of a refusal."""

    quota: tuple[int, str]
    limits: tuple[int, str]
    open_pod: tuple[int, str]
    """To a pod that the level `restricted` does not admit."""

    @property
    def has_the_right(self) -> bool:
        """Whether the person may make pods, within the limits of the namespace."""
        status, message = self.open_pod
        return status != 401 and NOT_YET not in message


@dataclass
class EarlyBird:
    """The person. `knocks` are in their order."""

    endpoint: str
    namespace: str
    token: str
    authority: Path
    image: str
    knocks: list[Knock] = field(default_factory=list)
    problems: list[Exception] = field(default_factory=list)

    @contextlib.contextmanager
    def knocking(self) -> Iterator[None]:
        """Knock during the body."""
        ended = threading.Event()
        thread = threading.Thread(target=self._run, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(60)

    def assert_limited(self) -> None:
        """Raises AssertionError unless the namespace was limited whenever the person had the right to make pods.

        Also if nobody knocked before the right came, or after that.
        """
        assert not self.problems, self.problems
        for knock in self.knocks:
            # Not all API servers know a right at the same moment. Who has it is told if there is no such object.
            assert {knock.quota[0], knock.limits[0]} <= {200, 401, 403}, f"the right came before the limits: {knock}"
            assert knock.open_pod[0] in (401, 403), f"an open pod was admitted: {knock}"
            if knock.has_the_right:
                # The account of pods comes a moment after the namespace, and a pod without one is refused as well.
                refused = any(why in knock.open_pod[1] for why in ("violates PodSecurity", "service account"))
                assert refused, f"a right without limits: {knock}"
        rights = [knock.has_the_right for knock in self.knocks]
        assert rights and not rights[0] and rights[-1], "nobody knocked before or after the right came"

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(_PAUSE):
            try:
                self.knocks.append(self.knock())
            except requests.RequestException as error:
                self.problems.append(error)

    def knock(self) -> Knock:
        """Ask for the limits, and only then for the pod: what the pod meets has to be there before."""
        here = f"/api/v1/namespaces/{self.namespace}"
        main = {"name": "main", "image": self.image}
        return Knock(
            self._ask("GET", f"{here}/resourcequotas/hardway"),
            self._ask("GET", f"{here}/limitranges/hardway"),
            self._ask("POST", f"{here}/pods?dryRun=All", pods.pod(self.namespace, "early", main)),
        )

    def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method,
                self.endpoint + path,
                headers=headers,
                data=json.dumps(body) if body else None,
                verify=str(self.authority),
                timeout=10,
            )
        return answer.status_code, "" if answer.ok else str(answer.json()["message"])
