"""Messages and pings of the real process, through Apprise, to a real server that does not always take them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.harness import CONFIG, Stage, policy
from tests.e2e.processes import until
from tests.surface.notify.receivers import Service, service

pytestmark = pytest.mark.timeout(120)
SECRET = "hush4711"


def configured(stage: Stage, known: Service) -> Path:
    """A configuration with a channel and a policy's ping; returns the file of the ping's URL."""
    (stage.folder / "urls").write_text(f"ops=json://user:{SECRET}@127.0.0.1:{known.port}/{SECRET}\n")
    ping = stage.folder / "ping"
    ping.write_text(f"http://127.0.0.1:{known.port}/ping-{SECRET}\n")
    head = CONFIG.format(url=stage.longhorn.url, folder=stage.folder).replace('"info"', '"debug"')
    notify = f'[notify]\nurls_file = "{stage.folder}/urls"\ndigest = "off"\n'
    (stage.folder / "config.toml").write_text(f"{head}{notify}{policy()}")
    return ping


def titles(known: Service) -> list[str]:
    return [json.loads(body)["title"] for _, path, body in known.calls if path == f"/{SECRET}"]


def pings(known: Service) -> list[str]:
    return [path.removeprefix(f"/ping-{SECRET}") for _, path, _ in known.calls if path.startswith("/ping")]


async def test_a_failure_and_its_recovery_arrive_and_no_secret_is_shown_anywhere(stage: Stage) -> None:
    with service() as known:
        ping = configured(stage, known)
        await stage.longhorn.fault("backup-error-at-start", times=1, message="no space left")
        daemon = await stage.daemon()
        known.answers = [200, 500, 500, 500]  # a ping that begins, and three tries of who comes next
        await daemon.due("db", ping_url_file=f'"{ping}"')

        async def told() -> bool:
            return len(titles(known)) == 2 and len(pings(known)) == 4

        await until("failure and recovery to be told", told)
        assert titles(known) == ["lhbackupd: Backup of shop/db failed", "lhbackupd: shop/db is backed up again"]
        assert pings(known) == ["/start", "/fail", "/start", ""]
        port = await daemon.port()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            shown = {path: (await http.get(path)).text for path in ("/", "/status.json", "/metrics", "/readyz")}
        assert 'lhbackupd_notifications_total{channel="ops",outcome="delivered"} 2.0' in shown["/metrics"]
        failed = [line for line in shown["/metrics"].splitlines() if line.startswith("lhbackupd_notifications_total{")]
        assert sum(float(line.rpartition(" ")[2]) for line in failed if 'outcome="failed"' in line) == 3
        known.answers = [None] * 9  # and now it hangs
        await stage.longhorn.fault("backup-error-at-start", times=None)
        await stage.longhorn.prefill("db", offset=2**25)
        await daemon.due("db", ping_url_file=f'"{ping}"')
        await daemon.finished_attempt(1)
        began = time.monotonic()
        assert await daemon.stop() == 0
        assert time.monotonic() - began < 10
        assert await stage.longhorn.held_by_us() == []
    state = b"".join(file.read_bytes() for file in stage.folder.glob("state.db*"))
    assert SECRET not in "\n".join([*daemon.process.lines, *shown.values(), state.decode("latin-1")])


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "lhbackupd", *arguments, "--config", str(folder / "config.toml")],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_test_message_goes_to_every_channel_and_says_which_did_not_take_it(tmp_path: Path) -> None:
    with service() as known, service() as other:
        (tmp_path / "urls").write_text(
            f"ops=json://127.0.0.1:{known.port}/{SECRET}\nmail=json://127.0.0.1:{other.port}/{SECRET}\n"
        )
        (tmp_path / "config.toml").write_text(f'[notify]\nurls_file = "{tmp_path}/urls"\n')
        assert run(tmp_path, "notify", "test") == (0, "ops: sent\nmail: sent\n")
        other.answers = [401]
        code, out = run(tmp_path, "notify", "test")
        assert (code, "ops: sent" in out) == (1, True)
        assert f"mail: NOT sent: the service answered 401; check its URL in {tmp_path}/urls" in out
    assert titles(known) == ["lhbackupd: test message"] * 2
    assert SECRET not in out


@pytest.mark.parametrize("command", [("notify", "test"), ("config", "check"), ("run",)])
def test_a_url_that_apprise_does_not_take_is_a_wrong_configuration(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "urls").write_text(f"ops=nothing://{SECRET}\n")
    (tmp_path / "config.toml").write_text(f'[notify]\nurls_file = "{tmp_path}/urls"\n')
    code, out = run(tmp_path, *command)
    assert (code, len(out.splitlines())) == (2, 1)
    assert "urls: line 1 (ops): Apprise does not take this URL" in out
    assert SECRET not in out


def test_without_channels_there_is_nothing_to_test(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    code, out = run(tmp_path, "notify", "test")
    assert code == 2
    assert "notify.urls_file is not set" in out
