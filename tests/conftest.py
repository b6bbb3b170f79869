"""What all tests share: the corpus, the foreign peers, and the rule that CI may skip neither.

Environment:

- ``PACSKIT_CORPUS``: the folder of real files; by default ``../shared/corpus`` beside the checkout.
- ``PACSKIT_STANDARD``: the folder with newer tables of PS3.6; by default ``standard`` beside the corpus.
- ``PACSKIT_DCMTK``: the folder with DCMTK's commands, when they are not on the path.
- ``PACSKIT_REQUIRE``: markers, comma separated, whose tests must run: a skip is a failure then.
- ``PACSKIT_HYPOTHESIS``: how long hypothesis searches: ``default``, ``asan`` or ``fuzz``.
- ``PACSKIT_NATIVE``: the tree that the native ring must come from (set by ``make asan``).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import pacskit_ext
from tests.foreign import wheel_files
from tests.postgres import postgres, postgres_schema  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
REQUIRED = {name for name in os.environ.get("PACSKIT_REQUIRE", "").split(",") if name}

settings.register_profile("default", deadline=None)
settings.register_profile("asan", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", deadline=None, max_examples=20_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("PACSKIT_HYPOTHESIS", "default"))


# ---- the native ring under test, and tests that must not be skipped --------------------------------


def pytest_configure() -> None:
    wanted = os.environ.get("PACSKIT_NATIVE")
    found = Path(str(pacskit_ext.__file__)).resolve().parents[1]
    if wanted and found != Path(wanted).resolve():
        raise pytest.UsageError(f"the native ring comes from {found}, not from {wanted}")
    if wanted and not hasattr(ctypes.CDLL(None), "__asan_init"):
        raise pytest.UsageError("AddressSanitizer is not loaded into this interpreter")


def _required_by(item: pytest.Item) -> set[str]:
    return REQUIRED & {marker.name for marker in item.iter_markers()}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a required test into a failure that gives the reason."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _required_by(item):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must run (PACSKIT_REQUIRE) and was skipped: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips itself hides its tests, so nothing can be required of them."""
    report = yield
    if REQUIRED and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} must run (PACSKIT_REQUIRE) and was skipped: {report.longrepr}"
    return report


_BORNE = pytest.StashKey[set[str]]()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over from a process that ran tests which markers its tests bore."""
    output = getattr(node, "workeroutput", None) or {}
    node.config.stash.setdefault(_BORNE, set()).update(output.get("borne", ()))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A whole run in which no test bore a required marker has not done what was required."""
    config = session.config
    borne = {name for item in getattr(session, "items", ()) for name in _required_by(item)}
    if hasattr(config, "workeroutput"):  # one of several processes
        config.workeroutput["borne"] = sorted(borne)
        return
    elsewhere: set[str] = config.stash.get(_BORNE, set())
    borne |= elsewhere
    whole = [Path(arg).resolve() for arg in config.args] in ([ROOT], [ROOT / "tests"])
    if whole and not config.option.collectonly and REQUIRED - borne:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        raise pytest.UsageError(f"no test is marked {', '.join(sorted(REQUIRED - borne))}")


# ---- real files -------------------------------------------------------------------------------------


@cache
def corpus_folder() -> Path | None:
    """The folder of real files, None when there is none here."""
    named = os.environ.get("PACSKIT_CORPUS")
    folder = Path(named) if named else ROOT.parent / "shared" / "corpus"
    return folder.resolve() if (folder / "manifest.csv").is_file() else None


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real files with its ``manifest.csv``; mark the test ``corpus``."""
    folder = corpus_folder()
    if folder is None:
        pytest.skip("no corpus: set PACSKIT_CORPUS to a folder of DICOM files with a manifest.csv")
    return folder


@pytest.fixture(scope="session")
def pydicom_files() -> tuple[Path, ...]:
    """The DICOM files that travel in pydicom's wheel."""
    return wheel_files()


# ---- foreign peers ----------------------------------------------------------------------------------


@cache
def _find_dcmtk(tool: str) -> str | None:
    """DCMTK's command of that name: pynetdicom installs some under the same names, so each is asked."""
    folders = [os.environ.get("PACSKIT_DCMTK", ""), *os.environ.get("PATH", "").split(os.pathsep)]
    for folder in folders:
        path = shutil.which(tool, path=folder) if folder else None
        if path is None:
            continue
        try:
            answer = subprocess.run([path, "--version"], capture_output=True, timeout=20, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            continue
        if answer.startswith(b"$dcmtk:"):
            return path
    return None


@dataclass(frozen=True)
class Dcmtk:
    """DCMTK's command-line tools."""

    def tool(self, name: str) -> str:
        """The path of a command; the test is skipped where it is not installed."""
        path = _find_dcmtk(name)
        if path is None:
            pytest.skip(f"DCMTK's {name} is not installed")
        return path


@pytest.fixture(scope="session")
def dcmtk() -> Dcmtk:
    """DCMTK's tools; mark the test ``interop``."""
    found = Dcmtk()
    found.tool("echoscu")
    return found


@pytest.fixture(scope="session")
def pynetdicom() -> ModuleType:
    """The pynetdicom package; mark the test ``interop``."""
    return pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")  # type: ignore[no-any-return]
