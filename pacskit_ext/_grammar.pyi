"""The grammar of data sets; used by other native modules only."""
