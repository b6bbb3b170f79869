"""The conformance statement says what the archive does: it is generated, and a peer finds what it says."""

from __future__ import annotations

from pathlib import Path

from pacskit.facade import Archive
from pacskit.facade.conformance import statement
from pacskit.network.association import Association
from pacskit.network.negotiation import ContextProposal
from pacskit.services.sop_classes import MODELS, STORAGE, STORAGE_SYNTAXES
from tests.conftest import ROOT


def test_the_page_is_what_is_generated() -> None:
    page = (ROOT / "docs" / "reference" / "conformance.md").read_text("utf-8")
    assert page == statement(), "run: pacskit info --conformance > docs/reference/conformance.md"


def test_a_peer_is_accepted_for_everything_it_lists(tmp_path: Path) -> None:
    page = statement()
    listed = [str(uid) for uid in (*STORAGE, *(uid for model in MODELS for uid in (model.find, model.move, model.get)))]
    assert all(f"`{uid}`" in page for uid in (*listed, *STORAGE_SYNTAXES))
    with Archive(tmp_path) as archive:
        address = archive.serve(port=0)
        for start in range(0, len(listed), 120):
            contexts = [ContextProposal(uid, STORAGE_SYNTAXES) for uid in listed[start : start + 120]]
            with Association.request(address, contexts, calling="TEST") as association:
                assert not association.rejected
