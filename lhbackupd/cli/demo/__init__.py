"""`lhbackupd demo`: a night of backups in half a minute, on a simulated cluster, judged by that cluster's ledger.

Read `script` for what happens, `cast` for the volumes that it happens to, `promises` for what must come of it. The
daemon in it is the real one, with its own client over HTTP; only the cluster, and the speed of the clock, are not.
"""

from lhbackupd.cli.demo.command import command

__all__ = ["command"]
