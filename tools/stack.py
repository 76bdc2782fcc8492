"""Brings a stack up and down with Pulumi, without leaving a trace in the committed pages.

Pulumi writes the salt of the passphrase into the stack's page. The passphrase here is this user's own and random, so
the salt has no place in a committed file: Pulumi works on a copy of the page in the stack's state folder. From the
first `stack init` on the salt stands in the state, where Pulumi finds it again.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import locks, unfinished, unreachable
from tools.envsh import environment, prepare_state
from tools.errors import ToolError
from tools.paths import Clone
from tools.progress import say
from tools.report.read import read
from tools.report.render import render
from tools.report.renewal import more_than_renewal, renewed
from tools.store import remove_tree, write_atomically


@dataclass(frozen=True)
class Stack:
    """One stack of a clone. Methods return Pulumi's exit code; its output goes straight to the user."""

    clone: Clone
    name: str

    def up(self, arguments: Sequence[str] = ()) -> int:
        """Makes the stack what its page says, goes on where a killed run has stopped, and writes its kubeconfig."""
        self._init()
        self._recover(unfinished.forget)
        events = self._folder / "up.jsonl"
        # The list of certificates alone is hundreds of lines: `make outputs` prints it for who wants it.
        options = ["--yes", "--skip-preview", "--suppress-outputs"]
        if "--event-log" not in arguments:
            options += ["--event-log", str(events)]
        try:
            code = self._run("up", *options, *self._page(), *arguments, PULUMI_DEBUG_COMMANDS="true")
            if code != 0 and events.exists():
                for sentence in unreachable.sentences(events.read_text(), self.name):
                    say(sentence)
        finally:
            events.unlink(missing_ok=True)
        if code == 0:
            path = self.clone.kubeconfig(self.name)
            if not self._is_current(path):
                self.write_kubeconfig()
            say(f"stack {self.name} is up; its kubeconfig is {path}")
            say(f'next: eval "$(make -s env STACK={self.name})" && kubectl get nodes')
        return code

    def preview(self, arguments: Sequence[str] = ()) -> int:
        """Says what `up` would change, then writes and prints that as a report, also of a preview that failed."""
        self._init()
        if "--json" in arguments:
            return self._run("preview", *self._page(), *arguments)
        events, report = self._events, self._folder / "preview.md"
        for left in (events, report):
            left.unlink(missing_ok=True)
        # The event log is that of Pulumi's Automation API; unlike `--json` it has what policies find, and leaves the
        # terminal to people. It hides secrets as the terminal does.
        options = ("--suppress-outputs", "--event-log", str(events))
        code = self._run("preview", *options, *self._page(), *arguments, PULUMI_DEBUG_COMMANDS="true")
        if events.exists() and events.stat().st_size:
            write_atomically(report, render(read(events.read_text())), 0o600)
            print(f"\n{report.read_text()}", flush=True)
            say(f"this report is {report}")
        return code

    def renew(self, arguments: Sequence[str] = ()) -> int:
        """Renews the certificates that are due. Raises ToolError, and changes nothing, if more would change."""
        code = self.preview(arguments)
        if code != 0:
            return code
        found = read(self._events.read_text())
        more = more_than_renewal(found)
        if more:
            raise ToolError(
                f"stack {self.name}: more would change than certificates that are due, so nothing was changed: "
                f"{'; '.join(more)}. Have it reviewed and run `make up STACK={self.name}`"
            )
        if not renewed(found):
            say(f"stack {self.name}: no certificate is due")
            return 0
        return self.up(arguments)

    def destroy(self, arguments: Sequence[str] = ()) -> int:
        """Removes all that the stack made, also what a killed run has not recorded, then the stack itself."""
        if not self._exists():
            say(f"stack {self.name} does not exist: nothing to remove")
            remove_tree(self._folder)
            return 0
        self._recover(unfinished.adopt)
        # Machines need not be shut down in order, for the sake of others, where all of them go.
        code = self._run("destroy", "--yes", "--skip-preview", *self._page(), *arguments, HARDWAY_AT_ONCE="1")
        if code == 0:
            code = self._run("stack", "rm", "--yes", "--preserve-config")
        if code == 0:
            remove_tree(self._folder)
        return code

    def write_kubeconfig(self) -> Path:
        """Writes the output `kubeconfig` where `make env` points KUBECONFIG to, readable by this user only."""
        answer = self._ask("stack", "output", "kubeconfig", "--show-secrets")
        if answer.returncode != 0:
            raise ToolError(f"stack {self.name} has no kubeconfig yet: run `make up STACK={self.name}`")
        path = self.clone.kubeconfig(self.name)
        write_atomically(path, answer.stdout, 0o600)
        return path

    def state(self) -> dict[str, Any]:
        """What Pulumi knows of the stack, with secrets hidden."""
        answer = self._ask("stack", "export")
        if answer.returncode != 0:
            raise ToolError(f"stack {self.name} has no state: {answer.stderr.strip()}")
        deployment: dict[str, Any] = json.loads(answer.stdout)["deployment"]
        return deployment

    def _is_current(self, kubeconfig: Path) -> bool:
        """Whether a kubeconfig is that of the state, read from its file: asking Pulumi is a tenth of an empty run."""
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            (state,) = self._state_files()
            if not self._keeps_state_here():
                return False
            outputs = json.loads(state.read_bytes())["checkpoint"]["latest"]["resources"][0]["outputs"]
            # Pulumi prints an output with a line end of its own.
            found = hashlib.sha256(kubeconfig.read_bytes().removesuffix(b"\n")).hexdigest()
            return bool(found == outputs["kubeconfigSha256"])
        return False

    def outputs(self, arguments: Sequence[str] = ()) -> int:
        """Prints the stack's outputs."""
        return self._run("stack", "output", *arguments)

    @property
    def _folder(self) -> Path:
        return self.clone.state / self.name

    @property
    def _events(self) -> Path:
        """What Pulumi said of the last preview, one event a line."""
        return self._folder / "preview.jsonl"

    def _page(self) -> list[str]:
        """Copies the page into the state folder for one run of Pulumi."""
        page = self.clone.page(self.name)
        if not page.is_file():
            known = sorted(path.name.split(".")[1] for path in self.clone.root.glob("Pulumi.*.yaml"))
            raise ToolError(f"there is no page {page.name} for stack {self.name!r}; stacks with a page: {known}")
        copy = self._folder / page.name
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(page, copy)
        return ["--config-file", str(copy)]

    def _init(self) -> None:
        prepare_state(self.clone)
        copy = Path(self._page()[1])
        if self._exists():
            return
        provider = re.search(r"^secretsprovider:\s*(\S+)", copy.read_text(), re.MULTILINE)
        if provider and provider[1] != "passphrase":
            raise ToolError(
                f"{copy.name} names the secrets provider {provider[1]}, whose key Pulumi writes into the page: make "
                f"the stack with `pulumi stack init {self.name} --secrets-provider {provider[1]}` and commit the page"
            )
        shutil.copyfile(self.clone.root / "Pulumi.yaml", self._folder / "Pulumi.yaml")
        if self._run("-C", str(self._folder), "stack", "init", "--stack", self.name, "--no-select") != 0:
            raise ToolError(f"stack {self.name} could not be made")

    def _exists(self) -> bool:
        if self._keeps_state_here():
            # Asking Pulumi takes as long as a tenth of a run that changes nothing.
            return any(self._state_files())
        answer = self._ask("stack", "ls", "--json")
        if answer.returncode != 0:
            raise ToolError(f"pulumi cannot list the stacks: {answer.stderr.strip()}")
        return self.name in {entry["name"].rpartition("/")[2] for entry in json.loads(answer.stdout)}

    def _keeps_state_here(self) -> bool:
        """Whether the state is in this clone's own folder, and not where others work with it as well."""
        return environment(self.clone, self.name, os.environ)["PULUMI_BACKEND_URL"] == f"file://{self.clone.state}"

    def _state_files(self) -> list[Path]:
        return list(self.clone.state.glob(f".pulumi/stacks/*/{self.name}.json"))

    def _recover(self, settle: Callable[[dict[str, Any]], unfinished.Settled]) -> None:
        """Brings the state that a killed run has left in order. Raises ToolError where that takes a person."""
        if self._keeps_state_here():
            locks.release_dead(self.clone.state)
            locks.refuse_locked(self.clone.state, self.name)
            unfinished.repair(self._state_files())
            if not unfinished.has_operations(self._state_files()):
                return
        exported = self._ask("stack", "export")
        if exported.returncode != 0:
            raise ToolError(f"pulumi cannot read the state of stack {self.name}: {exported.stderr.strip()}")
        state = json.loads(exported.stdout)
        settled = settle(state["deployment"] or {})
        if settled.again:
            imported = self._ask("stack", "import", stdin=json.dumps(state))
            if imported.returncode != 0:
                raise ToolError(f"pulumi cannot correct the state of stack {self.name}: {imported.stderr.strip()}")
            say(f"a run was killed; what it had begun is taken up again: {', '.join(settled.again)}")
        for left in settled.left:
            say(
                f"a run was killed while it made {left}, and nobody knows whether it is there: look, and take it over "
                f"or forget it with `pulumi refresh --stack {self.name}`, which asks"
            )

    def _ask(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.clone.root,
            env=environment(self.clone, self.name, os.environ),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def _run(self, *arguments: str, **variables: str) -> int:
        """Runs Pulumi in the foreground: Ctrl-C reaches it directly and it ends in its own time."""
        locks.release_dead(self.clone.state)
        with self._temporary() as temporary, _interrupts_left_to_child():
            env = environment(self.clone, self.name, os.environ) | {"TMPDIR": str(temporary)} | variables
            # Engine and plugins live for seconds: a tenth of their time would go into collecting garbage.
            env.setdefault("GOGC", "300")
            # Python would compile the program anew in every run.
            env.pop("PYTHONDONTWRITEBYTECODE", None)
            return subprocess.run(["pulumi", *arguments], cwd=self.clone.root, env=env, check=False).returncode

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[Path]:
        """A folder for one run's temporary files: the Kubernetes plugin leaves the provider's kubeconfig in its own."""
        for left in self._folder.glob("tmp-*"):
            if not Path("/proc", left.name.removeprefix("tmp-")).exists():
                remove_tree(left)
        folder = self._folder / f"tmp-{os.getpid()}"
        folder.mkdir(mode=0o700, parents=True)
        try:
            yield folder
        finally:
            remove_tree(folder)


@contextlib.contextmanager
def _interrupts_left_to_child() -> Iterator[None]:
    # A handler, not SIG_IGN: the child would inherit that.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
