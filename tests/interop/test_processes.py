"""Several processes behind one port: all serve, none knows less than the others, one that is killed is one less."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pydicom
import pytest

import pacskit
from pacskit.core.errors import ConfigurationError
from pacskit.facade.processes import Supervisor
from pacskit.network.association import Association
from pacskit.network.dimse import CStoreRequest
from pacskit.security.certificates import make_test_ca
from pacskit.storage import Store
from tests.conftest import Dcmtk
from tests.interop.conftest import LOOPBACK, Background, Serve, Served, run
from tests.interop.conftest import pacskit as command
from tests.interop.files import wheel_file
from tests.interop.test_kill import EXPLICIT, encoded
from tests.unit.storage.objects import CT

pytestmark = [pytest.mark.interop, pytest.mark.timeout(110)]

PATIENCE = 60.0
SERVES = re.compile(r"process (\d+) serves")
SERVED = re.compile(r"pacskit\.network\[(\d+)\]: association with (\w+)@")


def until(condition: Callable[[], Any]) -> Any:
    """Wait until something is so that another process does; return what it is."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def processes(archive: Served) -> list[int]:
    return [int(pid) for pid in SERVES.findall(archive.log.read_text())]


def server_of(archive: Served, calling: str) -> int:
    """Which process serves an association; the log says so after it was accepted."""
    return int(until(lambda: {name: pid for pid, name in SERVED.findall(archive.log.read_text())}.get(calling)))


def associations(archive: Served, stack: ExitStack, *, each: int) -> dict[int, list[Association]]:
    """Open associations until every process has as many as that."""
    made: dict[int, list[Association]] = {pid: [] for pid in processes(archive)}
    for number in range(400):
        if all(len(of) >= each for of in made.values()):
            return made
        calling = f"W{number}"
        opened = Association.request(archive.address, [(CT, [EXPLICIT])], calling=calling)
        stack.callback(opened.abort)
        made[server_of(archive, calling)].append(opened)
    raise AssertionError(f"one process has all the associations: {made}")


class Objects:
    """Instances of a study, small enough that what is measured is not our making them."""

    def __init__(self, study: str) -> None:
        self._made = pydicom.dcmread(wheel_file("CT_small.dcm"))
        self._made.StudyInstanceUID, self._made.SeriesInstanceUID = study, f"{study}.1"
        self._made.PixelData = bytes(32_768)
        self._made.SOPInstanceUID = self._uid = f"{study}.1.{10**30}"
        self._bytes = encoded(self._made)
        self.study = study

    def send(self, association: Association, number: int) -> str:
        uid = f"{self.study}.1.{10**30 + number}"
        data = self._bytes.replace(self._uid.encode(), uid.encode())
        request = CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid=uid)
        assert association.perform(request, data).status == 0
        return uid


@pytest.fixture
def two(serve: Serve) -> Served:
    archive = serve("--processes", "2", "--verbose")
    assert len(set(processes(archive))) == 2
    return archive


def test_each_answers_for_what_the_other_has_acknowledged(two: Served) -> None:
    objects = Objects("1.2.77")
    with ExitStack() as stack:
        made = associations(two, stack, each=1)
        writers = [of[0] for of in made.values()]
        with ExitStack() as readers:
            peers = [readers.enter_context(pacskit.connect(two.address, calling=f"R{n}")) for n in range(24)]
            for peer in peers:  # each keeps its association, so it stays with its process
                list(peer.find("STUDY", StudyInstanceUID=objects.study))
            assert {server_of(two, f"R{n}") for n in range(24)} == set(made)
            for number in range(48):
                objects.send(writers[number % 2], number)
                (answer,) = peers[number % 24].find(
                    "STUDY", StudyInstanceUID=objects.study, NumberOfStudyRelatedInstances=""
                )
                assert answer.NumberOfStudyRelatedInstances == number + 1
    assert two.stop() == 0
    with Store(two.directory) as store:
        assert store.counts().instances == 48
        assert list(store.verify()) == []


