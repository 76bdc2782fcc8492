"""Text of systemd units, with a sandbox for every service that does not run as root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SANDBOX = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures=native",
    "CapabilityBoundingSet=",
    "UMask=0077",
)
"""systemd.exec(5). A Go service with ports above 1024 needs none of the rights that the sandbox removes."""


def service(
    *,
    description: str,
    documentation: str,
    command: Iterable[str],
    after: Iterable[str] = (),
    wants: Iterable[str] = (),
    user: str | None = None,
    writes: Iterable[str] = (),
    credentials: Mapping[str, str] | None = None,
    lines: Iterable[str] = (),
) -> str:
    """A service unit.

    `user` is its unprivileged user (None: root, no sandbox), `writes` the directories it may
    write to, `lines` further lines of the [Service] section. `credentials` are files that only root may read, by the
    name with which the service finds a copy: `credential`. The copy is made at each start.
    """
    sandbox = []
    if user:
        sandbox = [f"User={user}", *SANDBOX, *(f"ReadWritePaths={path}" for path in writes)]
    return "\n".join(
        [
            "[Unit]",
            f"Description={description}",
            f"Documentation={documentation}",
            f"After={' '.join(('network-online.target', *after))}",
            f"Wants={' '.join(('network-online.target', *wants))}",
            # systemd must not give up a service that waits for another service: the controller-manager ends itself
            # until the API server has created its RBAC rules.
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            "ExecStart=" + " \\\n  ".join(command),
            "Restart=always",
            "RestartSec=1",
            "LimitNOFILE=1048576",
            *lines,
            *(f"LoadCredential={name}:{path}" for name, path in (credentials or {}).items()),
            *sandbox,
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )


def credential(name: str, of: str) -> str:
    """Where the service `name` reads its credential `of`: systemd.exec(5), LoadCredential=.

    The specifier %d would say the same, but systemd before 250 does not know it.
    """
    return f"/run/credentials/{name}.service/{of}"


def flags(own: Mapping[str, str], extra: Mapping[str, str]) -> list[str]:
    """`--name=value` for each flag, sorted, so that a diff shows the flag that changed and no other line."""
    merged = {**own, **extra}
    return [f"--{name}={quote(merged[name])}" for name in sorted(merged)]


def quote(value: str) -> str:
    """A value as one word of ExecStart: systemd expands `%` and `$`, and splits at white space (systemd.service(5))."""
    value = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{value}"' if any(c in value for c in " \t'\"\\;") else value
