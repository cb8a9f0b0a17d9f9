"""The process: builds everything the daemon consists of, starts it, and stops it in order.

Read `Daemon.run` from top to bottom: that is what starts, and in which order it ends. Stopping does not abort a backup
that runs in Longhorn: our ticket is given back where Longhorn's own holds the volume, and the next start carries on.
"""

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import timedelta

import anyio
from prometheus_client import CollectorRegistry

from lhbackupd import __version__
from lhbackupd.assembly import Engine, Worker, assemble, connect, lock_state, rules_of
from lhbackupd.clock import Clock
from lhbackupd.config import Config, ConfigFault, advice, left_for_restart
from lhbackupd.core.model import Run
from lhbackupd.core.protection import Protection
from lhbackupd.display import Display
from lhbackupd.engine.events import Event, Tell
from lhbackupd.engine.keeper import Keeper
from lhbackupd.engine.scheduler import Key
from lhbackupd.interpreter import considerate, tidy
from lhbackupd.messengers import messengers
from lhbackupd.surface import control, server
from lhbackupd.surface.doorway import NoDirectory, doorway
from lhbackupd.surface.health import Pulse, stands_still, unready
from lhbackupd.surface.logs import logger
from lhbackupd.surface.metrics import Metrics
from lhbackupd.surface.narrator import LogListener
from lhbackupd.surface.report import Report
from lhbackupd.surface.shelf import Shelf
from lhbackupd.surface.status import Recent, Sources, report
from lhbackupd.surface.systemd import Systemd

#: seconds that volumes have to be given back at the end; where time runs faster, no fewer real ones than `_LEAST`
GRACE = 240.0
_LEAST = 10.0
#: seconds between two goes at dropping finished runs that are older than `state.history`
_PRUNE_EVERY = 3600.0