def test_dcmtk_stores_queries_and_retrieves(
    dcmtk: Dcmtk, serve: Serve, storescp: Callable[..., Background], tmp_path: Path
) -> None:
    """Whichever process has them; the move destination is known to all."""
    target = storescp()
    archive = serve("--processes", "2", "--node", f"DEST@{LOOPBACK}:{target.port}")
    files = [wheel_file(name) for name in ("CT_small.dcm", "MR_small.dcm", "examples_palette.dcm")]
    for file in files:
        done = run(dcmtk.tool("storescu"), *archive.dcmtk, file)
        assert done.returncode == 0, done.stdout
    studies = [str(pydicom.dcmread(file).StudyInstanceUID) for file in files]
    for _ in range(3):
        done = run(
            dcmtk.tool("findscu"),
            "-v",
            "-S",
            *archive.dcmtk,
            "-k",
            "QueryRetrieveLevel=STUDY",
            "-k",
            "StudyInstanceUID",
        )
        assert set(re.findall(r"\(0020,000d\) UI \[([\d.]+)", done.stdout)) >= set(studies)
    for study in studies:
        done = run(
            dcmtk.tool("movescu"), "-v", "-S", "-aem", "DEST", *archive.dcmtk,
            "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
    assert len(list(target.directory.iterdir())) == len(files)


def test_a_killed_process_takes_nothing_with_it_and_another_one_comes(two: Served) -> None:
    objects = Objects("1.2.78")
    rounds = 60
    with ExitStack() as stack, ThreadPoolExecutor(16) as pool:
        made = associations(two, stack, each=3)
        victim, survivor = made
        acknowledged: set[str] = set()

        def work(association: Association, base: int) -> int:
            done = 0
            for number in range(base, base + rounds):
                try:
                    acknowledged.add(objects.send(association, number))
                except pacskit.NetworkError:
                    break
                done += 1
            return done

        doomed = [pool.submit(work, one, 1000 * n) for n, one in enumerate(made[victim][:3], 1)]
        others = [pool.submit(work, one, 1000 * n) for n, one in enumerate(made[survivor][:3], 11)]
        until(lambda: len(acknowledged) > 20)
        os.kill(victim, signal.SIGKILL)
        assert [one.result(PATIENCE) for one in others] == [rounds] * 3
        for one in doomed:
            one.result(PATIENCE)
        # at once, before or while another process takes its place, and by whom that may be
        with pacskit.connect(two.address) as peer:
            found = {str(one.SOPInstanceUID) for one in asked(peer, objects.study)}
        assert acknowledged <= found
    (new,) = until(lambda: set(processes(two)) - {victim, survivor})
    with ExitStack() as stack:
        serving: set[int] = set()
        for number in range(400):
            stack.enter_context(pacskit.connect(two.address, calling=f"A{number}")).echo()
            serving.add(server_of(two, f"A{number}"))
            if serving == {new, survivor}:
                break
        assert serving == {new, survivor}
    assert two.stop() == 0
    with Store(two.directory) as store:
        kept = {one.sop_instance_uid for one in store.locate("STUDY", study_uid=objects.study)}
        assert acknowledged <= kept
        assert list(store.verify()) == []
    assert [path for path in (two.directory / "staging").rglob("*") if path.is_file()] == []


def asked(peer: pacskit.Peer, study: str) -> list[Any]:
    return list(peer.find("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", SOPInstanceUID=""))


def test_a_polite_end_under_load_loses_nothing(two: Served) -> None:
    objects = Objects("1.2.79")
    acknowledged: set[str] = set()
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        made = associations(two, stack, each=2)

        def work(association: Association, base: int) -> None:
            try:
                for number in range(base, base + 900):
                    acknowledged.add(objects.send(association, number))
            except pacskit.NetworkError:
                return

        flat = [one for of in made.values() for one in of[:2]]
        working = [pool.submit(work, one, 1000 * n) for n, one in enumerate(flat, 1)]
        until(lambda: len(acknowledged) > 20)
        two.process.send_signal(signal.SIGTERM)
        assert two.process.wait(PATIENCE) == 0
        for one in working:
            one.result(PATIENCE)
    with Store(two.directory) as store:
        assert acknowledged <= {one.sop_instance_uid for one in store.locate("STUDY", study_uid=objects.study)}
        assert list(store.verify()) == []


def test_processes_do_not_outlive_their_supervisor(two: Served) -> None:
    pids = processes(two)
    two.kill()
    until(lambda: not any(is_alive(pid) for pid in pids))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("options", [(), ("--processes", "2")])
def test_a_port_that_is_shared_is_not_shared_with_strangers(
    two: Served, options: tuple[str, ...], tmp_path: Path
) -> None:
    done = command("serve", "--dir", tmp_path / "other", "--port", str(two.port), *options)
    assert done.returncode == 3
    assert f"cannot listen on {LOOPBACK}:{two.port}" in done.stderr


def test_tls_beside_it(serve: Serve, tmp_path: Path) -> None:
    ca = make_test_ca(tmp_path)
    where = ("--cert", ca.server.cert, "--key", ca.server.key, "--ca", ca.ca, "--tls-port", "0")
    archive = serve("--processes", "2", "--verbose", *map(str, where))
    plain, secure = archive.ports
    tls = pacskit.tls_context(cert=ca.client.cert, key=ca.client.key, ca=ca.ca)
    with pacskit.connect(f"PACSKIT@{LOOPBACK}:{plain}") as one, ExitStack() as stack:
        assert [sent.status for sent in one.store(wheel_file("CT_small.dcm"))] == [0]
        for number in range(400):
            peer = stack.enter_context(pacskit.connect(f"PACSKIT@{LOOPBACK}:{secure}", calling=f"T{number}", tls=tls))
            assert len(list(peer.find("PATIENT"))) == 1
            if len({server_of(archive, f"T{n}") for n in range(number + 1)}) == 2:
                break
        else:
            raise AssertionError("one process has all the associations")


@pytest.mark.parametrize("factory", ["make", "make_async"])
def test_a_server_of_handlers_in_several_processes(factory: str, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    options = {"directory": str(tmp_path / "inbox")}
    with Supervisor(f"tests.interop.several:{factory}", options, processes=2) as several:
        host, port = several.address
        assert len(several.pids) == 2
        with pacskit.connect(f"SEVERAL@{host}:{port}") as peer:
            assert [sent.status for sent in peer.store(wheel_file("CT_small.dcm"))] == [0]
        first = several.pids[0]
        os.kill(first, signal.SIGKILL)
        until(lambda: several.restarts == 1 and len(several.pids) == 2)
        assert first not in several.pids
    assert len(list((tmp_path / "inbox").rglob("*.dcm"))) == 1
    assert several.wait(0)


def test_what_cannot_serve_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="RuntimeError: there is no database"):
        Supervisor("tests.interop.several:broken", processes=2).start()
    with pytest.raises(ConfigurationError, match="cannot be imported"):
        Supervisor("tests.interop.several:missing", processes=1).start()
    with pytest.raises(ConfigurationError, match="cannot be told"):
        Supervisor("tests.interop.several:make", {"directory": lambda: 1}, processes=1).start()
