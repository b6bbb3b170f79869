"""Every DIMSE service element (PS3.7 7.5), whoever asks, with each peer, plain and by mutual TLS."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.bench import ELEMENTS, Bench, Ours
from tests.interop.bench_dcmtk import DcmtkBench
from tests.interop.bench_orthanc import OrthancBench
from tests.interop.bench_pynetdicom import Pynetdicom
from tests.interop.wire import write_capture

pytestmark = pytest.mark.interop

BENCHES: dict[str, type[Bench]] = {one.name: one for one in (Pynetdicom, DcmtkBench, OrthancBench)}
WHO = ("we ask", "they ask")
CASES = [
    (name, who, element)
    for name, bench in BENCHES.items()
    for who in WHO
    for element in ELEMENTS
    if bench.does(who, element)
]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    with Ours(tmp_path_factory.mktemp("ours")) as made:
        yield made


@pytest.fixture(scope="module")
def benches(ours: Ours, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Bench]]:
    made: dict[str, Bench] = {}

    class OnDemand(dict[str, Bench]):
        def __missing__(self, name: str) -> Bench:
            self[name] = BENCHES[name](ours, tmp_path_factory.mktemp(name) / "bench")
            return self[name]

    made = OnDemand()
    yield made
    for bench in made.values():
        bench.close()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("name", "who", "element"), CASES, ids=["-".join(case).replace(" ", "-") for case in CASES])
def test_a_service(name: str, who: str, element: str, secure: bool, benches: dict[str, Bench]) -> None:
    benches[name].run(who, element, secure=secure)


def test_what_is_left_out_has_a_reason() -> None:
    for bench in BENCHES.values():
        missing = {f"{who} {element}" for who in WHO for element in ELEMENTS if not bench.does(who, element)}
        assert missing == set(bench.lacks), bench.name


@pytest.mark.parametrize("name", BENCHES)
def test_what_passes_decodes_in_tshark(name: str, benches: dict[str, Bench], tmp_path: Path) -> None:
    """The bytes that a relay between the two saw, in Wireshark's dissector: each command, and nothing malformed."""
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("tshark is not installed")
    done = [(who, element) for one, who, element in CASES if one == name]
    with benches[name].recorded() as recording:
        for who, element in done:
            benches[name].run(who, element, secure=False)
    write_capture(tmp_path / "passed.pcap", recording)

    def shown(filtered: str) -> str:
        command = [tshark, "-n", "-r", str(tmp_path / "passed.pcap"), "-Y", filtered]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert shown("_ws.malformed || _ws.expert.severity == 8388608 || tcp.analysis.lost_segment") == ""
    lines = shown("dicom")
    for element in {element for _, element in done}:
        wanted = {f"{element}-RQ", f"{element}-RSP"} if element != "C-CANCEL" else {"C-CANCEL-RQ"}
        assert {one for one in wanted if one not in lines} == set()
