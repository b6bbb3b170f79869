"""Blob stores and the index."""
