"""JPEG Lossless, process 14: any predictor (.57) and selection value 1 (.70); written here (PS3.5 8.2.1, A.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from pacskit._version import __version__
from pacskit.core.errors import EncodeError
from pacskit.encoding.codecs.base import EncodeOptions, PixelFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["JpegLosslessCodec"]

_PROCESS_14: Final = "1.2.840.10008.1.2.4.57"
_SELECTION_VALUE_1: Final = "1.2.840.10008.1.2.4.70"
_BEST: Final = 0


class JpegLosslessCodec:
    """Decodes and encodes process 14 with the GIL released: 2 to 16 bits, signed or not, in 8-bit or 16-bit cells.

    The precision of a code stream is Bits Stored; of signed samples it is Bits Allocated, the copies of the sign with
    them: decoders that forget the sign read them right, and from -1 to 0 is a small difference. There is no APPn
    segment and components are 1, 2, 3: what they mean is told by Photometric Interpretation alone.
    """

    name: ClassVar[str] = "pacskit.jpeg-lossless"
    licence: ClassVar[str] = "BSD-3-Clause"
    decodes: ClassVar[tuple[str, ...]] = (_PROCESS_14, _SELECTION_VALUE_1)
    encodes: ClassVar[tuple[str, ...]] = (_PROCESS_14, _SELECTION_VALUE_1)

    def version(self) -> str | None:
        """Return the version of pacskit."""
        return __version__

    def can_decode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be decoded."""
        return syntax in self.decodes and format.bits_allocated in {8, 16} and format.samples <= 4

    def can_encode(self, syntax: str, format: PixelFormat) -> bool:
        """Whether frames of this format can be encoded: 2 bits at least, sides of 65535 at most (T.81 B.2.2)."""
        fits = format.bits_stored >= 2 and max(format.rows, format.columns) <= 65535
        return fits and syntax in self.encodes and format.bits_allocated in {8, 16} and format.samples in {1, 3, 4}

    def decode(self, frame: memoryview, syntax: str, format: PixelFormat, out: NDArray[Any]) -> None:
        """Fill ``out`` with the stored components, sign-extended.

        Raises DecodeError or TruncatedError with the offset where the code stream is damaged or not of the format.
        """
        from pacskit_ext._jpegll_decode import decode

        sign_bits = format.bits_stored if format.signed else 0
        decode(frame, out.data, format.rows, format.columns, format.samples, sign_bits=sign_bits)

    def encode(self, array: NDArray[Any], syntax: str, format: PixelFormat, options: EncodeOptions) -> bytes:
        """Return the code stream; ``options`` has predictor, point transform and restart interval.

        Without them: predictor 1 in SV1, and in process 14 the one of the seven that seems to give the fewest bits; no
        bit dropped; no restart markers. Raises EncodeError for options that the process or the transfer syntax has
        not, and for samples that do not fit in Bits Stored.
        """
        from pacskit_ext._jpegll_encode import encode

        predictor = options.predictor
        if predictor is None:
            predictor = 1 if syntax == _SELECTION_VALUE_1 else _BEST
        elif not 1 <= predictor <= 7 or (syntax == _SELECTION_VALUE_1 and predictor != 1):
            raise EncodeError(f"predictor {predictor}: process 14 has 1 to 7, SV1 has 1 alone")
        restart_rows, rest = divmod(options.restart_interval or 0, format.columns)
        if rest:
            raise EncodeError(
                f"a restart interval of {options.restart_interval} is no number of rows of {format.columns} (H.1.1)"
            )
        return encode(
            array.data,
            format.rows,
            format.columns,
            format.samples,
            precision=format.bits_allocated if format.signed else format.bits_stored,
            signed=format.signed,
            predictor=predictor,
            point_transform=options.point_transform or 0,
            restart_rows=restart_rows,
        )
