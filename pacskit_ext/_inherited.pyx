"""What items inherit from the data set that their sequence is in."""

cimport cython


# An element of a sequence holds this until it is decoded, not its data set: that holds its elements, and neither class
# is seen by the collector.
@cython.no_gc
@cython.final
cdef class Surroundings:
    """What the items of a data set's sequences inherit from it."""
