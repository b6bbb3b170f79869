"""Specific character sets (PS3.3 C.12.1.1.2, PS3.5 6.1): bytes to text and back."""

from cpython.unicode cimport PyUnicode_DecodeASCII, PyUnicode_DecodeLatin1, PyUnicode_DecodeUTF8
from libc.string cimport memchr

from pacskit_ext._errors import DecodeError, EncodeError

cdef extern from "Python.h":
    object PyBytes_FromStringAndSize(const char* v, Py_ssize_t n)

# Defined term of a set without code extensions → Python codec.
cdef dict _SINGLE = {
    "": "ascii",
    "ISO_IR 6": "ascii",
    "ISO_IR 100": "iso8859_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 203": "iso8859_15",
    "ISO_IR 13": "shift_jis",
    "ISO_IR 166": "iso8859_11",
    "ISO_IR 192": "utf_8",
    "GB18030": "gb18030",
    "GBK": "gbk",
}

# Defined term with code extensions → (codec of its bytes, its escape sequences).
cdef dict _EXTENDED = {
    "ISO 2022 IR 6": ("ascii", (b"\x1b(B",)),
    "ISO 2022 IR 100": ("iso8859_1", (b"\x1b-A",)),
    "ISO 2022 IR 101": ("iso8859_2", (b"\x1b-B",)),
    "ISO 2022 IR 109": ("iso8859_3", (b"\x1b-C",)),
    "ISO 2022 IR 110": ("iso8859_4", (b"\x1b-D",)),
    "ISO 2022 IR 144": ("iso8859_5", (b"\x1b-L",)),
    "ISO 2022 IR 127": ("iso8859_6", (b"\x1b-G",)),
    "ISO 2022 IR 126": ("iso8859_7", (b"\x1b-F",)),
    "ISO 2022 IR 138": ("iso8859_8", (b"\x1b-H",)),
    "ISO 2022 IR 148": ("iso8859_9", (b"\x1b-M",)),
    "ISO 2022 IR 203": ("iso8859_15", (b"\x1b-b",)),
    "ISO 2022 IR 13": ("shift_jis", (b"\x1b)I", b"\x1b(J")),
    "ISO 2022 IR 166": ("iso8859_11", (b"\x1b-T",)),
    "ISO 2022 IR 87": ("iso2022_jp", (b"\x1b$B",)),
    "ISO 2022 IR 159": ("iso2022_jp_2", (b"\x1b$(D",)),
    "ISO 2022 IR 149": ("euc_kr", (b"\x1b$)C",)),
    "ISO 2022 IR 58": ("gb2312", (b"\x1b$)A",)),
}

# Codecs that want the escape sequence left in front of the bytes.
cdef frozenset _KEEP_ESCAPE = frozenset(("iso2022_jp", "iso2022_jp_2"))

_MISSPELLED = {
    "ISO IR 6": "ISO_IR 6", "ISO_IR_192": "ISO_IR 192", "UTF-8": "ISO_IR 192", "UTF8": "ISO_IR 192",
    "ISO_IR 58": "ISO 2022 IR 58", "ISO_IR 87": "ISO 2022 IR 87", "ISO_IR 149": "ISO 2022 IR 149",
    "ISO_IR 159": "ISO 2022 IR 159", "ISO 2022 58": "ISO 2022 IR 58", "ISO 2022-GBK": "GBK",
    "ISO 2022 GBK": "GBK",
}


def _normal(term):
    """The defined term that ``term`` means: case, blanks, dashes and underscores are often wrong in the field."""
    if not isinstance(term, str):        # the element has another VR
        raise DecodeError(f"{term!r} is not a specific character set", tag=0x00080005)
    term = term.strip().upper()
    if term in _SINGLE or term in _EXTENDED:
        return term
    if term in _MISSPELLED:
        return _MISSPELLED[term]
    words = term.replace("_", " ").replace("-", " ").split()
    if words[:2] == ["ISO", "IR"] and len(words) == 3:
        return f"ISO_IR {words[2]}"
    if words[:2] == ["ISO", "2022"] and words[2:]:
        return f"ISO 2022 IR {words[len(words) - 1].removeprefix('IR')}"
    return term


