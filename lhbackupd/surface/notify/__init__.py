"""Who is told of what happens: messages through Apprise, and pings from whose silence others notice that we are gone.

`Notifier` looks at the report and tells what is new in it, `Pinger` follows the runs of each policy. Both put what they
have to say into an `Outbox` per receiver, which sends in a thread of its own: no run ever waits for a receiver.
"""

from lhbackupd.surface.notify.notifier import Notifier
from lhbackupd.surface.notify.pinger import Pinger

__all__ = ["Notifier", "Pinger"]
