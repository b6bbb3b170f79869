"""The names, lists and signatures of `pacskit.compat.pynetdicom` are pynetdicom's."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pydicom
import pynetdicom as theirs
import pytest
from pynetdicom import presentation as their_presentation
from pynetdicom import sop_class as their_classes
from pynetdicom import status as their_status
from pynetdicom.association import Association as TheirAssociation

import pacskit.compat.pynetdicom as ours
from pacskit.compat.pynetdicom import evt, presentation, status, utils
from pacskit.compat.pynetdicom.association import Association

pytestmark = pytest.mark.interop

classes: Any = importlib.import_module("pacskit.compat.pynetdicom.sop_class")
ECHO = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"


def test_every_public_name_is_there() -> None:
    for name in theirs.__all__:
        assert hasattr(ours, name), name
    assert {name for name in dir(theirs.evt) if name.startswith("EVT_")} == {
        name for name in dir(evt) if name.startswith("EVT_")
    }


def test_the_lists_of_contexts_are_the_same() -> None:
    names = [name for name in dir(their_presentation) if name.endswith("PresentationContexts")]
    assert len(names) > 20
    for name in names:
        wanted, got = getattr(their_presentation, name), getattr(presentation, name)
        assert [(cx.abstract_syntax, cx.transfer_syntax) for cx in got] == [
            (cx.abstract_syntax, cx.transfer_syntax) for cx in wanted
        ], name
    assert ours.ALL_TRANSFER_SYNTAXES == theirs.ALL_TRANSFER_SYNTAXES
    assert ours.DEFAULT_TRANSFER_SYNTAXES == theirs.DEFAULT_TRANSFER_SYNTAXES


def test_the_sop_classes_have_the_same_names() -> None:
    named = {name: uid for name, uid in vars(their_classes).items() if isinstance(uid, pydicom.uid.UID)}
    assert len(named) > 230
    assert {name: str(getattr(classes, name)) for name in named} == {name: str(uid) for name, uid in named.items()}


def test_statuses_have_the_same_categories() -> None:
    codes = range(0x10000)
    assert [status.code_to_category(code) for code in codes] == [their_status.code_to_category(code) for code in codes]
    assert status.code_to_status(0xA700).Status == 0xA700
    tables: Any = status
    for name in ("GENERAL_STATUS", "STORAGE_SERVICE_CLASS_STATUS", "QR_MOVE_SERVICE_CLASS_STATUS"):
        wanted, got = getattr(their_status, name), getattr(tables, name)
        assert {code: got[code][0] for code in wanted} == {code: wanted[code][0] for code in wanted}


METHODS = [name for name in dir(TheirAssociation) if name.startswith("send_")]


@pytest.mark.parametrize("name", [*METHODS, "bind", "unbind", "abort", "release", "get_handlers"])
def test_the_methods_of_an_association_take_the_same(name: str) -> None:
    assert _parameters(getattr(Association, name)) == _parameters(getattr(TheirAssociation, name))


@pytest.mark.parametrize(
    "name",
    ["associate", "start_server", "add_requested_context", "add_supported_context", "remove_requested_context",
     "remove_supported_context", "shutdown"],
)  # fmt: skip
def test_the_methods_of_an_entity_take_the_same(name: str) -> None:
    assert _parameters(getattr(ours.AE, name)) == _parameters(getattr(theirs.AE, name))


def _parameters(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    return [(one.name, one.default) for one in inspect.signature(function).parameters.values()]


def test_an_entity_keeps_its_contexts_as_theirs_does() -> None:
    told = []
    for library in (theirs, ours):
        ae: Any = library.AE("ENTITY")
        ae.add_requested_context(CT)
        ae.add_requested_context(CT, ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
        ae.add_requested_context(ECHO, "1.2.840.10008.1.2")
        ae.remove_requested_context(CT, "1.2.840.10008.1.2")
        ae.remove_requested_context(ECHO)
        ae.add_supported_context(ECHO, "1.2.840.10008.1.2")
        ae.add_supported_context(ECHO, "1.2.840.10008.1.2.1")
        ae.add_supported_context(CT, scu_role=True, scp_role=False)
        ae.acse_timeout = -1
        ae.dimse_timeout = None
        ae.maximum_associations = 0
        ae.maximum_pdu_size = -5
        ae.require_calling_aet = ["A", "B"]
        wrong = []
        for attribute, value in (("ae_title", ""), ("ae_title", "x" * 17), ("ae_title", 5), ("ae_title", "A\\B")):
            try:
                setattr(ae, attribute, value)
            except (TypeError, ValueError) as error:
                wrong.append(type(error).__name__)
        told.append([
            [(cx.abstract_syntax, list(map(str, cx.transfer_syntax))) for cx in ae.requested_contexts],
            [(cx.abstract_syntax, list(map(str, cx.transfer_syntax)), cx.scu_role) for cx in ae.supported_contexts],
            (ae.acse_timeout, ae.dimse_timeout, ae.network_timeout, ae.connection_timeout),
            (ae.maximum_associations, ae.maximum_pdu_size, ae.require_calling_aet, ae.require_called_aet, wrong),
        ])  # fmt: skip
    assert told[0] == told[1]


def test_titles_are_checked() -> None:
    assert utils.set_ae("A TITLE", "ae_title") == "A TITLE"
    assert utils.set_ae(None, "ae_title") is None
    with pytest.raises(TypeError, match="ae_title"):
        utils.set_ae(3, "ae_title")
    with pytest.raises(ValueError, match="16 characters"):
        utils.set_ae("x" * 17, "ae_title")
