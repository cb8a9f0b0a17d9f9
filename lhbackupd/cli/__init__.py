"""The command line: one grammar, each command in a module of its own."""

from lhbackupd.cli.main import main

__all__ = ["main"]
