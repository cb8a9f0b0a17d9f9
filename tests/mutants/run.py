"""`python -m tests.mutants.run NAME run --config …`: lhbackupd with one bug planted."""

import sys

from lhbackupd.cli.main import main

from .planted import BUGS

BUGS[sys.argv.pop(1)].plant()
main()
