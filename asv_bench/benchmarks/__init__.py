"""Benchmark classes, one subject a module."""
