"""Build the native package. All other metadata lives in pyproject.toml."""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

MODE = os.environ.get("PACSKIT_BUILD", "release")  # release | debug | trace | asan
if MODE not in {"release", "debug", "trace", "asan"}:
    sys.exit(f"PACSKIT_BUILD={MODE!r} is not a build mode")
FAST, WINDOWS, TRACE = MODE == "release", sys.platform == "win32", MODE == "trace"

cflags = (
    []
    if WINDOWS
    else ["-O3", "-g0", "-fvisibility=hidden"]
    if FAST
    else ["-O1", "-g", "-UNDEBUG", "-fno-omit-frame-pointer"]
)
ldflags: list[str] = []
if MODE == "asan":
    ldflags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    cflags += ldflags
macros = [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")] if TRACE else []
directives = {
    "language_level": 3,
    "binding": True,
    "embedsignature": True,
    "warn.unused": True,
    "cdivision": True,
    "boundscheck": not FAST,
    "wraparound": not FAST,
    "initializedcheck": not FAST,
    "overflowcheck": MODE == "debug",
    "linetrace": TRACE,
}
extensions = [
    Extension(
        ".".join(path.with_suffix("").parts),
        [path.as_posix()],
        include_dirs=["pacskit_ext"],
        depends=[p.as_posix() for p in Path("pacskit_ext").glob("*.h")],
        extra_compile_args=cflags,
        extra_link_args=ldflags,
        define_macros=macros,
    )
    for path in sorted(Path("pacskit_ext").glob("*.pyx"))
]
setup(
    ext_modules=cythonize(
        extensions,
        compiler_directives=directives,
        annotate=bool(os.environ.get("PACSKIT_ANNOTATE")),
        build_dir=None if TRACE else f"build/cython-{MODE}",  # the coverage plugin wants the .c beside the .pyx
        nthreads=0 if WINDOWS else os.cpu_count() or 1,
        force=TRACE,
    )
)
