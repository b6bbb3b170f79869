"""Side by side with other toolkits, in the same run: ``python -m asv_bench.compare --help``."""
