"""Benchmarks (asv) and the comparison with other toolkits."""
