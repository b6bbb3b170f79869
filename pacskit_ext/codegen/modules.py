"""The generated Python modules: UID constants and the texts of the DIMSE statuses."""

from __future__ import annotations

import json
import re

from pacskit_ext.codegen.sources import Source, Uid

BANNER = "# Written by pacskit_ext/codegen; never edited by hand.\n"


def uid_module(source: Source) -> str:
    """``pacskit/core/_generated/uids.py``: a constant for each keyword, and the families of SOP classes."""
    named = [uid for uid in source.uids if uid.keyword]
    by_uid = {uid.uid: uid.keyword for uid in named}
    families = {
        "STORAGE_SOP_CLASSES": _storage(source),
        "NON_PATIENT_STORAGE_SOP_CLASSES": list(source.services["non_patient_object"]),
        "QUERY_RETRIEVE_SOP_CLASSES": [
            uid for uid in source.services["qr"] if uid.startswith("1.2.840.10008.5.1.4.1.2.")
        ],
        "TRANSFER_SYNTAXES": [uid.uid for uid in named if uid.encoding is not None],
    }
    names = sorted([*families, *by_uid.values()])
    lines = [
        '"""The UIDs of PS3.6 annex A by keyword."""\n\n' + BANNER,
        "from typing import Final\n",
        "from pacskit_ext._uid import UID\n",
        "__all__ = [",
        *[f'    "{name}",' for name in names],
        "]\n",
        *[f'{uid.keyword}: Final = UID("{uid.uid}")' for uid in named],
    ]
    for name, uids in families.items():
        lines += ["", f"{name}: Final[tuple[UID, ...]] = (", *[f"    {by_uid[uid]}," for uid in uids], ")"]
    return "\n".join(lines) + "\n"


def _storage(source: Source) -> list[str]:
    """Every SOP class of the Storage service (PS3.4 annex B), the retired ones too."""
    other = set(source.services["non_patient_object"]) | set(source.services["media_storage"])
    known = set(source.services["storage"])
    return [uid.uid for uid in source.uids if uid.uid in known or (_says_storage(uid) and uid.uid not in other)]


def _says_storage(uid: Uid) -> bool:
    return uid.type == "SOP Class" and re.search(r"Storage(?!Commitment|Management)", uid.keyword) is not None


def status_module(source: Source) -> str:
    """``pacskit/core/_generated/statuses.py``: per service class, the ranges and what they say."""
    services: dict[str, list[tuple[int, int, str]]] = {}
    for status in source.statuses:
        service = status.service.removesuffix("_STATUS").removesuffix("_SERVICE_CLASS").lower()
        services.setdefault(service, []).append((status.first, status.last, status.description))
    lines = [
        '"""What each DIMSE status means in each service class (PS3.4, PS3.7 annex C)."""\n\n' + BANNER,
        "from typing import Final\n",
        "MEANINGS: Final[dict[str, tuple[tuple[int, int, str], ...]]] = {",
    ]
    for service, ranges in services.items():
        lines += [f'    "{service}": (']
        lines += [f"        (0x{first:04X}, 0x{last:04X}, {json.dumps(text)})," for first, last, text in ranges]
        lines += ["    ),"]
    return "\n".join([*lines, "}"]) + "\n"
