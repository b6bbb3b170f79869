cdef enum Rc:
    RC_OK = 0
    RC_TRUNCATED = -1
    RC_BAD_VR = -2
    RC_BAD_ITEM = -3
    RC_DEPTH = -4
    RC_COUNT = -5
    RC_LENGTH = -6
    RC_NOMEM = -7
    RC_BAD_LENGTH = -8
    RC_BAD_PDU = -9
    RC_BAD_PDV = -10
    RC_BAD_TEXT = -11
    RC_BAD_ORDER = -12

cdef int raise_rc(int rc, long long offset, unsigned int tag) except -1
