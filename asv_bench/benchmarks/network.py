"""Servers and clients over loopback; ``pacskit serve`` is a process of its own."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from itertools import count
from tempfile import TemporaryDirectory
from typing import ClassVar

from pacskit import aio
from pacskit.core.dataset import Dataset
from pacskit.encoding import encode
from pacskit.network.association import Association
from pacskit.network.dimse import CEchoRequest, CFindRequest, CStoreRequest
from pacskit.network.negotiation import ContextProposal
from pacskit.network.threads import Server
from pacskit.services.verification import VerificationService

from . import inputs
from .common import PROFILE, Benchmark, environment

VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"


class _Served(Benchmark):
    """With an archive that listens, empty at first."""

    number: ClassVar[int] = 1

    def _begin(self, *contexts: ContextProposal | str) -> None:
        self.folder = TemporaryDirectory(prefix="bench-")
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        command = ["serve", "--dir", self.folder.name, "--ae", "PACSKIT", "--port", str(port)]
        self.server = subprocess.Popen(
            [sys.executable, "-m", "pacskit", *command], stdout=subprocess.PIPE, env=environment()
        )
        assert self.server.stdout is not None
        if not self.server.stdout.readline():
            self._end()
            raise NotImplementedError("pacskit serve does not start")
        self.association = Association.request(f"PACSKIT@127.0.0.1:{port}", contexts, calling="BENCH")
        self.numbers = count(1_000_000)

    def _end(self) -> None:
        self.server.terminate()
        self.server.communicate(timeout=20)
        self.folder.cleanup()

    def _store(self, data: bytes) -> None:
        uid = inputs.instance_uid(next(self.numbers))
        mine = data.replace(inputs.instance_uid(1_000_000).encode(), uid.encode(), 1)
        request = CStoreRequest(affected_sop_class_uid=inputs.CT_STORAGE, affected_sop_instance_uid=uid)
        if self.association.perform(request, mine).status:
            raise RuntimeError("a C-STORE has failed")


class EchoSCP(Benchmark):
    """A C-ECHO on an open association; client and server share a process."""

    def setup(self) -> None:
        self.server = Server([VerificationService()], ae="BENCH").start()
        address = f"BENCH@127.0.0.1:{self.server.address[1]}"
        self.association = Association.request(address, [VERIFICATION], calling="BENCH")
        self.address = address

    def teardown(self) -> None:
        self.association.release()
        self.server.stop()

    def time_echo(self) -> None:
        self.association.perform(CEchoRequest())

    def time_associate_echo_release(self) -> None:
        with Association.request(self.address, [VERIFICATION], calling="BENCH") as association:
            association.perform(CEchoRequest())


class EchoAsyncioSCP(Benchmark):
    """The same on asyncio; client and server share a loop."""

    def setup(self) -> None:
        self.runner = asyncio.Runner()
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        self.server = await aio.Server([VerificationService()], ae="BENCH").start()
        self.address = f"BENCH@127.0.0.1:{self.server.address[1]}"
        self.association = await aio.Association.request(self.address, [VERIFICATION], calling="BENCH")

    def teardown(self) -> None:
        self.runner.run(self._finish())
        self.runner.close()

    async def _finish(self) -> None:
        await self.association.release()
        await self.server.stop()

    def time_hundred_echoes(self) -> None:
        self.runner.run(self._echo())

    async def _echo(self) -> None:
        for _ in range(100):
            await self.association.perform(CEchoRequest())

    def time_associate_echo_release(self) -> None:
        self.runner.run(self._associate())

    async def _associate(self) -> None:
        async with await aio.Association.request(self.address, [VERIFICATION], calling="BENCH") as association:
            await association.perform(CEchoRequest())


class StoreSCP(_Served):
    """A C-STORE that is written and indexed, by wall clock."""

    timer = time.perf_counter
    params: ClassVar[list[int]] = [39_000, 525_000]
    param_names: ClassVar[list[str]] = ["size"]

    def setup(self, size: int) -> None:
        self._begin(ContextProposal(inputs.CT_STORAGE, (inputs.EXPLICIT,)))
        self.data = inputs.ct_slice(1_000_000, pixels=size - 4_600)

    def teardown(self, size: int) -> None:
        self.association.release()
        self._end()

    def time_store(self, size: int) -> None:
        for _ in range(PROFILE.scaled(100)):
            self._store(self.data)


class StoreSCU(StoreSCP):
    """What the same costs the client, by its CPU time."""

    timer = time.process_time


class FindSCP(_Served):
    """C-FIND at STUDY level in an archive of many small instances."""

    timer = time.perf_counter

    def setup(self) -> None:
        self._begin(ContextProposal(inputs.CT_STORAGE, (inputs.EXPLICIT,)), STUDY_ROOT_FIND)
        for number in range(PROFILE.scaled(500)):
            data = inputs.ct_slice(number * 10, pixels=64)
            request = CStoreRequest(
                affected_sop_class_uid=inputs.CT_STORAGE, affected_sop_instance_uid=inputs.instance_uid(number * 10)
            )
            self.association.perform(request, data)

    def teardown(self) -> None:
        self.association.release()
        self._end()

    def _find(self, **keys: str) -> int:
        identifier = Dataset(QueryRetrieveLevel="STUDY", StudyInstanceUID="", StudyDate="", PatientName="", **keys)
        request = CFindRequest(affected_sop_class_uid=STUDY_ROOT_FIND)
        context = self.association.info.context_for(STUDY_ROOT_FIND)
        data = encode(identifier, context.transfer_syntax or inputs.IMPLICIT)
        return sum(1 for response in self.association.perform_iter(request, data) if response.is_pending)

    def time_one_patient(self) -> None:
        self._find(PatientID="PAT000003")

    def time_all_studies(self) -> None:
        self._find(PatientID="")

    def time_wildcard(self) -> None:
        self._find(PatientID="PAT00000*")
