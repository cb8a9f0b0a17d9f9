"""The only reader of TOML and environment.

`load` gives a frozen `Config` in the core's values, or raises `ConfigFault` with all faults at once, one line each.
Read on: `schema` (every key), `values` (what single values may be), `layer` (file and environment), `loading`,
`advice` (what is no fault, and hardly meant).
"""

from lhbackupd.config.advice import advice, left_for_restart
from lhbackupd.config.fault import ConfigFault, Fault
from lhbackupd.config.loading import Config, check, load
from lhbackupd.config.notify import Notify
from lhbackupd.config.printing import example, show
from lhbackupd.config.reference import reference
from lhbackupd.config.schema import Control, Http, Log, Longhorn, State

__all__ = [
    "Config",
    "ConfigFault",
    "Control",
    "Fault",
    "Http",
    "Log",
    "Longhorn",
    "Notify",
    "State",
    "advice",
    "check",
    "example",
    "left_for_restart",
    "load",
    "reference",
    "show",
]
