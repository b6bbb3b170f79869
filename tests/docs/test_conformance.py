"""The conformance statement says what the archive does: it is generated, and a peer finds what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pacskit.facade import Archive
from pacskit.facade.conformance import statement
from pacskit.facade.policies import REFUSALS
from pacskit.network.association import Association
from pacskit.network.negotiation import MIN_PDU, AcceptorPolicy, ContextProposal
from pacskit.network.pdu import AssociateReject, AssociateRequest, ContextItem, UserInformation
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


def test_the_refusals_are_those_of_the_code() -> None:
    """Those by policy, in the order of the statement: each request has one fault, and the worst has all of them."""
    policy = AcceptorPolicy(serves=lambda uid: (), called=("PACS",), calling=("CT*",))
    good = AssociateRequest("PACS", "CT01", (ContextItem(1, "1.2", ("1.2",)),), UserInformation(max_length=MIN_PDU))
    assert policy.refuse(good) is None
    faults = [
        replace(good, protocol_version=2),
        replace(good, application_context="1.2.3"),
        replace(good, called="OTHER"),
        replace(good, calling="MR01"),
        replace(good, user=UserInformation(max_length=MIN_PDU - 1)),
    ]
    listed = [reject for reject, _ in REFUSALS]
    assert [policy.refuse(request) for request in faults] == listed[3:8]
    worst = replace(faults[0], application_context="1.2.3", called="OTHER", calling="MR01", user=faults[4].user)
    assert policy.refuse(worst) == listed[3] == AssociateReject(1, 2, 2)
