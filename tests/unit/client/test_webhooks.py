"""What happened is told in order, signed, until it has been taken; by one process at a time, whoever dies."""

from __future__ import annotations

import ipaddress
import json
import logging
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from pacskit import Archive, ArchiveSettings, ConfigurationError
from pacskit.cli import main
from pacskit.client.webhooks import DeliveryFailed, InvalidDelivery, WebhookSettings, new_secret, sign, verify
from pacskit.client.webhooks.posting import Post
from pacskit.security.certificates import make_test_ca
from tests.unit.client.receiver import PATIENCE, Answer, Receiver, close, drip, hang, nonsense, receiving
from tests.unit.storage.objects import instance

ROOT = Path(__file__).resolve().parents[3]
LOOPBACK = ("127.0.0.0/8",)
QUICK = WebhookSettings(networks=LOOPBACK, timeout=60.0, pause=0.01, longest_pause=0.05, attempts=100)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "pacs", settings=ArchiveSettings(webhooks=QUICK)) as made:
        made.serve(port=0)
        yield made


def keep(archive: Archive, *numbers: int, **attributes: Any) -> None:
    for number in numbers:
        archive.store(instance(uid=f"1.2.1.1.{number}", PatientID="p", **attributes))


def add(archive: Archive, receiver: Receiver, **options: Any) -> str:
    hook = archive.webhooks.add("ris", receiver.url, **options)
    receiver.secret = hook.secret
    return hook.secret


def all_of(archive: Archive, *kinds: str) -> list[dict[str, Any]]:
    """The changes as a receiver has them: what is empty is left out."""
    return [{name: value for name, value in asdict(one).items() if value} for one in archive.changes(kinds=kinds)]


def test_each_change_is_told_once_in_order_and_signed(archive: Archive, receiver: Receiver) -> None:
    keep(archive, 1)
    before = archive.index.last_change()
    add(archive, receiver)
    keep(archive, *range(2, 12), Modality="CT")
    archive.store(instance("1.3", "1.3.1", "1.3.1.1", Modality="MR"))
    last = archive.index.last_change()
    assert receiver.wait_for(lambda: last in receiver.numbers())
    assert receiver.taken() == [one for one in all_of(archive) if one["number"] > before]
    assert receiver.overlapping == 1
    for one in receiver.requests:
        assert one.path == "/hook?of=pacs"
        assert one.headers["content-type"] == "application/json"
        assert one.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert verify(receiver.secret, one.headers, one.body)["type"] == "changes"
    (status,) = archive.webhooks.list()
    assert (status.paused, status.failures, status.error) == (False, 0, "")


def test_a_hook_is_told_what_it_wants(archive: Archive, receiver: Receiver) -> None:
    keep(archive, 1)
    add(archive, receiver, kinds=["series.*", "study.new"], where={"study_instance_uid": "1.3*"}, after=0)
    keep(archive, *range(2, 6))
    archive.store(instance("1.3", "1.3.1", "1.3.1.1", Modality="MR"))
    archive.store(instance("1.3", "1.3.2", "1.3.2.1", Modality="SR"))
    assert receiver.wait_for(lambda: len(receiver.taken()) == 3)
    assert [one["kind"] for one in receiver.taken()] == ["study.new", "series.new", "series.new"]
    archive.webhooks.remove("ris")
    add(archive, receiver, where={"modality": "S?"}, after=0)
    receiver.requests.clear()
    assert receiver.wait_for(lambda: [one["series_instance_uid"] for one in receiver.taken()] == ["1.3.2"])


def test_whatever_a_receiver_does_it_is_told_all_in_order(tmp_path: Path, receiver: Receiver) -> None:
    """What failed comes again before anything else: the same ID, the same body, a new time and signature."""
    settings = ArchiveSettings(webhooks=replace(QUICK, timeout=1.0))
    with Archive(tmp_path, settings=settings) as archive:
        archive.serve(port=0)
        _whatever(archive, receiver)


def _whatever(archive: Archive, receiver: Receiver) -> None:
    receiver.script.extend([
        Answer(500), hang, close, Answer(302, Location="/elsewhere"), nonsense, drip, Answer(429), Answer(200),
        Answer(503), close, Answer(204),
    ])  # fmt: skip
    add(archive, receiver)
    for number in range(1, 20):
        keep(archive, number)
    last = archive.index.last_change()
    assert receiver.wait_for(lambda: last in receiver.numbers())
    assert receiver.taken() == all_of(archive)
    assert not receiver.script
    assert {one.path for one in receiver.requests} == {"/hook?of=pacs"}
    bodies: dict[str, set[bytes]] = {}
    for one in receiver.requests:
        bodies.setdefault(one.delivery, set()).add(one.body)
    assert all(len(one) == 1 for one in bodies.values())
    order = [one.delivery for one in receiver.requests]
    assert [one for at, one in enumerate(order) if at == 0 or order[at - 1] != one] == list(dict.fromkeys(order))


