"""What `kubectl oidc-login get-token` does, with a scripted browser: the credential plugin of a login kubeconfig.

The flags are those of https://github.com/int128/kubelogin that the program writes. An unknown flag ends the plugin.
PERSON and PASSWORD of the environment are what a person types. The plugin keeps no token.
"""

import argparse
import base64
import json
import os
import sys
import tempfile
from datetime import UTC, datetime

import jwt
import requests

from tests.e2e.people.browser import Client, LoginError

PERSON, PASSWORD = "HARDWAY_TEST_PERSON", "HARDWAY_TEST_PASSWORD"


def main() -> int:
    """Print an ExecCredential, https://kubernetes.io/docs/reference/config-api/client-authentication.v1/."""
    parser = argparse.ArgumentParser(prog="kubectl oidc-login", allow_abbrev=False)
    get_token = parser.add_subparsers(required=True).add_parser("get-token", allow_abbrev=False)
    get_token.add_argument("--oidc-issuer-url", required=True)
    get_token.add_argument("--oidc-client-id", required=True)
    get_token.add_argument("--oidc-extra-scope", action="append", default=[])
    get_token.add_argument("--certificate-authority-data", required=True)
    flags = parser.parse_args()
    with tempfile.NamedTemporaryFile() as authority:
        authority.write(base64.b64decode(flags.certificate_authority_data))
        authority.flush()
        client = Client(flags.oidc_issuer_url, flags.oidc_client_id, authority.name, flags.oidc_extra_scope)
        try:
            token = client.log_in(os.environ[PERSON], os.environ[PASSWORD])["id_token"]
        except (LoginError, requests.RequestException) as error:
            print(f"error: no token of {client.issuer}: {error}", file=sys.stderr)
            return 1
    ends = datetime.fromtimestamp(jwt.decode(token, options={"verify_signature": False})["exp"], UTC)
    status = {"token": token, "expirationTimestamp": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}
    kind = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    print(json.dumps({**kind, "status": status}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
