cdef object uid_from_str(str value)     # a UID of text that is known to be a str, without the checks of UID()
