"""Negotiation explained: who decided what, and how each file would go; the same facts in the errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pacskit
from pacskit.core.errors import AssociationRejected
from pacskit.network.config import Limits
from pacskit.network.negotiation import confirm, propose
from pacskit.network.pdu import AssociateAccept, ContextResult
from tests.interop.files import wheel_file
from tests.network.drivers import Driver
from tests.network.peers import CT, EXPLICIT, IMPLICIT, MR, Recorder

Serve = Callable[..., Any]
Connect = Callable[..., Any]
J2K, JPEG_LOSSLESS = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.70"


def address(server: Any) -> str:
    return f"SERVER@127.0.0.1:{server.address[1]}"


def test_what_will_be_sent_and_how(serve: Serve, tmp_path: Path, driver: Driver) -> None:
    ct, mr, compressed = wheel_file("CT_small.dcm"), wheel_file("MR_small.dcm"), wheel_file("MR_small_jp2klossless.dcm")
    server = serve(Recorder(sop_classes=(CT, MR)), transfer_syntaxes=(IMPLICIT,))
    recorder = server.services.get(CT)
    with driver.peer(address(server)) as peer:
        assert peer.explain() is None
        planned = peer.explain([ct, mr], ask=False)
        assert planned is not None
        assert {one.abstract_syntax for one in planned.contexts} == {CT, MR}
        assert {one.reason for one in planned.contexts} == {"not proposed yet"}
        converted = peer.explain([compressed])
        assert converted is not None
        assert [one.sent_as for one in converted.outlook] == [IMPLICIT]
        found = peer.explain([ct, compressed, tmp_path / "missing"], transcode="never")
        assert found is not None
        assert [one.source for one in found.outlook if one.sent_as is None] == [tmp_path / "missing", compressed]
        (sent,) = (one for one in found.outlook if one.sent_as)
        assert (sent.transfer_syntax, sent.sent_as, sent.is_converted) == (EXPLICIT, IMPLICIT, True)
        text = str(found)
        assert "converted from Explicit VR Little Endian" in text
        assert "but not JPEG 2000" in text
        assert "cannot be read" in text
        assert isinstance(recorder, Recorder)
        assert recorder.seen == []
        assert [one.status.is_success for one in peer.store([ct])] == [True]
        last = peer.explain()
    assert last is not None
    assert [(one.abstract_syntax, one.result) for one in last.contexts] == [(CT, 4), (CT, 0)]
    assert (last.called, last.calling, last.window, last.max_pdu) == ("SERVER", "PACSKIT", 1, 131072)
    assert "transfer syntaxes not supported, says the peer's software; offered were Explicit VR" in str(last)


def test_irregular_answers_are_named() -> None:
    request = propose("A", "B", [(CT, [EXPLICIT]), (MR, [EXPLICIT])], limits=Limits())
    info = confirm(request, AssociateAccept("A", "B", (ContextResult(1, 0, J2K),)), ("127.0.0.1", 104))
    wrong, silent = info.contexts
    assert (wrong.is_accepted, wrong.decided_by) == (False, "we")
    assert wrong.reason.startswith("the peer chose JPEG 2000")
    assert silent.reason == "the peer did not answer it"


def test_rejections_say_what_to_look_at(serve: Serve, connect: Connect) -> None:
    server = serve(calling=["MODALITY*"])
    with pytest.raises(AssociationRejected, match="it does not know 'CLIENT'") as unknown:
        connect(server)
    assert unknown.value.advice.endswith("entered there")
    with pytest.raises(AssociationRejected, match="it does not answer to 'OTHER'"):
        connect(server, ae="OTHER")


def test_a_file_that_cannot_go_says_so_when_it_is_sent(serve: Serve, driver: Driver) -> None:
    compressed = wheel_file("MR_small_jp2klossless.dcm")
    with driver.peer(address(serve(Recorder(sop_classes=(MR,)), transfer_syntaxes=(IMPLICIT,)))) as peer:
        (sent,) = peer.store([compressed], transcode="never")
        assert sent.status == 0x0122
        assert isinstance(sent.error, pacskit.NoPresentationContext)
        assert "MR Image Storage" in str(sent.error)
        assert "JPEG 2000 Image Compression (Lossless Only)" in str(sent.error)


def test_the_command_explains_without_sending(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    from pacskit.cli import main

    recorder = Recorder(sop_classes=(CT,))
    server = serve(recorder)
    assert main(["store", address(server), str(wheel_file("CT_small.dcm")), "--dry-run"]) == 0
    assert "CT_small.dcm: as it is, in Explicit VR Little Endian" in capsys.readouterr().out
    assert main(["store", address(server), str(wheel_file("MR_small.dcm")), "--dry-run", "--json"]) == 1
    assert '"sent_as": null' in capsys.readouterr().out
    assert recorder.seen == []
    assert main(["store", address(server), str(wheel_file("CT_small.dcm")), "--explain", "--window", "4"]) == 0
    assert "+ CT Image Storage" in capsys.readouterr().err
