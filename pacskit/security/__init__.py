"""Secure transport: TLS profiles of PS3.15 annex B, certificates, and which of them may use which AE title."""
