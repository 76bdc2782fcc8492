"""Rules about authorities that are given: the certificates, the key, and what a rotation needs of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations

from components.config.authorities import KEY_FORMS, GivenAuthority
from components.config.durations import text
from components.config.errors import Finding
from components.config.page import Page
from components.x509 import ANY_USE, CLIENT_AUTH, SERVER_AUTH, Certificate, certificates, public_key_of

SMALLEST_RSA = 2048
"""The smallest size of RSA keys, in bits, as in policies/certificates/keys.py."""
_SIGNATURES = "a signature of ECDSA or RSA with SHA-256, SHA-384 or SHA-512, or of Ed25519"
_CHAIN = "the certificate of the authority, then its issuers in order, at the end the root, which signs itself"


def given(page: Page) -> Iterator[Finding]:
    """A given authority is trusted, may sign, outlives what it signs; its key and the signatures of its chain fit."""
    now = datetime.now(UTC)
    for name, listed in page.authorities.on_page().items():
        of = page.pki.generations.on_page()[name]
        for index, one in enumerate(listed):
            path = f"authorities.{name}[{index}]"
            if one.generation not in of.trusted:
                problem = f"generation {one.generation} is not trusted"
                allowed = f"one of {list(of.trusted)}, which pki.generations.{name} trusts"
                yield Finding(f"{path}.generation", problem, allowed)
            if one.generation in [other.generation for other in listed[:index]]:
                problem = f"generation {one.generation} is given twice"
                yield Finding(f"{path}.generation", problem, "each generation once")
            try:
                chain = certificates(one.certificate)
            except ValueError as error:
                yield Finding(f"{path}.certificate", f"the text {error}", f"certificates in PEM form: {_CHAIN}")
                continue
            longest = page.pki.longest_leaf(name) if one.generation == of.active else timedelta(0)
            for problem, allowed in (*_of_authority(chain[0], name, longest, now), *_of_chain(chain, now)):
                yield Finding(f"{path}.certificate", problem, allowed)
            if one.private_key is not None:
                yield from _key(f"{path}.privateKey", one.private_key, chain[0])


def shared_keys(page: Page) -> Iterator[Finding]:
    """No two given authorities or generations have the same key: whoever one of them certifies, all would accept."""
    found: dict[bytes, str] = {}
    for name, listed in page.authorities.on_page().items():
        for index, one in enumerate(listed):
            chain = _chain(one)
            path = f"authorities.{name}[{index}]"
            key = chain[0].key.data if chain else b""
            first = found.setdefault(key, path) if key else path
            if first != path:
                yield Finding(f"{path}.certificate", f"has the key of {first}", "a key of its own")


def successors(page: Page) -> Iterator[Finding]:
    """Clients that know only an older generation of the API's authority can go on: see docs/certificates.md."""
    listed = {one.generation: (index, _chain(one)) for index, one in enumerate(page.authorities.kubernetes)}
    for older, newer in combinations(page.pki.generations.kubernetes.trusted, 2):
        (before, old), (after, new) = listed.get(older, (0, ())), listed.get(newer, (0, ()))
        if old and new and old[-1].identity == new[-1].identity:
            continue
        short = [one for below, one in enumerate(old) if one.path_length is not None and one.path_length <= below]
        if short:
            limit = f"the path length of the certificate {str(short[0].subject)!r} is {short[0].path_length}"
            problem = f"{limit}, so generation {older} cannot certify generation {newer}"
            allowed = f"a longer path length, or generation {newer} under the same root"
            yield Finding(f"authorities.kubernetes[{before}].certificate", problem, allowed)
        elif new and not (new[0].subject.is_plain and new[0].has_usual_key_id):
            what = (
                f"the subject {str(new[0].subject)!r} or the key identifier is not of the form that the program writes"
            )
            problem = f"{what}, so generation {older} cannot certify generation {newer}"
            allowed = (
                "a subject of C, O, OU, L, ST, CN in this order, each once, as PrintableString if the characters "
                f"allow it; the SHA-1 of the key as its identifier; or the root of generation {older}"
            )
            yield Finding(f"authorities.kubernetes[{after}].certificate", problem, allowed)


