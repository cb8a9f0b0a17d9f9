"""lhbackupd: scheduled backups of Longhorn volumes, detached ones included."""
