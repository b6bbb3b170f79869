"""Colours of a device made those of sRGB by its ICC profile (PS3.3 C.11.15), with LittleCMS in Pillow."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError
from pacskit.encoding.pixels.color import icc_profile

__all__ = ["Intent", "apply_icc_profile", "colors_by_profile"]

Intent = Literal["perceptual", "relative", "saturation", "absolute"]
_INTENTS: Final[tuple[Intent, ...]] = ("perceptual", "relative", "saturation", "absolute")  # by number, ICC.1 7.2.15
_PROFILE: Final = 0x00282000
_RGB, _SIGNATURE = b"RGB ", b"acsp"


def apply_icc_profile(pixels: NDArray[Any], profile: bytes, *, intent: Intent = "perceptual") -> NDArray[np.uint8]:
    """Return RGB of 8 bits, (rows, columns, 3), as sRGB: what its ICC ``profile`` says of the numbers.

    ``intent`` says what becomes of colours that sRGB has not; a profile of a matrix only knows ``relative`` and takes
    it for the others. Raises DecodeError for a profile that is damaged or not of RGB.
    """
    from io import BytesIO

    from PIL import Image, ImageCms

    if intent not in _INTENTS:
        raise ValueError(f"an intent is one of {', '.join(_INTENTS)}, not {intent!r}")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"an ICC profile is applied to RGB of 8 bits, not to {pixels.dtype} of shape {pixels.shape}")
    if len(profile) < 128 or profile[36:40] != _SIGNATURE:
        raise DecodeError("the ICC profile is none", tag=_PROFILE)
    if profile[16:20] != _RGB:
        raise DecodeError(f"an ICC profile of {profile[16:20].decode('latin-1').strip()!r}, not of RGB", tag=_PROFILE)
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            "RGB",
            "RGB",
            renderingIntent=ImageCms.Intent(_INTENTS.index(intent)),
        )
        image = Image.fromarray(np.ascontiguousarray(pixels))
        return np.array(ImageCms.applyTransform(image, transform))
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise DecodeError(f"the ICC profile cannot be applied: {error}", tag=_PROFILE) from error


def colors_by_profile(colors: NDArray[np.uint8], *datasets: Dataset) -> NDArray[np.uint8]:
    """Return RGB as sRGB, by the first of the data sets that has an ICC profile; as it is where none has."""
    profile = next((found for one in datasets if (found := icc_profile(one)) is not None), None)
    return colors if profile is None else apply_icc_profile(colors, profile)
