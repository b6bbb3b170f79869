"""Run pydicom's own tests against ``pacskit.compat.pydicom`` and compare the counts with those that are tracked.

``python tests/compat/run_pydicom_tests.py [--update]``. The tests come from pydicom's sdist, fetched by pip into
``build/pydicom-sdist`` and not kept in the repository; their files from the wheel that is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VERSION = "3.0.2"
CACHE = ROOT / "build" / "pydicom-sdist"
RESULTS = HERE / "pydicom_results.json"
MODULES = (
    "charset", "config", "dataelem", "dataset", "dictionary", "errors", "filebase", "filereader", "filewriter",
    "json", "multival", "sequence", "tag", "uid", "valuerep", "values",
)  # fmt: skip


class Offline(Exception):
    """The sdist could not be fetched."""


def fetch() -> Path:
    """The folder of pydicom's tests, from the cache or the package index."""
    tests = CACHE / f"pydicom-{VERSION}" / "tests"
    if tests.is_dir():
        return tests
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
        f"pydicom=={VERSION}", "-d", str(CACHE),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    except subprocess.TimeoutExpired as error:
        raise Offline("pip took too long") from error
    archive = CACHE / f"pydicom-{VERSION}.tar.gz"
    if done.returncode or not archive.exists():
        raise Offline(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "pip found nothing")
    with tarfile.open(archive) as tar:
        for member in tar:  # extractall's filters came with Python 3.11.4
            content = tar.extractfile(member) if member.isfile() else None
            target = CACHE / member.name
            if content is not None and target.is_relative_to(tests) and ".." not in target.parts:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())
    return tests


def _environment() -> dict[str, str]:
    spec = importlib.util.find_spec("pydicom")
    if spec is None or spec.origin is None:
        raise Offline("pydicom is not installed: its test files are read from the wheel")
    path = [str(ROOT), str(HERE), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYDICOM_DATA": str(Path(spec.origin).parent / "data"),
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
    }


def run(tests: Path, module: str, timeout: float = 100) -> dict[str, Any]:
    """Passed, failed and skipped of one file of tests, and the names of those that failed."""
    report = CACHE / f"{module}.xml"
    report.unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "pydicom_redirect", "-p", "no:cacheprovider", "-c", os.devnull,
        "--rootdir", str(tests), "--tb=line", "--timeout=20", f"--junit-xml={report}", f"test_{module}.py",
    ]  # fmt: skip
    subprocess.run(command, cwd=tests, env=_environment(), capture_output=True, timeout=timeout, check=False)
    names: dict[str, set[str]] = {"passed": set(), "skipped": set()}
    failures: dict[str, str] = {}  # a test that fails and whose teardown fails is one
    for case in ElementTree.parse(report).iter("testcase"):
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        name = f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name')}"
        if bad is not None:
            failures[name] = (bad.get("message") or "").partition("\n")[0][:160]
        else:
            names["skipped" if case.find("skipped") is not None else "passed"].add(name)
    counts = {"passed": len(names["passed"] - set(failures)), "failed": len(failures), "skipped": len(names["skipped"])}
    return {**counts, "failures": failures}


# Why a test fails: the first pattern that is found in its name or its message.
REASONS: tuple[tuple[str, str], ...] = (
    (
        r"is not part of the compatibility package|Absent|convert_\w+|data_element_generator",
        "uses a function of pydicom's inside, or a part (pixels, encaps, hooks, values) that is not offered here",
    ),
    (r"dictionary cannot be changed|dict_entr|private_dict", "changes the dictionary of the process; refused"),
    (r"can only be|numpy", "a setting that is refused: DS, IS as numpy arrays, wrong length to UN"),
    (r"NoneType|got None", "reads a file that is downloaded and not in the wheel"),
    (r"pixel_array|PixelData|pixel|overlay|waveform", "pixel data, overlays and waveforms are not decoded yet"),
    (r"buffer|Buffer|deferred|Deferred|defer", "values are never left in a file or stream: they are lazy already"),
    (r"caplog|logged|log|handlers", "the log of pydicom"),
    (r"DID NOT WARN|warn", "a warning of pydicom's; what reading tolerates is in ds.diagnostics instead"),
    (r"not a value representation|UnknownVR|unknown_(im|ex)plicit", "a VR that does not exist is refused at once"),
    (r"Truncated|EOF|source ends", "damaged data is an error with its offset when it is read, not when touched"),
    (r"Regex|regex", "the words of an error"),
    (r"json|JSON", "DICOM JSON has its own functions here"),
    (
        r"[Aa]mbiguous",
        "VRs that depend on the context are resolved when they are read or written, without a step of their own",
    ),
    (r"TestFuture|TestDebug|deprecat|Deprecat", "what pydicom's next version will do, and its log handlers"),
    (r"copy|pickle", "copies share what is not changed, streams are not carried along"),
    (
        r"[Cc]harset|char_set|encod|Encod|PersonName|Text",
        "text: pydicom's own fall-backs for damaged code extensions, and names of codecs; not done",
    ),
    (r"TestWriteDataElement|WriteAmbiguous|writers", "dates as objects and single elements through write_data_element"),
    (r"TestWriteFileMetaInfo|TestFileMeta|EnforceFileFormat|file_meta", "what is filled into a file meta; not done"),
    (r"strict|Invalid|invalid", "other checks of values: ours are made when a file is written"),
    (r"private", "private blocks are ours: other messages and names"),
    (
        r"has no (attribute|setter|len)|is_implicit_VR",
        "uses what pydicom keeps to itself: flags of the syntax in a data set or stream, raw elements, lists inside",
    ),
    (r"DecodeError", "damaged or wrong values are errors here, where pydicom goes on with what it takes them for"),
    (r"DID NOT RAISE", "an error of pydicom's that is none here: a setting or a missing package that is not needed"),
)


def reason_of(name: str, message: str) -> str:
    """The stated reason of a failing test."""
    text = f"{name} {message}"
    return next((why for pattern, why in REASONS if re.search(pattern, text)), "another result; not done")


def summary(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What is tracked."""
    groups: dict[str, list[str]] = {}
    for module, result in results.items():
        for name, message in result["failures"].items():
            groups.setdefault(reason_of(name, message), []).append(f"{module}: {name}")
    return {
        "pydicom": VERSION,
        "passed": sum(result["passed"] for result in results.values()),
        "failed": sum(result["failed"] for result in results.values()),
        "files": {
            f"test_{module}.py": {key: result[key] for key in ("passed", "failed", "skipped")}
            for module, result in results.items()
        },
        "failing": [
            {"reason": why, "count": len(names), "tests": sorted(names)}
            for why, names in sorted(groups.items(), key=lambda item: -len(item[1]))
        ],
    }


def main() -> int:
    """Run all of it; write the tracked file when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="write the counts that are tracked")
    arguments = parser.parse_args()
    tests = fetch()
    found = summary({module: run(tests, module) for module in MODULES})
    for name, counts in found["files"].items():
        print(f"{name:24} {counts['passed']:5} passed {counts['failed']:5} failed {counts['skipped']:3} skipped")
    for group in found["failing"]:
        print(f"{group['count']:5}  {group['reason']}")
    print(f"{found['passed']} passed, {found['failed']} failed")
    if arguments.update:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
