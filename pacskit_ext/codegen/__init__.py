"""Writes the C tables and the generated modules from the standard's tables (not packaged)."""
