"""Runs Pulumi for a stack without changing the committed pages.

Pulumi writes the salt of the passphrase into the page of the stack. The passphrase is random and belongs to this user,
so the salt must not be in a committed file: Pulumi works on a copy of the page in the state folder of the stack. After
the first `stack init` the salt is in the state, where Pulumi finds it.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.certificates import clock
from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.common.progress import say
from tools.common.store import remove_tree, write_atomically
from tools.operate import judgement, locks, protected, takeover, unfinished
from tools.operate.envsh import environment, prepare_state
from tools.operate.pulumi import Pulumi, Show


@dataclass(frozen=True)
class Stack:
    """One stack of a clone. Methods return the exit code of Pulumi; Pulumi prints its output to the terminal."""

    clone: Clone
    name: str

    def up(self, arguments: Sequence[str] = (), *, asks_policies: bool = True) -> int:
        """Creates or changes the stack as its page says, continues a killed run, and writes the kubeconfig.

        The policies that `arguments` name judge the plan first. If the plan violates a mandatory rule, then nothing is
        changed. `asks_policies` is False if the policies have judged the plan already, or must not judge the run.
        """
        self._init()
        self._recover(unfinished.forget)
        takeover.refuse_rename(self.state_files(), self.name, self.clone.page(self.name))
        verdict = judgement.judge(self, arguments) if asks_policies else judgement.Verdict.GO
        if verdict is judgement.Verdict.REFUSED:
            return 1
        code = 0 if verdict is judgement.Verdict.NOTHING_CHANGES else self._apply(arguments)
        if code == 0:
            path = self.clone.kubeconfig(self.name)
            if not self._is_current(path):
                self.write_kubeconfig()
            say(f"stack {self.name} is up; its kubeconfig is {path}")
            say(f'next: eval "$(make -s env STACK={self.name})" && kubectl get nodes')
        return code

    def judge(self, arguments: Sequence[str] = ()) -> int:
        """Lets the policies judge the `up` with these arguments, for commands that do something before `up`.

        The stack has to exist. Returns 0 if `up` may follow.
        """
        return int(judgement.judge(self, arguments) is judgement.Verdict.REFUSED)

    def _apply(self, arguments: Sequence[str]) -> int:
        """Runs `pulumi up`, says why it failed, and records that it is complete. Returns the exit code of Pulumi."""
        events = self._folder / "up.jsonl"
        # Outputs are hundreds of lines, mostly the list of certificates. `make outputs` prints them.
        options = ["--yes", "--skip-preview", "--suppress-outputs"]
        try:
            code = self._pulumi.run_shown(Show.PROGRESS, events, "up", *options, *self._page(), *arguments)
            if code != 0 and events.exists():
                from tools.operate.explanation import explain  # only a failed run needs it, and it imports this module

                explain(self, events.read_text())
        finally:
            events.unlink(missing_ok=True)
        if code == 0:
            judgement.settle(self)
        return code

    def preview(self, arguments: Sequence[str] = ()) -> int:
        """Shows what `up` would change, then writes and prints the report, also if the preview failed."""
        now = clock.now()
        self._init()
        takeover.refuse_rename(self.state_files(), self.name, self.clone.page(self.name))
        if "--json" in arguments:
            return self._pulumi.run("preview", *self._page(), *arguments)
        events, report = self.preview_events, self._folder / "preview.md"
        report.unlink(missing_ok=True)
        code = self.plan(events, arguments)
        if events.exists() and events.stat().st_size:
            from tools.report.read import read
            from tools.report.render import render

            write_atomically(report, render(read(events.read_text()), now), 0o600)
            print(f"\n{report.read_text()}", flush=True)
            say(f"the report is in {report}")
        return code

    def plan(self, events: Path, arguments: Sequence[str]) -> int:
        """Runs a preview that writes its event log to `events`. Returns the exit code of Pulumi."""
        events.unlink(missing_ok=True)
        # The event log is the log of Pulumi's Automation API. Unlike `--json`, it contains the findings of policies and
        # does not replace the output on the terminal. It hides secrets as the terminal does.
        options = ("--suppress-outputs",)
        # The policies compare the plan with the state. A file is read faster than Pulumi exports it.
        states = self.state_files() if self.keeps_state_here() else []
        known = {"HARDWAY_STATE": str(states[0])} if len(states) == 1 and "HARDWAY_STATE" not in os.environ else {}
        return self._pulumi.run_shown(Show.PLAN, events, "preview", *options, *self._page(), *arguments, **known)

    def refresh(self, urns: Sequence[str]) -> int:
        """Asks the providers for these resources alone, and drops those from the state that do not exist any more."""
        self._recover(unfinished.forget)
        targets = [argument for urn in urns for argument in ("--target", urn)]
        return self._pulumi.run("refresh", "--yes", "--skip-preview", "--suppress-outputs", *self._page(), *targets)

    def renew(self, arguments: Sequence[str] = ()) -> int:
        """Renews the certificates that are due. Raises ToolError, and changes nothing, if more would change."""
        from tools.report.read import read
        from tools.report.renewal import more_than_renewal, renewed

        code = self.preview(arguments)
        if code != 0:
            return code
        found = read(self.preview_events.read_text())
        more = more_than_renewal(found)
        if more:
            raise ToolError(
                f"stack {self.name}: more would change than certificates that are due, so nothing was changed: "
                f"{'; '.join(more)}. Let somebody review the plan, and run `make up STACK={self.name}`"
            )
        if not renewed(found):
            say(f"stack {self.name}: no certificate is due")
            return 0
        # The policies have judged the preview.
        return self.up(arguments, asks_policies=False)

    def destroy(self, arguments: Sequence[str] = ()) -> int:
        """Removes everything that the stack made, also what a killed run has not recorded, then the stack itself.

        Raises ToolError, and removes nothing, if a resource is protected.
        """
        if not self.exists():
            say(f"stack {self.name} does not exist: nothing to remove")
            remove_tree(self._folder)
            return 0
        self._recover(unfinished.adopt)
        protected.refuse(self.name, self.state(), arguments)
        # All machines are removed, so no machine has to be shut down in order.
        options = ["--yes", "--skip-preview", *self._page(), *arguments]
        events = self._folder / "destroy.jsonl"
        code = self._pulumi.run_shown(Show.PROGRESS, events, "destroy", *options, HARDWAY_AT_ONCE="1")
        events.unlink(missing_ok=True)
        if code == 0:
            code = self._pulumi.run("stack", "rm", "--yes", "--preserve-config")
        if code == 0:
            remove_tree(self._folder)
        return code

    def write_kubeconfig(self) -> Path:
        """Writes the output `kubeconfig` to the path that `make env` exports as KUBECONFIG, with mode 0600."""
        answer = self._pulumi.ask("stack", "output", "kubeconfig", "--show-secrets")
        if answer.returncode != 0:
            raise ToolError(f"stack {self.name} has no kubeconfig yet: run `make up STACK={self.name}`")
        path = self.clone.kubeconfig(self.name)
        write_atomically(path, answer.stdout, 0o600)
        return path

    def state(self) -> dict[str, Any]:
        """The state of the stack, with encrypted secrets. Raises ToolError if there is none."""
        deployment: dict[str, Any] = json.loads(self.exported())["deployment"] or {}
        return deployment

    def exported(self) -> str:
        """What `pulumi stack export` prints, with encrypted secrets. Raises ToolError if there is no state."""
        answer = self._pulumi.ask("stack", "export")
        if answer.returncode != 0:
            raise ToolError(f"stack {self.name} has no state: {answer.stderr.strip()}")
        return answer.stdout

    def _is_current(self, kubeconfig: Path) -> bool:
        """Whether the file is the kubeconfig of the state. Reads the state file, which is faster than Pulumi."""
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            (state,) = self.state_files()
            if not self.keeps_state_here():
                return False
            outputs = json.loads(state.read_bytes())["checkpoint"]["latest"]["resources"][0]["outputs"]
            # Pulumi adds a line end to an output.
            found = hashlib.sha256(kubeconfig.read_bytes().removesuffix(b"\n")).hexdigest()
            return bool(found == outputs["kubeconfigSha256"])
        return False

    def outputs(self, arguments: Sequence[str] = ()) -> int:
        """Prints the stack's outputs."""
        return self._pulumi.run("stack", "output", *arguments)

    def known_outputs(self) -> dict[str, Any]:
        """The stack's outputs by name, with secrets hidden. Raises ToolError if they cannot be read."""
        prepare_state(self.clone)
        answer = self._pulumi.ask("stack", "output", "--json")
        if answer.returncode != 0:
            raise ToolError(f"the outputs of stack {self.name} cannot be read: {answer.stderr.strip()}")
        outputs: dict[str, Any] = json.loads(answer.stdout)
        return outputs

    @property
    def _pulumi(self) -> Pulumi:
        return Pulumi(self.clone, self.name)

    @property
    def _folder(self) -> Path:
        return self._pulumi.folder

    @property
    def preview_events(self) -> Path:
        """The event log of the last preview, one event in each line."""
        return self._folder / "preview.jsonl"

    @property
    def judged_events(self) -> Path:
        """The event log of the preview with which policies judge an `up`. Not kept."""
        return self._folder / "judged.jsonl"

    def _page(self) -> list[str]:
        """Copies the page into the state folder for one run of Pulumi, and returns the option that names the copy."""
        page = self.clone.page(self.name)
        if not page.is_file():
            from tools.operate import page as pages  # a page that is there needs no YAML library

            raise ToolError(pages.missing(self.clone, self.name))
        copy = self._folder / page.name
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(page, copy)
        return ["--config-file", str(copy)]

    def _init(self) -> None:
        prepare_state(self.clone)
        copy = Path(self._page()[1])
        if self.exists():
            return
        from tools.operate import page, state_size  # only a new stack needs the YAML library

        content = page.read(copy)
        provider = content.get("secretsprovider", "passphrase")
        if provider != "passphrase":
            raise ToolError(
                f"{copy.name} names the secrets provider {provider}, and Pulumi writes the key of this provider into "
                f"the page: run `pulumi stack init {self.name} --secrets-provider {provider}` and commit the page"
            )
        shutil.copyfile(self.clone.root / "Pulumi.yaml", self._folder / "Pulumi.yaml")
        if self._pulumi.run("-C", str(self._folder), "stack", "init", "--stack", self.name, "--no-select") != 0:
            raise ToolError(f"stack {self.name} could not be made")
        count, around = len(page.nodes(content)), environment(self.clone, self.name, os.environ)
        if advice := state_size.advice(self.name, count, around):
            say(advice)

    def exists(self) -> bool:
        """Whether there is such a stack."""
        if self.keeps_state_here():
            # Pulumi would take a tenth of the time of a run that changes nothing.
            return any(self.state_files())
        answer = self._pulumi.ask("stack", "ls", "--json")
        if answer.returncode != 0:
            raise ToolError(f"pulumi cannot list the stacks: {answer.stderr.strip()}")
        return self.name in {entry["name"].rpartition("/")[2] for entry in json.loads(answer.stdout)}

    def keeps_state_here(self) -> bool:
        """Whether the state is in the folder of this clone, and not in a backend that others may share."""
        url = environment(self.clone, self.name, os.environ)["PULUMI_BACKEND_URL"]
        return url.partition("?")[0] == f"file://{self.clone.state}"

    def state_files(self) -> list[Path]:
        """The file with the state, if the state is in this clone."""
        return list(self.clone.state.glob(f".pulumi/stacks/*/{self.name}.json"))

    def _recover(self, settle: Callable[[dict[str, Any]], unfinished.Settled]) -> None:
        """Repairs the state after a killed run. Raises ToolError if only a person can repair it."""
        if self.keeps_state_here():
            locks.release_dead(self.clone.state)
            locks.refuse_locked(self.clone.state, self.name)
            unfinished.repair(self.state_files())
            if not unfinished.has_operations(self.state_files()):
                return
        exported = self._pulumi.ask("stack", "export")
        if exported.returncode != 0:
            raise ToolError(f"pulumi cannot read the state of stack {self.name}: {exported.stderr.strip()}")
        state = json.loads(exported.stdout)
        settled = settle(state["deployment"] or {})
        if settled.again:
            imported = self._pulumi.ask("stack", "import", stdin=json.dumps(state))
            if imported.returncode != 0:
                raise ToolError(f"pulumi cannot correct the state of stack {self.name}: {imported.stderr.strip()}")
            say(f"a run was killed; its unfinished operations run again: {', '.join(settled.again)}")
        for left in settled.left:
            say(
                f"a run was killed while it made {left}, which may exist without being in the state: look for it, and "
                f"then import it or drop it with `pulumi refresh --stack {self.name}`, which asks"
            )