def _of_authority(one: Certificate, name: str, longest: timedelta, now: datetime) -> Iterator[tuple[str, str]]:
    """What is wrong with the certificate whose key signs leaves. `longest` is the longest lifetime of such a leaf."""
    the = f"the certificate {str(one.subject)!r}"
    if one.has_name_constraints:
        yield f"{the} has name constraints", "no name constraints: names such as kubernetes.default.svc would not fit"
    wanted = {CLIENT_AUTH} if name == "frontProxy" else {SERVER_AUTH, CLIENT_AUTH}
    if one.uses is not None and ANY_USE not in one.uses and not wanted <= one.uses:
        yield f"{the} does not have the extended key usages of its leaves", "serverAuth and clientAuth, or no such list"
    if not one.key_id:
        yield f"{the} has no subject key identifier", "a certificate with one (RFC 5280, section 4.2.1.2)"
    if not one.key.is_supported:
        yield f"{the} has a key of the kind {one.key.kind}", "ECDSA on P-256, P-384 or P-521, or RSA"
    elif one.key.kind == "RSA" and one.key.size < SMALLEST_RSA:
        yield f"{the} has an RSA key of {one.key.size} bits", f"at least {SMALLEST_RSA} bits"
    if now < one.not_after < now + longest:
        problem = f"{the} ends {_time(one.not_after)}, before certificates that it would sign now ({text(longest)})"
        yield problem, f"an end after {_time(now + longest)}, or shorter lifetimes in pki.profiles"


def _of_chain(chain: tuple[Certificate, ...], now: datetime) -> Iterator[tuple[str, str]]:
    """What is wrong with any certificate of the chain. `below` is the number of authorities below a certificate."""
    for below, one in enumerate(chain):
        the = f"the certificate {str(one.subject)!r}"
        if not one.is_authority:
            yield f"{the} is not that of an authority", "basicConstraints with CA:TRUE"
        elif one.path_length is not None and one.path_length < below:
            problem = f"{the} has a path length of {one.path_length}, and {below} authorities below it"
            yield problem, f"a path length of at least {below}, or no limit"
        if not one.may_sign:
            yield f"{the} may not sign certificates", "keyUsage with keyCertSign"
        if one.not_after <= now:
            yield f"{the} ended {_time(one.not_after)}", "a certificate that has not ended"
        if one.not_before > now:
            yield f"{the} is valid from {_time(one.not_before)}", "a certificate that is valid now"
        yield from _signature(one, chain[below + 1] if below + 1 < len(chain) else one)


def _signature(one: Certificate, signer: Certificate) -> Iterator[tuple[str, str]]:
    """What is wrong with the signature of a certificate. The last certificate of a chain is its own signer."""
    the, is_last = f"the certificate {str(one.subject)!r}", signer is one
    if not one.names_as_issuer(signer):
        what = "nothing follows" if is_last else f"{str(signer.subject)!r} follows"
        yield f"{str(one.issuer)!r} signed {the}, and {what}", _CHAIN
    elif one.has_strong_signature:
        if not one.is_signed_by(signer):
            whose = "its own key" if is_last else f"the key of {str(signer.subject)!r}"
            yield f"the signature of {the} is not by {whose}", _CHAIN
    elif not is_last:  # nobody verifies the signature of a root: the library knows none with SHA-1
        yield f"{the} is signed with {one.signed_with}", _SIGNATURES


def _key(path: str, text: str, certificate: Certificate) -> Iterator[Finding]:
    try:
        key = public_key_of(text)
    except ValueError as error:
        yield Finding(path, f"the value {error}", KEY_FORMS)
        return
    if certificate.key.is_supported and key.data != certificate.key.data:
        yield Finding(path, f"the value is not the key of the certificate {str(certificate.subject)!r}", KEY_FORMS)


def _chain(one: GivenAuthority) -> tuple[Certificate, ...]:
    """The certificates of a given authority. Empty if they cannot be read: another rule says so."""
    try:
        return certificates(one.certificate)
    except ValueError:
        return ()


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
