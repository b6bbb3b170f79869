"""Addresses of stores, and options: what they make, what they refuse, and that no secret is shown."""

from __future__ import annotations

import builtins
import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pacskit.core.errors import ConfigurationError
from pacskit.storage.blobs import (
    BlobRefused,
    BlobUnavailable,
    CloudStore,
    LocalStore,
    MemoryStore,
    StoreOptions,
    open_store,
)
from pacskit.storage.blobs.faults import blob_error
from pacskit.storage.errors import OutOfSpace

SECRET = "hunter2hunter2"
KEYS = StoreOptions(credentials={"access_key_id": "somebody", "secret_access_key": SECRET})


def test_files_and_memory_by_address(tmp_path: Path) -> None:
    for address in (
        tmp_path / "a b",
        str(tmp_path / "a b"),
        f"file://{tmp_path}/a%20b",
        f"file://{tmp_path}/a%20b?sync=none",
    ):
        with open_store(address) as store:
            assert isinstance(store, LocalStore)
            assert store.root == tmp_path / "a b"
            store.put_stream("1", b"1", replace=True)
    with open_store("memory://?max_bytes=10") as memory:
        assert isinstance(memory, MemoryStore)
        with pytest.raises(OutOfSpace):
            memory.put_stream("a", bytes(11))
        memory.put_stream("a", bytes(6))
        with pytest.raises(OutOfSpace):
            memory.put_stream("b", bytes(6))
        memory.put_stream("a", bytes(10), replace=True)
    with open_store(f"file://{tmp_path}/c?max_size=10") as small, pytest.raises(BlobRefused):
        small.put_stream("a", bytes(11))


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/prefix/below?region=eu-central-1&endpoint=http://127.0.0.1:1&storage_class=STANDARD_IA&sse=aws:kms"
        "&sse_kms_key_id=arn:aws:kms:eu:1:key/2&timeout=5&deadline=9.5&part_size=6000000&concurrency=3&virtual_hosted=false",
        "s3://bucket",
    ],
)
def test_clouds_by_address(address: str) -> None:
    with open_store(address, KEYS) as store:
        assert isinstance(store, CloudStore)
        assert SECRET not in repr(store) + repr(store.options) + str(vars(store))
        if "?" in address:
            options = store.options
            assert (options.timeout, options.deadline, options.part_size, options.concurrency) == (5.0, 9.5, 6000000, 3)
            assert (options.storage_class, options.sse, options.region) == ("STANDARD_IA", "aws:kms", "eu-central-1")


@pytest.mark.parametrize(
    "address",
    [
        "ftp://bucket", "s3://", "s3://bucket/../a", "s3://bucket/a//b", "s3://bucket?colour=red", "s3://bucket?timeout=soon",
        "s3://bucket?timeout=0", "s3://bucket?timeout=50&deadline=10", "s3://bucket?part_size=5", "s3://bucket?concurrency=0",
        "s3://bucket?sse=rot13", "s3://bucket?sse_kms_key_id=a", "s3://bucket?virtual_hosted=maybe", "s3://bucket?account=a",
        "az://container?sse=AES256", "az://container?region=a", "gs://bucket?endpoint=http://a", "file://host/a",
        "memory://?max_bytes=many", "s3://bucket?root_certificate=x",
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError):
        open_store(address, KEYS)


@pytest.mark.parametrize(
    "address",
    [
        f"s3://somebody:{SECRET}@bucket", f"s3://bucket?secret_access_key={SECRET}", f"s3://bucket?access_key_id={SECRET}",
        f"az://bucket?account_key={SECRET}", f"az://bucket?sas_token={SECRET}", f"gs://bucket?service_account_key={SECRET}",
        f"s3://bucket?credentials={SECRET}", f"s3://bucket?token={SECRET}", f"s3://bucket?password={SECRET}",
    ],
)  # fmt: skip
def test_secrets_in_an_address_are_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_store(address)
    assert SECRET not in str(caught.value)


def test_options_that_obstore_refuses_are_refused_without_their_values() -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_store("s3://bucket", StoreOptions(credentials={"no_such_option": SECRET}))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_without_obstore_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name.startswith("obstore"):
            raise ImportError(name)
        return original(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"pip install pacskit\[cloud\]"):
        open_store("s3://bucket", KEYS)


def test_blobs_import_without_obstore_or_numpy() -> None:
    code = "import sys, pacskit.storage.blobs; print(*({'obstore', 'numpy', 'pacskit.testing'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""


def test_what_services_say_is_told_without_their_words() -> None:
    class GenericError(Exception):
        pass

    address = f"https://host/bucket/1.2.3?sig={SECRET}"
    for text, kind in (
        (f"Error performing PUT {address} - Server returned non-2xx status code: 503 Slow Down", BlobUnavailable),
        (
            f"Error performing PUT {address} - Server returned non-2xx status code: 400 Bad: <Code>Odd</Code>",
            BlobRefused,
        ),
        (f"Error performing GET {address} - HTTP error: operation timed out", TimeoutError),
        (f"Error performing GET {address} - HTTP error: error sending request", BlobUnavailable),
        (f"Error performing PUT {address} - status code: 507 Insufficient", OutOfSpace),
    ):
        found = blob_error(GenericError(text), "1.2.3")
        assert isinstance(found, kind)
        assert SECRET not in str(found)
        assert "1.2.3" not in str(found)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(errno.EROFS, BlobRefused), (errno.EACCES, BlobRefused), (errno.ENOSPC, OutOfSpace), (errno.EIO, BlobUnavailable)],
)
@pytest.mark.parametrize("call", ["open", "write", "fdatasync", "link"])
def test_what_the_disk_says_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, kind: type[Exception]
) -> None:
    def fails(*args: Any, **options: Any) -> Any:
        raise OSError(code, "no", "1.2/3")

    with LocalStore(tmp_path) as store:
        with monkeypatch.context() as patched:
            patched.setattr(os, call, fails)
            with pytest.raises(kind) as caught:
                store.put_stream("1.2/3", b"1")
        assert "1.2" not in str(caught.value)
        assert list(store.list()) == []
        store.put_stream("1.2/3", b"1")
    assert list((tmp_path / ".incoming").rglob("*")) == []


def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pacskit.storage.blobs import LocalStore\n"
        "store = LocalStore(sys.argv[1])\n"
        "def source():\n    yield bytes(100)\n    os.kill(os.getpid(), 9)\n"
        "store.put_stream('a/b', source())\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60)
    left = [path for path in (tmp_path / ".incoming").rglob("*") if path.is_file() and path.stat().st_size]
    assert len(left) == 1
    with LocalStore(tmp_path) as one:
        assert not left[0].exists()
        assert list(one.list()) == []

        def source() -> Any:
            yield b"12"
            with LocalStore(tmp_path) as other:
                other.put_stream("c", b"3")
            yield b"34"

        one.put_stream("a/b", source())
        assert one.get("a/b").read() == b"1234"
    assert list((tmp_path / ".incoming").iterdir()) == []
