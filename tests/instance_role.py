"""Snapshots with the role of an instance: a metadata service (IMDSv2 only) and an S3 that enforces IAM, as a program.

`unshare --map-root-user --net python tests/instance_role.py` runs the commands of snapshots.sh with the real restic, as
a member of etcd does, and then asks for what the role must not do. It prints the results as JSON. It needs a network of
its own, because the metadata service has a fixed address.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import boto3  # noqa: E402
from conftest import changed, page_values  # noqa: E402

from components.config import load  # noqa: E402
from components.machines.aws.rights import MAY_BE_INSTANCES, snapshot_rights  # noqa: E402
from components.node.render.backup import backup_part  # noqa: E402

METADATA, PORT, REGION = "169.254.169.254", 5000, "eu-central-1"
ENDPOINT = f"http://127.0.0.1:{PORT}"
_CREDENTIALS = "/latest/meta-data/iam/security-credentials"
_BEFORE_IAM = 8
"""Requests of `prepare`, which nobody has rights for yet."""
# moto compares signatures of some requests of minio-go wrongly. A HEAD of a bucket needs s3:ListBucket in AWS; moto
# asks for s3:HeadBucket, which does not exist.
_SERVER = """
import sys
from moto.iam import access_control
from moto.s3 import responses
from moto.server import main
access_control.IAMRequestBase.check_signature = lambda self: None
responses.ACTION_MAP["BUCKET"]["HEAD"]["DEFAULT"] = "ListBucket"
main(sys.argv[1:])
"""


@contextlib.contextmanager
def s3() -> Iterator[None]:
    """S3, IAM and STS; rights count after `_BEFORE_IAM` requests."""
    command = [sys.executable, "-c", _SERVER, "-H", "127.0.0.1", "-p", str(PORT)]
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(_BEFORE_IAM)}
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, env=environment, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        end = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", PORT)):
            assert server.poll() is None and time.monotonic() < end, "moto does not answer"
            time.sleep(0.2)
        yield
    finally:
        server.terminate()
        server.wait(10)


def client(name: str, key: Mapping[str, str]) -> Any:
    """A client of AWS with these credentials."""
    return boto3.client(
        name,
        region_name=REGION,
        endpoint_url=ENDPOINT,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key.get("SessionToken"),
    )


def prepare() -> dict[str, str]:
    """Two buckets with an object, and a role with rights on one of them. Returns temporary credentials of the role."""
    somebody = {"AccessKeyId": "test", "SecretAccessKey": "test"}
    storage, iam = client("s3", somebody), client("iam", somebody)
    for bucket in ("snapshots", "other"):
        storage.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        storage.put_object(Bucket=bucket, Key="elsewhere/a", Body=b"a")
    storage.put_bucket_versioning(Bucket="snapshots", VersioningConfiguration={"Status": "Enabled"})
    role = iam.create_role(RoleName="members", AssumeRolePolicyDocument=MAY_BE_INSTANCES)["Role"]["Arn"]
    rights = snapshot_rights("arn:aws:s3:::snapshots", "etcd", None)
    iam.put_role_policy(RoleName="members", PolicyName="snapshots", PolicyDocument=rights)
    found: dict[str, str] = client("sts", somebody).assume_role(RoleArn=role, RoleSessionName="i-1")["Credentials"]
    return found


class Metadata(BaseHTTPRequestHandler):
    """The metadata service of an instance. It answers only with a token, as `httpTokens: required` says."""

    key: Mapping[str, str]

    def do_PUT(self) -> None:
        self._say(200, "a token")

    def do_GET(self) -> None:
        if self.headers.get("X-aws-ec2-metadata-token") != "a token":
            self._say(401, "")
        elif self.path.rstrip("/") == _CREDENTIALS:
            self._say(200, "members")
        else:
            key, end = self.key, "2100-01-01T00:00:00Z"
            answer = {"Code": "Success", "AccessKeyId": key["AccessKeyId"], "SecretAccessKey": key["SecretAccessKey"]}
            self._say(200, json.dumps({**answer, "Token": key["SessionToken"], "Expiration": end}))

    def _say(self, code: int, text: str) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def release(folder: Path) -> Path:
    """A release with the settings of a member, for the S3 of this program."""
    target = {"bucket": "snapshots", "role": True, "prefix": "etcd"}
    page = load(changed(page_values("aws"), {"backup": {"to": target}}))
    assert page.backup
    for file in backup_part(page, page.backup, "").files:
        text = file.content if isinstance(file.content, str) else "a password\n"
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.path).write_text(text.replace(f"https://s3.{REGION}.amazonaws.com", ENDPOINT))
    (folder / "cfg/cluster-id").write_text("cluster\n")
    (folder / "bin").mkdir()
    # Pretends to be another user, whom this namespace does not have.
    (folder / "bin/runuser").write_text('#!/bin/sh\nshift 3\nexec "$@"\n')
    (folder / "bin/runuser").chmod(0o755)
    (folder / "data").write_bytes(os.urandom(1 << 20))
    return folder


def restic(folder: Path, *arguments: str) -> str:
    """The end of the output of restic, as snapshots.sh runs it; the environment has no credentials."""
    script = f'set -eu; root={folder} here={folder}; . {ROOT}/components/node/scripts/snapshots.sh; repository "$@"'
    environment = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": "/nonexistent"}
    command = ["sh", "-c", script, "sh", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return "done" if done.returncode == 0 else done.stderr.strip()


def refused(call: Callable[..., object], **arguments: object) -> bool:
    """Whether AWS refuses a request for want of rights."""
    try:
        call(**arguments)
    except Exception as error:
        return "AccessDenied" in str(error)
    return False


def main() -> None:
    """Print what restic and the role can do."""
    for command in (("link", "set", "lo", "up"), ("addr", "add", f"{METADATA}/32", "dev", "lo")):
        subprocess.run(["ip", *command], check=True)
    with s3(), TemporaryDirectory() as name:
        folder = release(Path(name))
        Metadata.key = prepare()
        service = ThreadingHTTPServer((METADATA, 80), Metadata)
        threading.Thread(target=service.serve_forever, daemon=True).start()
        data = str(folder / "data")
        found: dict[str, object] = {"empty": restic(folder, "cat", "config", "--no-lock")}
        for command in (("init",), ("backup", data), ("backup", "--force", data), ("snapshots", "--no-lock")):
            found[command[0]] = restic(folder, *command)
        found["forget"] = restic(folder, "forget", "--group-by", "host", "--keep-last", "1", "--prune")
        found["check"] = restic(folder, "check", "--read-data")
        own = client("s3", Metadata.key)
        found["refused"] = {
            "read elsewhere": refused(own.get_object, Bucket="snapshots", Key="elsewhere/a"),
            "write elsewhere": refused(own.put_object, Bucket="snapshots", Key="elsewhere/a", Body=b"b"),
            "other bucket": refused(own.get_object, Bucket="other", Key="elsewhere/a"),
            "list versions": refused(own.list_object_versions, Bucket="snapshots"),
            "delete bucket": refused(own.delete_bucket, Bucket="snapshots"),
            "end versions": refused(own.get_bucket_lifecycle_configuration, Bucket="snapshots"),
            "list buckets": refused(own.list_buckets),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
