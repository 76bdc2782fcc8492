"""Configurations of nginx that serve a mirror: files by digest, and images as a registry serves them. Pure text.

The folder of a mirror has `files/<sha256>/<name>`, and in `registry/` the storage of a distribution registry
(https://distribution.github.io/distribution/), so a registry program can serve the images as well. nginx needs to know
the media type of a manifest: `registry/manifests/<sha256>.<kind>` and `registry/tags/<repository>/<tag>.<kind>` are
further names of the manifests.
"""

from __future__ import annotations

KINDS = {
    "application/vnd.oci.image.index.v1+json": "oci-index",
    "application/vnd.oci.image.manifest.v1+json": "oci-manifest",
    "application/vnd.docker.distribution.manifest.list.v2+json": "docker-list",
    "application/vnd.docker.distribution.manifest.v2+json": "docker-manifest",
}
"""The last part of a manifest's further name, by media type."""

FILES_PORT = 80
REGISTRY_PORT = 5000


def files_server(root: str, port: int) -> str:
    """The server of programs. `root` is the folder of the mirror."""
    return f"""\
  server {{
    listen {port};
    root {root};
    location /files/ {{ }}
    location / {{ return 404; }}
  }}
"""


def registry_server(root: str, port: int) -> str:
    """The server of images. `root` is the folder of the mirror."""
    by_digest = " ".join(f"/registry/manifests/$1.{kind}" for kind in KINDS.values())
    by_tag = " ".join(f"/registry/tags/$1/$2.{kind}" for kind in KINDS.values())
    types = "".join(f"      {media_type} {kind};\n" for media_type, kind in KINDS.items())
    return f"""\
  server {{
    listen {port};
    root {root};
    types {{
{types}    }}
    default_type application/octet-stream;
    location = /v2/ {{ default_type application/json; return 200 "{{}}"; }}
    location ~ "^/v2/.+/manifests/sha256:([0-9a-f]{{64}})$" {{
      add_header Docker-Content-Digest sha256:$1;
      try_files {by_digest} =404;
    }}
    location ~ "^/v2/(.+)/manifests/([A-Za-z0-9_][A-Za-z0-9_.-]*)$" {{
      try_files {by_tag} =404;
    }}
    location ~ "^/v2/.+/blobs/sha256:([0-9a-f]{{2}})([0-9a-f]{{62}})$" {{
      try_files /registry/docker/registry/v2/blobs/sha256/$1/$1$2/data =404;
    }}
    location / {{ return 404; }}
  }}
"""


def nginx_config(pid: str, *servers: str, user: str = "") -> str:
    """The whole configuration of an nginx that stays in the foreground.

    `user` reads the files; empty: the user that nginx was built with.
    """
    as_user = f"user {user};\n" if user else ""
    return f"""\
{as_user}daemon off;
worker_processes auto;
error_log stderr;
pid {pid};
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
{"".join(servers)}}}
"""
