"""The test kit itself: fixtures, the collecting SCP, faults at the byte."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import pacskit
from pacskit.testing import TO_CLIENT, Close, CollectingSCP, Delay, FaultProxy, nothing_left_behind
from pacskit.testing.faults import Passing
from pacskit.testing.fixtures import (  # noqa: F401 - fixtures
    dicom_archive,
    dicom_collector,
    dicom_fault_proxy,
    dicom_no_leaks,
)
from tests.interop.files import examine, wheel_file

CT = wheel_file("CT_small.dcm")


def test_the_fixtures(
    dicom_no_leaks: None,  # noqa: F811
    dicom_archive: pacskit.Archive,  # noqa: F811
    dicom_collector: CollectingSCP,  # noqa: F811
    dicom_fault_proxy: Callable[..., FaultProxy],  # noqa: F811
) -> None:
    proxy = dicom_fault_proxy(str(dicom_archive.address), Delay(0.001))
    with pacskit.connect(proxy.address) as peer:
        assert [sent.status for sent in peer.store([CT])] == [0]
    assert dicom_archive.counts().instances == 1
    assert proxy.connections == 1
    dicom_collector.answers[examine(CT).sop_instance_uid] = 0xA700
    for status, kept in ((0xA700, 0), (0, 1)):
        with pacskit.connect(dicom_collector.address) as peer:
            assert [sent.status for sent in peer.store([CT])] == [status]
        assert len(dicom_collector.received) == kept
        dicom_collector.answers.clear()


def test_what_is_left_behind_is_named() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="forgotten")
    with pytest.raises(AssertionError, match="forgotten"), nothing_left_behind(0.05):
        thread.start()
    end.set()
    thread.join()


@pytest.mark.parametrize("step", [1, 5, 1000])
def test_a_fault_is_at_its_byte_however_the_bytes_come(step: int) -> None:
    associate, data = b"\2\0\0\0\0\4abcd", b"\4\0\0\0\0\x0212"
    fault, passing, out = Close(7, TO_CLIENT, in_data=True), Passing(TO_CLIENT), b""
    stream = associate + data
    ends: list[Any] = []
    for start in range(0, len(stream), step):
        piece = stream[start : start + step]
        passing.look(piece)
        for feed in fault.apply(passing, piece):
            if not ends:
                out += feed.data
            ends += [feed.then] if feed.then != "go on" else []
        passing.count += len(piece)
    assert out == associate + data[:7]
    assert ends[0] == "close"
