"""``pacskit import-image``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from pacskit.cli.output import line
from pacskit.cli.progress import Bar
from pacskit.core.dataset import Dataset
from pacskit.core.dictionary import vr_for
from pacskit.core.errors import ConfigurationError, PacsError
from pacskit.core.paths import parse
from pacskit.core.uid import UID
from pacskit.encoding.part10 import dcmread, dcmwrite
from pacskit.images import BuildOptions, DocumentOptions, from_file, from_files

__all__ = ["import_image"]

_INTEGERS = {"US", "SS", "UL", "SL", "UV", "SV", "IS"}
_REALS = {"FL", "FD"}


def import_image(options: argparse.Namespace) -> int:
    if (options.into is None) == (options.output is None):
        raise ConfigurationError("give either --into FOLDER or --output FILE")
    files = sorted(_files(options.files), key=lambda path: path.suffix.lower() != ".mtl")  # stable: materials first
    if options.output is not None and len(files) > 1 and not options.multi_frame:
        raise ConfigurationError("several objects are written --into a folder, or joined by --multi-frame")
    work = _Import(options)
    if options.multi_frame:
        work.join(files)
        return 0
    with Bar("import-image") as bar:
        bar.total = len(files)
        for path in files:
            work.one(path)
            bar.step()
    for path, error in work.failed:
        print(f"{path}: {error}", file=sys.stderr)
    if work.failed:
        print(f"{len(work.failed)} of {len(files)} files failed", file=sys.stderr)
    if not files:
        print("no files", file=sys.stderr)
    return 0 if files and not work.failed else 4 if len(files) == len(work.failed) == 1 else 1


def _files(names: list[str]) -> list[Path]:
    found: list[Path] = []
    for name in names:
        path = Path(name)
        found += sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    return found


class _Import:
    """What the objects of one command share: a study, a series for each modality, numbers that count up."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._attributes = _attributes(options)
        like = dcmread(options.like) if options.like else None
        self._build = BuildOptions(
            sop_class=options.sop_class,
            like=like,
            same=options.same,
            template=options.template,
            multi_frame=options.multi_frame,
            frame_time=options.frame_time,
            orientation=options.orientation,
            alpha=options.alpha,
            background=_background(options.background),
            keep_code_stream=not options.decode,
        )
        self._code = _code(options.concept) if options.concept else None
        self._first: Dataset | None = None
        self._series: dict[str, tuple[str, int]] = {}
        self._materials: dict[str, Dataset] = {}
        self.failed: list[tuple[Path, str]] = []

    def join(self, files: list[Path]) -> None:
        self._write(files, from_files(files, self._build, **self._attributes))

    def one(self, path: Path) -> None:
        try:
            ds = self._made(path)
            self._number(ds)
            self._write([path], ds)
        except (PacsError, OSError, MemoryError) as error:
            told = f"{type(error).__name__}: {getattr(error, 'message', error)}"
            self.failed.append((path, told))
            if self._options.json:
                line({"file": str(path), "error": told})

    def _made(self, path: Path) -> Dataset:
        build = self._build
        attributes = dict(self._attributes)
        if self._first is not None and build.like is None:
            build = replace(build, like=self._first, same="study")
        document = DocumentOptions(
            title=self._options.title, code=self._code, units=self._options.units, materials=self._materials
        )
        ds = from_file(path, build, document=document, **attributes)
        if ds.get("MIMETypeOfEncapsulatedDocument") == "model/mtl":
            self._materials[path.name] = ds
        return ds

    def _number(self, ds: Dataset) -> None:
        """Put objects of one modality into one series, and count them."""
        self._first = self._first or ds
        modality = str(ds.Modality)
        first_number = int(self._attributes.get("InstanceNumber") or 1)
        uid, last = self._series.get(modality, (str(ds.SeriesInstanceUID), first_number - 1))
        ds.SeriesInstanceUID = UID(uid)
        ds.InstanceNumber = last + 1
        self._series[modality] = (uid, last + 1)
        if "SeriesNumber" not in self._attributes and self._options.same != "series":
            ds.SeriesNumber = list(self._series).index(modality) + 1

    def _write(self, sources: list[Path], ds: Dataset) -> None:
        if self._options.output is not None:
            target = Path(self._options.output)
        else:
            folder = Path(self._options.into)
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / f"{ds.SOPInstanceUID}.dcm"
        dcmwrite(target, ds, overwrite=self._options.overwrite)
        if self._options.json:
            syntax = UID(ds.file_meta.TransferSyntaxUID)
            line(
                {
                    "file": str(sources[0]) if len(sources) == 1 else [str(path) for path in sources],
                    "output": str(target),
                    "sop_class": str(ds.SOPClassUID),
                    "sop_instance_uid": str(ds.SOPInstanceUID),
                    "transfer_syntax": str(syntax),
                    "frames": ds.get("NumberOfFrames"),
                }
            )
        else:
            print(target)


def _attributes(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in options.keywords:
        path, equals, value = text.partition("=")
        if not equals:
            raise ConfigurationError(f"{text!r} is no KEYWORD=VALUE")
        found[path] = _value(path, value)
    for text in options.codes:
        path, equals, value = text.partition("=")
        if not equals:
            raise ConfigurationError(f"{text!r} is no KEYWORD=SCHEME,VALUE,MEANING")
        code, scheme, meaning = _code(value)
        found[path] = [Dataset(CodeValue=code, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]
    return found


def _value(path: str, text: str) -> Any:
    """A value of the command line, by the VR of its attribute; several are divided by backslashes."""
    try:
        vr = vr_for(int(parse(path)[-1].tag)).partition(" ")[0]
    except (ValueError, KeyError):
        raise ConfigurationError(f"{path!r} is no attribute") from None
    if vr in _INTEGERS or vr in _REALS:
        try:
            numbers = [int(part) if vr in _INTEGERS else float(part) for part in text.split("\\") if part]
        except ValueError:
            raise ConfigurationError(f"{path} is a number, not {text!r}") from None
        return numbers[0] if len(numbers) == 1 else numbers
    return text.split("\\") if "\\" in text and vr not in {"ST", "LT", "UT", "UR"} else text


def _code(text: str) -> tuple[str, str, str]:
    """``SCHEME,VALUE,MEANING`` as code value, scheme and meaning."""
    parts = text.split(",", 2)
    if len(parts) != 3 or not all(parts):
        raise ConfigurationError(f"{text!r} is no code: SCHEME,VALUE,MEANING")
    return parts[1], parts[0], parts[2]


def _background(text: str) -> tuple[int, int, int]:
    try:
        red, green, blue = (int(part) for part in text.split(","))
    except ValueError:
        raise ConfigurationError(f"{text!r} is no colour: RED,GREEN,BLUE") from None
    return red, green, blue
