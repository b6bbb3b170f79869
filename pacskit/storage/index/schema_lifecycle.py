"""The tables of tiers: where blobs are that are not where they were put, and what of them is to be removed.

A blob without a row is in the home tier under its own name. What is in ``tier_trash`` goes, or has gone (``done``):
its name is not used again meanwhile. A row there of kind ``copy`` is a copy under way; it becomes the blob's place in
the transaction that removes the row.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LIFECYCLE"]

LIFECYCLE: Final[tuple[str, ...]] = (
    "CREATE TABLE tier_blob (blob_key TEXT PRIMARY KEY, tier TEXT NOT NULL, place TEXT NOT NULL,"
    " edition TEXT NOT NULL DEFAULT '', size INTEGER NOT NULL DEFAULT -1, sha256 BLOB,"
    " since TEXT NOT NULL DEFAULT '', accessed TEXT NOT NULL DEFAULT '', mover TEXT NOT NULL DEFAULT '',"
    " wanted TEXT NOT NULL DEFAULT '') STRICT",
    "CREATE INDEX tier_blob_accessed ON tier_blob (tier, accessed)",
    "CREATE INDEX tier_blob_wanted ON tier_blob (wanted) WHERE wanted <> ''",
    "CREATE TABLE tier_trash (tier TEXT NOT NULL, place TEXT NOT NULL, blob_key TEXT NOT NULL, kind TEXT NOT NULL,"
    " mover TEXT NOT NULL, noted TEXT NOT NULL, done TEXT NOT NULL DEFAULT '', PRIMARY KEY (tier, place)) STRICT",
    "CREATE INDEX tier_trash_blob ON tier_trash (blob_key)",
    "CREATE INDEX tier_trash_done ON tier_trash (done, noted)",
    "CREATE TABLE tier_home (name TEXT PRIMARY KEY) STRICT",
)