cdef class CharacterSet:
    """The character sets in force, in the order of (0008,0005). Immutable."""

    def __init__(self, terms=()):
        normal = tuple([_normal(term) for term in terms]) or ("",)
        self.terms = tuple(terms)
        codecs = []
        escapes = []
        for index, term in enumerate(normal):
            if term in _EXTENDED:
                codec, sequences = _EXTENDED[term]
                escapes.extend([(sequence, codec) for sequence in sequences])
            elif term in _SINGLE:
                codec = _SINGLE[term]
                if index:
                    escapes.extend([(s, codec) for s in _EXTENDED.get(f"ISO 2022 {term[4:]}", ("", ()))[1]])
            else:
                raise DecodeError(f"{term!r} is not a specific character set", tag=0x00080005)
            codecs.append(codec)
        self.codecs = tuple(codecs)
        if len(normal) > 1 or normal[0] in _EXTENDED:
            escapes.append((b"\x1b(B", "ascii"))
            self.escapes = tuple(escapes)
            self.kind = KIND_ISO2022
        else:
            self.escapes = ()
            self.kind = {"ascii": KIND_ASCII, "iso8859_1": KIND_LATIN1, "utf_8": KIND_UTF8}.get(codecs[0], KIND_SINGLE)

    def __repr__(self):
        return f"CharacterSet({list(self.terms)!r})"

    def __eq__(self, other):
        return isinstance(other, CharacterSet) and self.codecs == (<CharacterSet> other).codecs

    def __hash__(self):
        return hash(self.codecs)

    def __reduce__(self):
        return CharacterSet, (self.terms,)

    cdef object decode(self, const char* p, Py_ssize_t n, bint is_name):
        cdef Py_ssize_t i
        cdef bint plain = True
        for i in range(n):
            if <unsigned char> p[i] >= 0x80:
                plain = False
                break
        if plain and (self.kind < KIND_ISO2022) and (self.kind != KIND_SINGLE or self.codecs[0] != "shift_jis"):
            return PyUnicode_DecodeASCII(p, n, NULL)
        if self.kind == KIND_LATIN1:
            return PyUnicode_DecodeLatin1(p, n, NULL)
        if self.kind == KIND_UTF8:
            return PyUnicode_DecodeUTF8(p, n, "replace")
        data = PyBytes_FromStringAndSize(p, n)
        if self.kind == KIND_ISO2022 and memchr(p, 0x1B, n) != NULL:
            return self._decode_extended(data, is_name)
        if self.codecs[0] == "ascii":
            # Bytes outside the default repertoire with nothing declared: most often Latin 1, never an error.
            return data.decode("iso8859_1")
        return _decode(data, self.codecs[0])

    def decode_bytes(self, bytes data not None, bint is_name=False):
        """Decode ``data``; what its set does not have becomes U+FFFD."""
        return self.decode(data, len(data), is_name)

    def _decode_extended(self, bytes data, bint is_name):
        delimiters = b"\\\r\n\t\f^=" if is_name else b"\\\r\n\t\f"
        out = []
        codec = self.codecs[0]
        start = 0
        escape = b""
        at = 0
        while at < len(data):
            if data[at] == 0x1B:
                out.append(_decode(escape + data[start:at], codec))
                for sequence, name in self.escapes:
                    if data.startswith(sequence, at):
                        codec = name
                        escape = sequence if name in _KEEP_ESCAPE else b""
                        at += len(sequence)
                        break
                else:
                    # An escape that (0008,0005) does not announce stays visible in the text.
                    at += 1
                    escape, start = b"", at - 1
                    continue
                start = at
            elif not escape and data[at] in delimiters:
                # G1 sets use the upper half only; a two-byte G0 set is left before a delimiter (PS3.5 6.1.2.5.3).
                out.append(_decode(escape + data[start:at], codec))
                out.append(chr(data[at]))
                codec = self.codecs[0]
                at += 1
                start = at
            else:
                at += 1
        out.append(_decode(escape + data[start:], codec))
        return "".join(out)

    def encode(self, str text, bint is_name=False):
        """Encode ``text``; raises EncodeError when a character is in none of the sets."""
        if text.isascii() and self.codecs[0] != "shift_jis":
            return text.encode("ascii")
        data = _encode(text, self.codecs[0], b"")
        if data is not None:
            return data
        if self.kind != KIND_ISO2022:
            raise EncodeError(f"text has characters that {(self.terms or ('ISO_IR 6',))[0]!r} cannot express")
        delimiters = "\\\r\n\t\f^=" if is_name else "\\\r\n\t\f"
        out = []
        part = ""
        for character in text:
            if character in delimiters:
                out.append(self._encode_part(part))
                out.append(character.encode("ascii"))
                part = ""
            else:
                part += character
        out.append(self._encode_part(part))
        return b"".join(out)

    def _encode_part(self, str part):
        """One run between delimiters, in the first set that can express it; back to ASCII at its end."""
        if part.isascii():
            return part.encode("ascii")
        data = _encode(part, self.codecs[0], b"")
        if data is None:
            data = self._escaped(part)
        # No one set has them all: switch for each character.
        return data if data is not None else b"".join([self._encode_character(one) for one in part])

    def _encode_character(self, str character):
        data = character.encode("ascii") if character.isascii() else self._escaped(character)
        if data is None:
            raise EncodeError(f"a character is in none of the character sets {list(self.terms)!r}")
        return data

    def _escaped(self, str text):
        """Text behind the escape of the first extension that has all of it, or None."""
        for sequence, codec in self.escapes:
            data = _encode(text, codec, sequence)
            if data is not None:
                return data if codec in _KEEP_ESCAPE else sequence + data
        return None


cdef object _encode(str text, str codec, bytes sequence):
    """Text in one set, or None when it has not all of it. Some codecs know more than the set does."""
    try:
        data = text.encode(codec)
    except UnicodeEncodeError:
        return None
    if codec in _KEEP_ESCAPE and data.count(b"\x1b") != data.count(sequence) + data.count(b"\x1b(B"):
        return None
    # JIS X 0201 has one byte a character, and its yen sign is the byte that separates values.
    if codec == "shift_jis" and (len(data) != len(text) or data.decode(codec) != text):
        return None
    return data


cdef object _decode(bytes data, str codec):
    if not data:
        return ""
    return data.decode(codec, "replace")


cdef CharacterSet DEFAULT = CharacterSet(())


cdef CharacterSet charset_for(tuple terms):
    """The character set of these terms; unknown terms fall back to the default repertoire."""
    if not terms:
        return DEFAULT
    try:
        return CharacterSet(terms)
    except DecodeError:
        return DEFAULT


def misspelled(terms):
    """The terms that are no defined terms of PS3.3 C.12.1.1.2, each with the one that was taken for it, or None."""
    out = []
    for term in terms:
        normal = _normal(term)
        if normal != term and (term or len(terms) == 1):
            out.append((term, normal if normal in _SINGLE or normal in _EXTENDED else None))
        elif normal not in _SINGLE and normal not in _EXTENDED:
            out.append((term, None))
    return out
