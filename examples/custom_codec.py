"""Decode and encode a transfer syntax of your own: python custom_codec.py.

A vendor's package that names the class in the group of entry points ``pacskit.codecs`` is found without ``register``::

    [project.entry-points."pacskit.codecs"]
    acme = "acme.codec:ZlibCodec"
"""

import platform
import zlib
from typing import Any

import numpy as np

from pacskit.encoding.codecs import Codec, CodecError, EncodeOptions, PixelFormat, decode_frame, encode_frame, registry
from pacskit.testing import CodecTests

SYNTAX = "1.2.826.0.1.3680043.10.1337.1"  # one of ours: zlib streams as frames


class ZlibCodec:
    name = "acme.zlib"
    licence = "PSF-2.0"
    decodes = encodes = (SYNTAX,)

    def version(self) -> str | None:
        return platform.python_version()  # None would say that a library is missing

    def can_decode(self, syntax: str, format: PixelFormat) -> bool:
        return True

    can_encode = can_decode

    def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: Any) -> None:
        inflater = zlib.decompressobj()
        try:
            data = inflater.decompress(frame, out.nbytes + 1)  # never more than the frame may have
        except zlib.error as error:
            raise CodecError(str(error)) from error
        if len(data) != out.nbytes or not inflater.eof:
            raise CodecError("not the bytes of one frame")
        out.view("u1").reshape(-1)[:] = np.frombuffer(data, "u1")

    def encode(self, array: Any, syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        return zlib.compress(array.tobytes(), options.effort or 6)


class TestZlib(CodecTests):  # what pytest would collect
    def codec(self) -> Codec:
        return ZlibCodec()


def main() -> None:
    registry.register(ZlibCodec())
    format = PixelFormat(rows=256, columns=256, bits_allocated=16, bits_stored=12)
    pixels = (np.add.outer(np.arange(256), np.arange(256)) * 8).astype("u2")
    frame = encode_frame(pixels, SYNTAX, format)
    same = np.array_equal(decode_frame(frame, SYNTAX, format), pixels)
    print(f"{pixels.nbytes} bytes in {len(frame)} by {registry.codecs(SYNTAX, 'decode')[0].name}, same pixels: {same}")

    suite = TestZlib()
    tests = [name for name in dir(suite) if name.startswith("test_")]
    for name in tests:
        getattr(suite, name)()
    print(f"{len(tests)} conformance tests passed")


if __name__ == "__main__":
    main()
