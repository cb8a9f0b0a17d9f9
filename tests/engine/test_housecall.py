"""The doctor's page, made by a daemon on the simulated Longhorn."""

from functools import partial

import pytest

from lhbackupd.engine.journal import JournalError
from lhbackupd.surface.findings import Level
from lhbackupd.surface.housecall import house_call
from lhbackupd.surface.status import report
from tests.rig import Rig, inline

pytestmark = pytest.mark.looptime


async def test_the_daemon_says_what_the_command_says_and_survives_what_is_broken(rig: Rig) -> None:
    await rig.volume("db", data=4096)
    async with rig.daemon(rig.config()) as engine:
        await rig.finished(1)
        sources = rig.sources(engine)
        call = partial(
            house_call,
            sources=sources,
            report=partial(report, sources),
            longhorn=engine.longhorn,
            journal=engine.journal,
            offload=inline,
        )
        found = await call()
        assert {finding.check for finding in found.findings} >= {"config", "journal", "daemon", "longhorn", "volumes"}
        assert [finding.text for finding in found.findings if finding.level is Level.FAULT] == []

        def fails() -> object:
            raise JournalError("journal x cannot be read: disk I/O error")

        engine.journal.protections = fails  # type: ignore[assignment,method-assign]
        await rig.call("POST", "/sim/faults", {"kind": "down"})
        found = await call()
        assert found.worst is Level.FAULT
        texts = [finding.text for finding in found.findings if finding.level is Level.FAULT]
        assert "journal x cannot be read: disk I/O error" in texts
        assert any("cannot be reached" in text for text in texts)
        del engine.journal.protections  # type: ignore[misc]
