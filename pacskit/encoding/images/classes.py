"""The classes of objects that are made here, and what each of them holds (PS3.3 A.8, A.32, A.41, A.45, A.85)."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from pacskit.core.errors import ConfigurationError
from pacskit.core.uid import UID

__all__ = ["OBJECT_CLASSES", "ObjectClass", "object_class"]

Family = Literal["sc", "vl", "ophthalmic", "video", "document"]
_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """A storage SOP class and what it asks of its objects.

    Parameters
    ----------
    name
        What it is called here and on the command line.
    uid
        The SOP Class UID.
    family
        Which modules its objects have.
    modality
        The Modality, a default where ``any_modality``, else the only one.
    multi_frame
        Whether objects have Number of Frames.
    bits
        The Bits Allocated that it takes; empty for documents.
    samples
        The Samples per Pixel that it takes.
    """

    name: str
    uid: UID
    family: Family
    modality: str
    any_modality: bool = False
    multi_frame: bool = False
    bits: tuple[int, ...] = ()
    samples: tuple[int, ...] = ()


def _made(name: str, suffix: str, family: Family, modality: str, **facts: bool | tuple[int, ...]) -> ObjectClass:
    return ObjectClass(name, UID(_STORAGE + suffix), family, modality, **facts)  # type: ignore[arg-type]


_ALL: Final = (
    _made("secondary-capture", "7", "sc", "OT", any_modality=True, bits=(8, 16), samples=(1, 3)),
    _made("single-bit", "7.1", "sc", "OT", any_modality=True, multi_frame=True, bits=(1,), samples=(1,)),
    _made("grayscale-byte", "7.2", "sc", "OT", any_modality=True, multi_frame=True, bits=(8,), samples=(1,)),
    _made("grayscale-word", "7.3", "sc", "OT", any_modality=True, multi_frame=True, bits=(16,), samples=(1,)),
    _made("true-color", "7.4", "sc", "OT", any_modality=True, multi_frame=True, bits=(8,), samples=(3,)),
    _made("vl-endoscopic", "77.1.1", "vl", "ES", bits=(8,), samples=(1, 3)),
    _made("vl-microscopic", "77.1.2", "vl", "GM", bits=(8,), samples=(1, 3)),
    _made("vl-photographic", "77.1.4", "vl", "XC", bits=(8,), samples=(1, 3)),
    _made("ophthalmic-8-bit", "77.1.5.1", "ophthalmic", "OP", multi_frame=True, bits=(8,), samples=(1, 3)),
    _made("ophthalmic-16-bit", "77.1.5.2", "ophthalmic", "OP", multi_frame=True, bits=(16,), samples=(1, 3)),
    _made("video-endoscopic", "77.1.1.1", "video", "ES", multi_frame=True, bits=(8, 16), samples=(3,)),
    _made("video-microscopic", "77.1.2.1", "video", "GM", multi_frame=True, bits=(8, 16), samples=(3,)),
    _made("video-photographic", "77.1.4.1", "video", "XC", multi_frame=True, bits=(8, 16), samples=(3,)),
    _made("encapsulated-pdf", "104.1", "document", "DOC", any_modality=True),
    _made("encapsulated-cda", "104.2", "document", "DOC", any_modality=True),
    _made("encapsulated-stl", "104.3", "document", "M3D"),
    _made("encapsulated-obj", "104.4", "document", "M3D"),
    _made("encapsulated-mtl", "104.5", "document", "M3D"),
)
OBJECT_CLASSES: Final = MappingProxyType({one.name: one for one in _ALL})
"""Every class that is made here, by name."""


def object_class(name: str, *families: Family) -> ObjectClass:
    """Return a class by its name or SOP Class UID; ConfigurationError where it is none of the families."""
    found = OBJECT_CLASSES.get(name) or next((one for one in _ALL if one.uid == name), None)
    if found is None or (families and found.family not in families):
        known = ", ".join(one.name for one in _ALL if not families or one.family in families)
        raise ConfigurationError(f"{name!r} cannot be made of this; there are {known}")
    return found
