"""The upper layer (PS3.8) and DIMSE (PS3.7)."""
