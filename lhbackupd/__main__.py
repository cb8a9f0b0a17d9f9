"""`python -m lhbackupd` and the `lhbackupd` command."""

from lhbackupd.cli import main

if __name__ == "__main__":
    main()
