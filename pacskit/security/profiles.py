"""The secure transport connection profiles of PS3.15 annex B, as versions and cipher suites."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["TlsProfile"]

_ECDHE_RSA = ("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256")
_ECDHE_ECDSA = ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256")
_DHE_RSA = ("DHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES128-GCM-SHA256")
_TLS_1_3 = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256")


class TlsProfile(StrEnum):
    """A profile of PS3.15 annex B. All of them mean TLS 1.2 or 1.3: RFC 8996 took the older versions out of BCP 195.

    >>> TlsProfile("bcp195-nd").suites[:2]
    ('ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES128-GCM-SHA256')
    """

    BCP195_RFC9325 = "bcp195-rfc9325"
    """B.12: BCP 195 as it is now; the default."""
    BCP195 = "bcp195"
    """B.9: BCP 195 (RFC 7525), with one suite without forward secrecy for peers that have no other."""
    BCP195_NON_DOWNGRADING = "bcp195-nd"
    """B.10: the same without that suite."""
    BCP195_EXTENDED = "bcp195-extended"
    """B.11: also certificates with elliptic curves; in DHE and ECDHE no short keys."""

    @property
    def full_name(self) -> str:
        """The profile's name in PS3.15."""
        return _TITLES[self]

    @property
    def section(self) -> str:
        """Its section of PS3.15."""
        return _SECTIONS[self]

    @property
    def suites(self) -> tuple[str, ...]:
        """The cipher suites with TLS 1.2, best first, by OpenSSL's names."""
        return _SUITES[self]

    @property
    def suites_1_3(self) -> tuple[str, ...]:
        """The cipher suites with TLS 1.3."""
        return _TLS_1_3


_TITLES = {
    TlsProfile.BCP195_RFC9325: "BCP 195 RFC 8996, 9325 TLS",
    TlsProfile.BCP195: "BCP 195 TLS",
    TlsProfile.BCP195_NON_DOWNGRADING: "Non-Downgrading BCP 195 TLS",
    TlsProfile.BCP195_EXTENDED: "Extended BCP 195 TLS",
}
_SECTIONS = {
    TlsProfile.BCP195_RFC9325: "B.12",
    TlsProfile.BCP195: "B.9",
    TlsProfile.BCP195_NON_DOWNGRADING: "B.10",
    TlsProfile.BCP195_EXTENDED: "B.11",
}
_SUITES = {
    TlsProfile.BCP195_RFC9325: (*_ECDHE_ECDSA, *_ECDHE_RSA),
    TlsProfile.BCP195: (*_ECDHE_RSA, *_DHE_RSA, "AES128-SHA"),
    TlsProfile.BCP195_NON_DOWNGRADING: (*_ECDHE_RSA, *_DHE_RSA),
    TlsProfile.BCP195_EXTENDED: (*_ECDHE_ECDSA, *_ECDHE_RSA, *_DHE_RSA),
}
