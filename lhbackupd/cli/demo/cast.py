"""The volumes of the demo, and the configuration under which they are backed up.

Each volume stands for one kind of thing that happens in real clusters. The policies are ordinary ones, as a
configuration file has them; nothing in them is special to the demo but that they are due often.
"""

from dataclasses import dataclass

MIB = 1024 * 1024

#: Longhorn's own setting, as the enhancement's shipped
SETTING = "allow-recurring-job-while-volume-detached"

#: the node that is cordoned, and holds the only replica of the best-effort volume
CORDONED = "node-4"
#: where the only replica of the strict-local volume is
STRICT_HOME = "node-2"
NODES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One volume of the cast."""

    name: str
    #: what it stands for, in at most 17 characters
    kind: str
    namespace: str = "shop"
    #: bytes in it when the demo begins
    data: int = 8 * MIB
    replicas: int = 2
    locality: str = "disabled"
    #: where its first replica is; "" lets Longhorn choose
    home: str = ""
    #: how long Longhorn takes for one backup of it, in seconds of the demo's clock
    backup: float = 12.0


CAST = (
    Part(name="db", kind="attached, in use", backup=8.0),
    Part(name="files", kind="detached, changes"),
    Part(name="photos", kind="stays the same"),
    Part(name="new", kind="brand-new, empty", data=0),
    Part(name="mail", kind="backup fails once", backup=16.0),
    Part(name="wiki", kind="pod starts midway", backup=30.0),
    Part(name="scratch", kind="best-effort", namespace="lab", replicas=1, locality="best-effort", home=CORDONED),
    Part(name="cache", kind="strict-local", namespace="lab", replicas=1, locality="strict-local", home=STRICT_HOME),
    Part(name="archive", kind="policy says never", namespace="attic"),
)

NAMES = tuple(part.name for part in CAST)

CONFIG = """\
instance = "demo"

[longhorn]
url = "http://127.0.0.1:{port}"
timeout = "5m"

[state]
url = "sqlite:///{folder}/state.db"

[retry]
first = "20s"

[[policy]]
name = "shop"
cron = "*/4 * * * *"
match = {{ namespace = ["shop"] }}
keep = {{ last = 7 }}

[[policy]]
name = "lab"
cron = "*/4 * * * *"
match = {{ namespace = ["lab"] }}

[[policy]]
name = "attic"
cron = "*/4 * * * *"
match = {{ name = ["archive*"] }}
detached = "never"
"""
