"""lhbackupd: scheduled backups of Longhorn volumes, detached ones included."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lhbackupd")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0+unknown"
