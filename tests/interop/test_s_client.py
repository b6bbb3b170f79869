"""What `openssl s_client` sees of each profile of PS3.15 annex B, and who is turned away."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

import pacskit
from pacskit.security.certificates import CaForTests, KeyPair, make_test_ca
from pacskit.security.profiles import TlsProfile
from tests.interop.conftest import LOOPBACK

pytestmark = pytest.mark.interop

# What no profile has: no forward secrecy, no authenticated encryption, or out of use (RFC 9325 4.1).
NEVER = ("AES128-SHA256", "AES256-SHA", "DHE-RSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "NULL-SHA256", "CAMELLIA128-SHA")


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], CaForTests]:
    """A CA with RSA keys and one with elliptic curves."""

    @cache
    def made(elliptic: bool) -> CaForTests:
        return make_test_ca(tmp_path_factory.mktemp("certificates"), elliptic=elliptic)

    return made


@contextmanager
def listening(ca: CaForTests, profile: TlsProfile = TlsProfile.BCP195_RFC9325) -> Iterator[int]:
    tls = pacskit.tls_context(cert=ca.server.cert, key=ca.server.key, ca=ca.ca, profile=profile)
    with pacskit.SCP("SERVER", tls=tls) as scp:
        yield scp.port


def s_client(port: int, ca: Path, pair: KeyPair | None, *options: str) -> str:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    certificate = [] if pair is None else ["-cert", str(pair.cert), "-key", str(pair.key)]
    command = [program, "s_client", "-connect", f"{LOOPBACK}:{port}", "-CAfile", str(ca), *certificate, *options]
    # It is given nothing to say and stays until the server has closed: only then has it seen every alert.
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def agreed(said: str) -> str | None:
    """The cipher suite, None where there was no agreement."""
    found = re.search(r"Cipher is (\S+)", said)
    return None if found is None or found[1] == "(NONE)" else found[1]


@pytest.mark.parametrize("profile", TlsProfile)
def test_the_versions_and_suites_of_a_profile(profile: TlsProfile, authorities: Callable[[bool], CaForTests]) -> None:
    seen: set[str] = set()
    for elliptic in (False, True):
        ca = authorities(elliptic)
        with listening(ca, profile) as port:
            for suite in sorted({name for one in TlsProfile for name in one.suites} | set(NEVER)):
                options = ("-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0")
                if agreed(s_client(port, ca.ca, ca.client, *options)):
                    seen.add(suite)
            for suite in ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"):
                assert agreed(s_client(port, ca.ca, ca.client, "-tls1_3", "-ciphersuites", suite)) == suite
            for version in ("-tls1", "-tls1_1"):
                said = s_client(port, ca.ca, ca.client, version, "-cipher", "ALL:@SECLEVEL=0")
                assert agreed(said) is None
                assert "alert protocol version" in said
    assert seen == set(profile.suites)


def test_a_downgrade_is_noticed(authorities: Callable[[bool], CaForTests]) -> None:
    """A client that says it has fallen back from TLS 1.3 (RFC 7507)."""
    ca = authorities(False)
    with listening(ca) as port:
        said = s_client(port, ca.ca, ca.client, "-tls1_2", "-fallback_scsv")
        assert "inappropriate fallback" in said
        assert agreed(s_client(port, ca.ca, ca.client, "-tls1_2")) is not None


def test_who_is_turned_away(authorities: Callable[[bool], CaForTests], tmp_path: Path) -> None:
    ca, stranger = authorities(False), make_test_ca(tmp_path / "stranger")
    with listening(ca) as port:
        for pair, alert in (
            (None, "alert handshake failure"),
            (stranger.client, "alert unknown ca"),
            (ca.issue("expired", days=-1), "alert certificate expired"),
        ):
            assert alert in s_client(port, ca.ca, pair, "-tls1_2")
        said = s_client(port, stranger.ca, ca.client)
        assert "Verify return code: 19 (self-signed certificate in certificate chain)" in said  # it would not trust us
        assert "Verify return code: 0 (ok)" in s_client(port, ca.ca, ca.client, "-verify_ip", LOOPBACK)
        assert "IP address mismatch" in s_client(port, ca.ca, ca.client, "-verify_ip", "192.0.2.1")