class Daemon:
    """One daemon, for one configuration and clock. `reread` is called on SIGHUP and may raise ConfigFault."""

    def __init__(self, *, config: Config, clock: Clock, reread: Callable[[], Config]) -> None:
        self._config = config
        self._clock = clock
        self._reread = reread
        self._systemd = Systemd()
        self._registry = CollectorRegistry()
        self._metrics = Metrics(registry=self._registry)
        self._recent = Recent()
        self._pulse = Pulse(clock=clock)
        self._started = clock.now()
        self._log = logger()
        #: journal and job store are only ever touched in the first; the second is for what only takes long
        self._worker, self._compute = Worker("journal"), Worker("compute")
        self._engine: Engine
        self._narrator = LogListener(log=self._log, known=self._known)
        #: who is told of events; more come once the engine is there
        self._listeners: tuple[Tell, ...] = (self._narrator, self._metrics, self._recent)
        #: what was wrong with the configuration at the last SIGHUP
        self._faults: tuple[str, ...] = ()
        self._shelf = Shelf()

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns the exit code: 1 if a volume may still be attached by us.

        Raises JournalError, AlreadyRunning, ControlError, ListenError, ValueError and OSError where it cannot start.
        """
        anyio.Event()  # loads what the first request needs otherwise, and would hold up the loop with for 36 ms
        stop, hup, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
        for number, event in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGHUP, hup)):
            asyncio.get_running_loop().add_signal_handler(number, event.set)
        worker = self._worker
        with ExitStack() as stack:
            lock_state(self._config.state.url, stack)
            stack.callback(worker.close)
            stack.callback(self._compute.close)
            stack.enter_context(considerate())
            longhorn = connect(self._config, clock=self._clock, observe=self._metrics.observe, offload=self._compute)
            self._engine = engine = await assemble(
                self._config,
                clock=self._clock,
                longhorn=longhorn,
                offload=worker,
                compute=self._compute,
                tell=self._tell,
            )
            outside = messengers(
                self._config,
                engine,
                report=self._report,
                count=self._metrics.notified,
                clock=self._clock,
                offload=worker,
                log=self._log,
            )
            self._listeners = (*self._listeners, *outside)
            self._advise(await asyncio.to_thread(advice, self._config))
            commands = self._open_door(stack)
            self._recent.runs = await worker(engine.journal.history)
            async with asyncio.TaskGroup() as tasks:
                await self._listen(tasks, done)
                keeping = tasks.create_task(engine.keeper.run(), name="keeper")
                tasks.create_task(engine.inventory.run(stop), name="inventory")
                tasks.create_task(engine.audit.run(stop), name="audit")
                tasks.create_task(self._reload(hup, done), name="reload")
                history = self._config.state.history
                tasks.create_task(forget_old(engine.keeper, history, clock=self._clock, done=done), name="prune")
                tasks.create_task(self._pulse.run(done), name="pulse")
                for messenger in outside:
                    tasks.create_task(messenger.run(done), name=type(messenger).__name__)
                if commands is not None:
                    tasks.create_task(self._obey(commands, done), name="control")
                tasks.create_task(
                    self._systemd.watch(lambda: not stands_still(keeper=engine.keeper, clock=self._clock), done)
                )
                tasks.create_task(tidy(done, clock=self._clock, quiet=lambda: not engine.keeper.active), name="tidy")
                self._systemd.tell(READY="1")
                await stop.wait()
                self._systemd.tell(STOPPING="1")
                engine.keeper.stop()
                left = await _give_back(keeping, engine.keeper, self._clock)
                done.set()
            await longhorn.aclose()
            await worker(engine.journal.close)
        return self._farewell(left)

    def _known(self, key: Key) -> Protection | None:
        return self._engine.keeper.books.protections.get(key)

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001 -- who only listens must not stop a run that gives a volume back
                self._log.exception("a listener met a defect", action="defect", event_kind=type(event).__name__)

    def _unready(self) -> tuple[str, ...]:
        return unready(keeper=self._engine.keeper, clock=self._clock, config=self._faults)

    def _report(self) -> Report:
        return report(self._sources(), self._recent.runs)

    def _sources(self) -> Sources:
        return Sources(
            keeper=self._engine.keeper,
            inventory=self._engine.inventory,
            scheduler=self._engine.scheduler,
            clock=self._clock,
            origin=self._engine.origin,
            url=self._config.longhorn.url,
            version=__version__,
            started=self._started,
            unready=self._unready,
            shelf=self._shelf,
        )

    async def _listen(self, tasks: asyncio.TaskGroup, done: asyncio.Event) -> None:
        """Serve page, probes and metrics, unless http.listen is off; returns once they can be reached."""
        if self._config.http.address is None:
            return
        display = Display(
            self._config,
            sources=self._sources,
            report=self._report,
            metrics=self._registry,
            observe=self._metrics.observe,
            alive=self._pulse.fault,
            faults=lambda: self._faults,
            clock=self._clock,
            log=self._log,
        )
        self._listeners = (*self._listeners, *display.listeners)
        listening = asyncio.Event()

        def started(port: int) -> None:
            self._log.info(f"listening on port {port}", action="listening", port=port)
            listening.set()

        host, port = self._config.http.address
        serving = tasks.create_task(display.run(host=host, port=port, started=started, stop=done), name="http")
        ready = asyncio.create_task(listening.wait())
        await asyncio.wait((serving, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if serving.done():
            serving.result()

    def _open_door(self, stack: ExitStack) -> socket.socket | None:
        """The control socket; None where its directory is missing, as on a machine that was not prepared for it."""
        try:
            return stack.enter_context(doorway(self._config.control.socket))
        except NoDirectory as error:
            text = f"{error}: this daemon takes no orders (lhbackupd backup, cancel, pause, adopt, leave)"
            self._log.warning(text, action="control.off", path=str(self._config.control.socket))
            return None

    async def _obey(self, commands: socket.socket, done: asyncio.Event) -> None:
        """Carry out the commands that come in over the control socket."""
        engine = self._engine
        obeys = control.Control(
            keeper=engine.keeper, inventory=engine.inventory, origin=engine.origin, clock=self._clock, log=self._log
        )
        app = control.application(control=obeys, report=self._report)
        path = self._config.control.socket

        def started() -> None:
            self._log.info(f"takes commands on {path}", action="control.on", path=str(path))

        await server.attend(app, commands, started=started, stop=done)

    async def _reload(self, hup: asyncio.Event, done: asyncio.Event) -> None:
        """On SIGHUP put policies, limits and retries of the configuration in force, unless it has faults."""
        while not done.is_set():
            waits = [asyncio.create_task(event.wait()) for event in (hup, done)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in waits:
                task.cancel()
            if not hup.is_set():
                continue
            hup.clear()
            self._systemd.tell(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))
            try:
                config = await asyncio.to_thread(self._reread)
                rules = rules_of(config).following(self._engine.keeper.rules)
                said = (*await asyncio.to_thread(advice, config), *left_for_restart(self._config, config))
                self._engine.keeper.rules, self._faults = rules, ()
                self._advise(said)
                self._log.info(
                    "policies reloaded", action="reloaded", policies=sorted(self._engine.keeper.rules.policies)
                )
            except ConfigFault as error:
                self._faults = tuple(map(str, error.faults))
                for fault in self._faults:
                    self._log.error(f"the old policies stay in force: {fault}", action="reload-failed")
            except Exception as error:  # noqa: BLE001 -- no run is let go of for it; its text may hold a secret
                self._faults = (f"reading it met a defect of lhbackupd, please report it ({type(error).__name__})",)
                self._log.error(f"the old policies stay in force: {self._faults[0]}", action="reload-failed")
            self._engine.keeper.wake()
            self._systemd.tell(READY="1")

    def _advise(self, lines: Iterable[str]) -> None:
        """Log what a configuration says and hardly means, or what a reload cannot take of it."""
        for line in lines:
            self._log.warning(line, action="config.advice")

    def _farewell(self, left: tuple[Run, ...]) -> int:
        """The last log line, and the exit code."""
        if not left:
            self._log.info("stopped: no volume is held by us", action="stopped")
            return 0
        names = ", ".join(f"{run.volume} (ticket {run.ticket})" for run in left)
        self._log.error(
            f"stopped after {GRACE:.0f} s, and Longhorn has not confirmed that it took back {names}; "
            "the journal keeps them, and the next start gives them back",
            action="stopped",
        )
        return 1


async def forget_old(keeper: Keeper, history: timedelta, *, clock: Clock, done: asyncio.Event) -> None:
    """Drop finished runs that are older than the history that is to be kept, until `done`."""
    while not done.is_set():
        await keeper.forget(clock.now() - history)
        await clock.wait(done, _PRUNE_EVERY)


async def _give_back(keeping: asyncio.Task[None], keeper: Keeper, clock: Clock) -> tuple[Run, ...]:
    """Wait until all volumes are given back, at most GRACE; the runs whose volumes Longhorn did not confirm."""
    try:
        async with asyncio.timeout(max(_LEAST, GRACE / clock.speed)):
            await asyncio.shield(keeping)
    except TimeoutError:
        left = tuple(run for run in keeper.active.values() if run.ticket)
        keeping.cancel()
        return left
    return ()