def test_a_receiver_that_is_away_for_a_while_misses_nothing(archive: Archive) -> None:
    with receiving() as first:
        secret = add(archive, first)
        port = first.port
        keep(archive, 1)
        assert first.wait_for(lambda: bool(first.taken()))
    keep(archive, 2, 3)
    with first.changed:
        told = first.taken()
    deadline = time.monotonic() + PATIENCE
    while not archive.webhooks.get("ris").failures and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "refused" in archive.webhooks.get("ris").error
    with receiving(port) as again:
        again.secret = secret
        last = archive.index.last_change()
        assert again.wait_for(lambda: last in again.numbers())
        numbers = {one["number"] for one in told}
        assert told + [one for one in again.taken() if one["number"] not in numbers] == all_of(archive)


@pytest.mark.parametrize("status", [410, 500])
def test_a_hook_that_fails_for_good_is_paused_and_says_so(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    settings = WebhookSettings(networks=LOOPBACK, timeout=5, pause=0.01, longest_pause=0.01, attempts=3)
    receiver.script.extend([Answer(status)] * 3)
    caplog.set_level(logging.DEBUG)
    with Archive(tmp_path, settings=ArchiveSettings(webhooks=settings)) as archive:
        archive.serve(port=0)
        secret = add(archive, receiver)
        keep(archive, 1)
        assert receiver.wait_for(lambda: len(receiver.requests) == (1 if status == 410 else 3))
        deadline = time.monotonic() + PATIENCE
        while not archive.webhooks.get("ris").paused and time.monotonic() < deadline:
            time.sleep(0.01)
        found = archive.webhooks.get("ris")
        assert (found.paused, found.failures, found.error) == (
            True, 1 if status == 410 else 3, f"HTTP status {status}",
        )  # fmt: skip
        keep(archive, 2)
        assert "is paused after" in caplog.text
        receiver.script.clear()
        archive.webhooks.resume("ris")
        last = archive.index.last_change()
        assert receiver.wait_for(lambda: last in receiver.numbers())
        assert receiver.taken() == all_of(archive)
        assert all(secret not in text for text in (caplog.text, repr(found), repr(archive.webhooks.list())))
        archive.webhooks.pause("ris")
        keep(archive, 3)
        archive.webhooks.resume("ris", after=0)
        assert receiver.wait_for(lambda: len(receiver.requests[-1].body) > 0 and len(receiver.taken()) > last + 1)


def test_a_hook_that_the_feed_has_left_behind_is_paused(tmp_path: Path, receiver: Receiver) -> None:
    settings = ArchiveSettings(webhooks=QUICK, keep_changes=1024)
    with Archive(tmp_path, settings=settings) as archive:
        add(archive, receiver)

        def work(batch: Any) -> None:
            for number in range(1500):
                batch.changes.note("study.moved", study=f"1.{number}")

        for _ in range(3):
            archive.index.run(work)
        archive.serve(port=0)
        deadline = time.monotonic() + PATIENCE
        while not archive.webhooks.get("ris").paused and time.monotonic() < deadline:
            time.sleep(0.01)
        found = archive.webhooks.get("ris")
        assert "no longer kept" in found.error
        archive.webhooks.resume("ris", after=archive.index.last_change())
        archive.index.run(lambda batch: batch.changes.note("study.moved", study="1.9"))
        assert receiver.wait_for(lambda: receiver.numbers() == [4501])


# several processes


@contextmanager
def serving(directory: Path, url: str | None, timeout: float) -> Iterator[subprocess.Popen[str]]:
    """Serve in another process, until its standard input ends or somebody kills it."""
    command = [sys.executable, "-m", "tests.unit.client.webhook_child", str(directory), url or "", str(timeout)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "serves\n"
        yield child
    assert child.returncode in {0, -9}


def _store(child: subprocess.Popen[str], number: int) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"1.2.1.1.{number}\n")
    child.stdin.flush()
    assert child.stdout.readline() == f"1.2.1.1.{number}\n"


def test_who_is_killed_while_it_delivers_loses_nothing(
    tmp_path: Path,
    engine: Callable[[], str | None],
    receiver: Receiver,
) -> None:
    """Two processes have the archive; the one that has the lease is killed as its delivery waits for the answer."""
    url = engine()
    with Archive(tmp_path, settings=ArchiveSettings(index=url)) as archive:
        add(archive, receiver, kinds=["instance.*"])
        with serving(tmp_path, url, 1.0) as one:
            for number in range(5):
                _store(one, number)
            assert receiver.wait_for(lambda: len(receiver.taken()) == 5)
            receiver.script.append(hang)
            _store(one, 5)
            assert receiver.wait_for(lambda: not receiver.script)
            one.kill()
        with serving(tmp_path, url, 1.0) as other:
            for number in range(6, 10):
                _store(other, number)
            assert receiver.wait_for(lambda: len(receiver.taken()) == 10)
        assert [change["sop_instance_uid"] for change in receiver.taken()] == [f"1.2.1.1.{n}" for n in range(10)]


def test_of_several_processes_one_delivers_at_a_time(
    tmp_path: Path,
    engine: Callable[[], str | None],
    receiver: Receiver,
) -> None:
    url = engine()
    with Archive(tmp_path, settings=ArchiveSettings(index=url)) as archive, ExitStack() as stack:
        children = [stack.enter_context(serving(tmp_path, url, 60.0)) for _ in range(3)]
        add(archive, receiver, kinds=["instance.*"])  # while they serve, and this process does not

        def store(at: int) -> None:
            for number in range(15):
                _store(children[at], at * 100 + number)

        threads = [threading.Thread(target=store, args=(at,)) for at in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert receiver.wait_for(lambda: len(receiver.taken()) == 45)
        assert receiver.taken() == all_of(archive, "instance.*")
        assert len({one.delivery for one in receiver.requests}) == len(receiver.requests)
        assert receiver.overlapping == 1


# where it may go


@pytest.mark.parametrize(
    ("scheme", "address", "networks", "may"),
    [
        ("https", "8.8.8.8", (), True),
        ("https", "2606:4700::1111", (), True),
        ("http", "8.8.8.8", (), False),
        ("https", "10.0.0.1", (), False),
        ("https", "127.0.0.1", (), False),
        ("https", "169.254.169.254", (), False),
        ("https", "100.64.0.1", (), False),
        ("https", "0.0.0.0", (), False),
        ("https", "224.0.0.251", (), False),
        ("https", "::1", (), False),
        ("https", "fe80::1", (), False),
        ("https", "fd00::1", (), False),
        ("https", "ff0e::1", (), False),
        ("https", "::ffff:10.0.0.1", (), False),
        ("https", "64:ff9b::a00:1", (), False),
        ("https", "2002:a00:1::", (), False),
        ("http", "10.1.2.3", ("10.1.0.0/16",), True),
        ("http", "::ffff:10.1.2.3", ("10.1.0.0/16",), True),
        ("https", "10.2.2.3", ("10.1.0.0/16",), False),
        ("http", "fd00::1", ("10.1.0.0/16", "fd00::/8"), True),
    ],
)
def test_only_what_is_meant_to_be_reached_is(scheme: str, address: str, networks: tuple[str, ...], may: bool) -> None:
    post = Post(f"{scheme}://h/", b"", {}, WebhookSettings(networks=networks))
    assert post._may_reach(ipaddress.ip_address(address)) is may


def test_a_name_of_the_inside_is_not_reached(receiver: Receiver) -> None:
    for url in (receiver.url, f"http://localhost:{receiver.port}/", f"https://localhost:{receiver.port}/"):
        with pytest.raises(DeliveryFailed, match=r"webhooks\.networks"):
            Post(url, b"{}", {}, WebhookSettings()).send()
    assert receiver.requests == []
    with pytest.raises(DeliveryFailed, match="the name has no address"):
        Post("https://nowhere.invalid/", b"{}", {}, WebhookSettings()).send()


def test_tls_is_verified(tmp_path: Path) -> None:
    ca = make_test_ca(tmp_path / "ca")
    pair = ca.issue("hook", hosts=["localhost"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    trusted = WebhookSettings(networks=(*LOOPBACK, "::1/128"), ca=str(ca.ca))
    with receiving(context=context) as receiver:
        url = f"https://localhost:{receiver.port}/"
        assert Post(url, b"{}", {}, trusted).send() == 204
        with pytest.raises(DeliveryFailed, match="TLS: "):
            Post(url, b"{}", {}, WebhookSettings(networks=LOOPBACK)).send()
        with pytest.raises(DeliveryFailed, match=r"TLS: .*(mismatch|not valid for)"):
            Post(f"https://127.0.0.1:{receiver.port}/", b"{}", {}, trusted).send()
        receiver.script.append(hang)
        with pytest.raises(DeliveryFailed, match="in time"):
            Post(url, b"{}", {}, WebhookSettings(networks=LOOPBACK, ca=str(ca.ca), timeout=0.5)).send()
        with pytest.raises(ConfigurationError, match=r"webhooks: .*missing\.pem"):
            Post(url, b"{}", {}, WebhookSettings(networks=LOOPBACK, ca="missing.pem")).send()


@pytest.mark.parametrize(
    "url", ["ftp://h/", "https://", "https://u:p@h/", "https://h/#x", "https://h:0/", "https://h:x/", "https://h/a b"]
)
def test_what_is_no_address_of_a_hook(archive: Archive, url: str) -> None:
    with pytest.raises(ConfigurationError, match="webhook"):
        archive.webhooks.add("x", url)
    assert archive.webhooks.list() == []


# the signature


def test_a_signature_is_that_of_the_specification() -> None:
    secret = new_secret()
    body = '{"a":"\u00e9"}'.encode()
    now = int(time.time())
    headers = {"Webhook-Id": "x.1", "webhook-timestamp": str(now), "webhook-signature": sign(secret, "x.1", now, body)}
    assert Webhook(secret).verify(body, headers) == verify(secret, headers, body) == {"a": "\u00e9"}
    two = headers | {"webhook-signature": f"v1,{'A' * 43}= v2,x {headers['webhook-signature']}"}
    assert verify(secret, two, body) == {"a": "\u00e9"}
    for wrong, text in (
        (headers | {"webhook-signature": "v1,AAAA"}, body),
        (headers | {"webhook-timestamp": str(now - 1)}, body),
        (headers | {"Webhook-Id": "x.2"}, body),
        (headers | {"webhook-timestamp": "now"}, body),
        ({"webhook-id": "x.1"}, body),
        (headers, body + b" "),
    ):
        with pytest.raises(InvalidDelivery):
            verify(secret, wrong, text)
    old = {**headers, "webhook-timestamp": str(now - 400), "webhook-signature": sign(secret, "x.1", now - 400, body)}
    with pytest.raises(InvalidDelivery, match="too long ago"):
        verify(secret, old, body)
    for wrong_secret in ("whsec_", "whsec_AAAA", "secret"):
        with pytest.raises(ConfigurationError, match="a secret is"):
            sign(wrong_secret, "x", now, body)


# the command line


def test_the_command_line(tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--dir", str(tmp_path / "pacs"), "--config", str(tmp_path / "pacs.toml")]
    (tmp_path / "pacs.toml").write_text('[webhooks]\nnetworks = ["127.0.0.0/8"]\ntimeout = 5\n')
    assert main(["webhook", "list", *place]) == 2
    with Archive(tmp_path / "pacs"):
        wanted = ["--kind", "study.*", "--where", "patient_id=p*"]
        assert main(["webhook", "add", "ris", receiver.url, *wanted, *place]) == 0
        receiver.secret = capsys.readouterr().out.strip()
        assert receiver.secret.startswith("whsec_")
        assert main(["webhook", "test", "ris", *place]) == 0
        assert capsys.readouterr().out == "ris: HTTP status 204\n"
        (one,) = receiver.requests
        assert json.loads(one.body)["type"] == "test"
        receiver.script.append(Answer(404))
        assert main(["webhook", "test", "ris", *place]) == 1
        assert main(["webhook", "pause", "ris", *place]) == 0
        capsys.readouterr()
        assert main(["webhook", "list", "--json", *place]) == 0
        assert json.loads(capsys.readouterr().out) == {
            "name": "ris", "url": receiver.url, "kinds": ["study.*"], "where": {"patient_id": "p*"},
            "cursor": 0, "paused": True, "failures": 0, "error": "",
        }  # fmt: skip
        assert main(["webhook", "resume", "ris", *place]) == 0
        (tmp_path / "secret").write_text("short")
        for wrong in (["add", "ris", receiver.url], ["add", "x"], ["list", "x"], ["remove", "nobody"], ["remove"],
                      ["add", "y", receiver.url, "--secret-file", str(tmp_path / "secret")]):  # fmt: skip
            assert main(["webhook", *wrong, *place]) == 2
        assert main(["webhook", "remove", "ris", *place]) == 0
        capsys.readouterr()
        assert main(["webhook", "list", *place]) == 0
        assert capsys.readouterr().out == ""
