"""What a codec back end must do, as tests that a subclass inherits."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Any

from pacskit.core.errors import CodecError, CodecUnavailable, EncodeError
from pacskit.encoding.codecs import (
    Codec,
    CodecRegistry,
    EncodeOptions,
    PixelFormat,
    Region,
    decode_frame,
    encode_frame,
    is_lossless,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CodecTests"]

_SIZES = ((1, 1), (7, 13), (64, 48))
_DEPTHS = (
    (1, 1, False),
    (8, 8, False),
    (8, 8, True),
    (16, 10, False),
    (16, 12, True),
    (16, 16, False),
    (16, 16, True),
    (32, 32, False),
)


class CodecTests:
    """Subclass it as ``Test…`` under pytest, and return your back end from ``codec``.

    Each test asks the back end what it can do and holds it to that, behind the same guard as in use. Overridable:

    - ``formats``: the shapes and depths that it is asked about;
    - ``pixels``: what is encoded, where it cannot take every value;
    - ``options``: how to encode;
    - ``samples``: frames from elsewhere with the pixels that they hold;
    - ``registry``: for one that needs another back end to decode what it encodes;
    - ``tolerance``: how far, as a part of the range, a sample may be off in a lossy transfer syntax;
    - ``mutations``: how many damaged frames of each kind it has to survive.
    """

    tolerance = 0.1
    mutations = 100

    def codec(self) -> Codec:
        """Return the back end."""
        raise NotImplementedError("return the codec to test")

    def formats(self) -> Iterator[PixelFormat]:
        """Yield the pixels that the back end is asked about."""
        for rows, columns in _SIZES:
            for allocated, stored, signed in _DEPTHS:
                yield PixelFormat(rows, columns, 1, allocated, stored, signed)
            for photometric in ("RGB", "YBR_FULL"):
                yield PixelFormat(rows, columns, 3, 8, 8, photometric=photometric)
            yield PixelFormat(rows, columns, 3, 16, 16, photometric="RGB")

    def pixels(self, syntax: str, format: PixelFormat) -> NDArray[Any]:
        """Return smooth pixels from the lowest value to the highest, the last row the lowest."""
        return _smooth(format)

    def options(self, syntax: str, format: PixelFormat) -> EncodeOptions:
        """Return how to encode; the codec's defaults."""
        return EncodeOptions()

    def registry(self) -> CodecRegistry:
        """Return a registry that has the back end alone."""
        registry = CodecRegistry()
        registry.register(self.codec())
        return registry

    def samples(self) -> Iterator[tuple[bytes, str, PixelFormat, NDArray[Any]]]:
        """Yield frames that were made elsewhere: bytes, transfer syntax, format, pixels."""
        return iter(())

    # -- the tests -----------------------------------------------------------------------------------------------------

    def test_it_follows_the_protocol(self) -> None:
        codec = self.codec()
        _check(isinstance(codec, Codec), "it lacks something that pacskit.encoding.codecs.Codec names")
        _check(bool(codec.name and codec.licence), "it has no name or no licence")
        _check(bool(codec.decodes or codec.encodes), "it neither decodes nor encodes")
        _check(bool(codec.version()), "its library is not installed")
        for syntax in (*codec.decodes, *codec.encodes):
            _check(all(part.isdigit() for part in syntax.split(".")), f"{syntax!r} is no UID")

    def test_it_can_do_something(self) -> None:
        codec = self.codec()
        if codec.encodes:
            _check(any(True for _ in self._encoded()), "it encodes nothing of what it was asked")
        else:
            _check(any(True for _ in self.samples()), "it only decodes: samples() must have frames")

    def test_pixels_come_back(self) -> None:
        registry = self.registry()
        for frame, syntax, format, pixels in self._encoded():
            if self.codec().can_decode(syntax, format):
                found = decode_frame(frame, syntax, format, registry=registry)
                self._compare(found, pixels, syntax, format)

    def test_frames_from_elsewhere_are_read(self) -> None:
        for frame, syntax, format, pixels in self.samples():
            self._compare(decode_frame(frame, syntax, format, registry=self.registry()), pixels, syntax, format)

    def test_all_of_the_frame_is_written_and_nothing_beside_it(self) -> None:
        import numpy as np

        for frame, syntax, format in self._decodable():
            results = []
            for fill in (0x55, 0xAA):
                volume = np.empty((3, *format.shape), format.dtype)
                volume.view("u1").fill(fill)
                decode_frame(frame, syntax, format, out=volume[1], registry=self.registry())
                results.append(volume[1].tobytes())
                beside = volume[[0, 2]].tobytes()
                _check(beside == bytes((fill,)) * len(beside), f"{format}: it writes beside its frame")
            _check(results[0] == results[1], f"{format}: it leaves a part of the frame unwritten")

    def test_what_it_is_given_stays_as_it_is(self) -> None:
        codec = self.codec()
        for syntax, format, pixels in self._encodable():
            before = pixels.tobytes()
            codec.encode(pixels, syntax, format, self.options(syntax, format))
            _check(pixels.tobytes() == before, f"{format}: it changes the array that it encodes")

    def test_cut_frames_are_errors(self) -> None:
        for frame, syntax, format in self._decodable():
            for percent in (0, 10, 50, 90):
                cut = frame[: len(frame) * percent // 100]
                _check(self._refuses(cut, syntax, format), f"{format}: {percent} % of a frame are decoded")

    def test_damage_is_an_error_or_a_whole_frame(self) -> None:
        random = Random(1)
        for frame, syntax, format in self._decodable():
            for _ in range(self.mutations):
                data = bytearray(frame)
                for _ in range(random.randint(1, 4)):
                    data[random.randrange(len(data))] = random.randrange(256)
                self._refuses(bytes(data), syntax, format)

    def test_threads_do_not_disturb_each_other(self) -> None:
        registry = self.registry()
        for frame, syntax, format in self._decodable():
            alone = decode_frame(frame, syntax, format, registry=registry).tobytes()

            def again(_: int, args: tuple[bytes, str, PixelFormat] = (frame, syntax, format)) -> bytes:
                return decode_frame(*args, registry=registry).tobytes()

            with ThreadPoolExecutor(4) as pool:
                _check(set(pool.map(again, range(8))) == {alone}, f"{format}: threads get other pixels")

    def test_parts_are_those_of_the_whole(self) -> None:
        import numpy as np

        registry = self.registry()
        for frame, syntax, format in self._decodable():
            region = Region(format.rows // 4, format.columns // 3, -(-format.rows // 2), -(-format.columns // 2))
            for levels in range(3):
                try:
                    whole = decode_frame(frame, syntax, format, registry=registry, reduce=levels)
                except CodecUnavailable:
                    continue
                _check(whole.shape == format.reduced(levels).shape, f"{format}: {whole.shape} at 1/{1 << levels}")
                part = decode_frame(frame, syntax, format, registry=registry, reduce=levels, region=region)
                same = np.array_equal(part, whole[region.slices(levels)])
                _check(same, f"{format}: a region has other pixels at 1/{1 << levels}")

    def test_what_it_cannot_encode_is_refused(self) -> None:
        codec = self.codec()
        for syntax in codec.encodes:
            for format in self.formats():
                if codec.can_encode(syntax, format):
                    continue
                try:
                    encode_frame(_smooth(format), syntax, format, registry=self.registry())
                except EncodeError:
                    continue
                raise AssertionError(f"{format}: it is encoded, though can_encode says no")

    # -- what they share -----------------------------------------------------------------------------------------------

    def _encodable(self) -> Iterator[tuple[str, PixelFormat, NDArray[Any]]]:
        codec = self.codec()
        for syntax in codec.encodes:
            for format in self.formats():
                if codec.can_encode(syntax, format):
                    yield syntax, format, self.pixels(syntax, format)

    def _encoded(self) -> Iterator[tuple[bytes, str, PixelFormat, NDArray[Any]]]:
        registry = self.registry()
        for syntax, format, pixels in self._encodable():
            options = self.options(syntax, format)
            yield encode_frame(pixels, syntax, format, options, registry=registry), syntax, format, pixels

    def _decodable(self) -> Iterator[tuple[bytes, str, PixelFormat]]:
        codec = self.codec()
        for frame, syntax, format, _ in (*self._encoded(), *self.samples()):
            if syntax in codec.decodes and codec.can_decode(syntax, format) and format.nbytes > 1024:
                yield frame, syntax, format

    def _refuses(self, frame: bytes, syntax: str, format: PixelFormat) -> bool:
        """Whether a CodecError is raised; another error is a failure."""
        try:
            decode_frame(frame, syntax, format, registry=self.registry())
        except CodecError:
            return True
        return False

    def _compare(self, found: NDArray[Any], pixels: NDArray[Any], syntax: str, format: PixelFormat) -> None:
        import numpy as np

        if is_lossless(syntax):
            _check(np.array_equal(found, pixels), f"{format}: other pixels come back from {syntax}")
            return
        error = float(np.abs(found.astype(float) - pixels.astype(float)).max()) / (1 << format.bits_stored)
        _check(error <= self.tolerance, f"{format}: a sample is off by {error:.3f} of the range in {syntax}")


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _smooth(format: PixelFormat) -> NDArray[Any]:
    import numpy as np

    span = (1 << format.bits_stored) - 1
    y, x = np.mgrid[: format.rows, : format.columns]
    planes = [
        (x * (n + 1) + y * (3 - n)) * span // max(1, (n + 1) * format.columns + (3 - n) * format.rows)
        for n in range(format.samples)
    ]
    pixels = np.stack(planes, axis=-1).reshape(format.shape)
    pixels[-1:] = 0
    low = -(1 << format.bits_stored - 1) if format.signed and format.bits_allocated > 1 else 0
    return np.ascontiguousarray((pixels + low).astype(format.dtype))
