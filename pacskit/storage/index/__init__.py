"""The index: which instances there are, and what is asked about them."""
