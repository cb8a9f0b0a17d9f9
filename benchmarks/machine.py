"""On what it was measured: a figure in seconds means nothing without it."""

import importlib.metadata
import os
import platform
from pathlib import Path

#: packages whose speed shows
_SHOWS = ("lhbackupd", "httpx", "msgspec", "sqlalchemy", "apscheduler", "uvloop", "uvicorn", "starlette")


def facts() -> dict[str, object]:
    """Processor, cores, memory in bytes, kernel, Python and the versions of the packages that matter."""
    return {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {name: version for name in _SHOWS if (version := _version(name))},
    }


def _first(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
