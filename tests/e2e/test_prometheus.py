"""A real Prometheus scrapes a real daemon, and loads the rules; Debian's package, which .ci/run sees to."""

import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.alarms import RULES, alarms
from tests.e2e.harness import Stage
from tests.e2e.processes import Process, until

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]


def configuration(folder: Path, target: str) -> Path:
    path = folder / "prometheus.yml"
    fast = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    scrape = {"job_name": "lhbackupd", "static_configs": [{"targets": [target]}]}
    path.write_text(yaml.safe_dump({"global": fast, "rule_files": [str(p) for p in RULES], "scrape_configs": [scrape]}))
    return path


@pytest.fixture
async def prometheus(stage: Stage, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Prometheus's API, with a daemon to scrape that has made a backup."""
    daemon = await stage.daemon()
    await daemon.due("db")
    await daemon.finished()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    process = await Process.execute(
        "prometheus",
        "prometheus",
        f"--config.file={configuration(tmp_path, f'127.0.0.1:{await daemon.port()}')}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address={address}",
        environ={},
    )
    stage.processes.append(process)
    try:
        await process.says("Server is ready to receive web requests")
        async with httpx.AsyncClient(base_url=f"http://{address}/api/v1", trust_env=False) as api:
            yield api
    finally:
        await process.close()


async def ask(api: httpx.AsyncClient, path: str, **query: str) -> Any:
    answer = (await api.get(path, params=query)).json()
    assert answer["status"] == "success", answer
    return answer["data"]


async def test_prometheus_scrapes_the_daemon_and_loads_the_rules(prometheus: httpx.AsyncClient) -> None:
    async def scraped() -> Any:
        targets = (await ask(prometheus, "/targets"))["activeTargets"]
        assert not [target["lastError"] for target in targets if target["lastError"]]
        return targets if all(target["health"] == "up" for target in targets) else None

    assert len(await until("Prometheus to have scraped the daemon", scraped)) == 1

    async def evaluated() -> Any:
        rules = [rule for group in (await ask(prometheus, "/rules"))["groups"] for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else None

    rules = await until("Prometheus to have evaluated the rules", evaluated)
    assert sorted(rule["name"] for rule in rules) == sorted(r["alert"] for path in RULES for r in alarms(path))
    assert {rule["health"] for rule in rules} == {"ok"}, [rule.get("lastError") for rule in rules]
    shown = [text for rule in rules for alert in rule["alerts"] for text in alert["annotations"].values()]
    assert not [text for text in shown if "error" in text]

    (done,) = (await ask(prometheus, "/query", query='lhbackupd_runs_total{outcome="completed"} > 0'))["result"]
    assert done["metric"]["job"] == "lhbackupd"
    (ready,) = (await ask(prometheus, "/query", query="lhbackupd_ready == 1"))["result"]
    assert ready["value"][1] == "1"
    metadata = await ask(prometheus, "/metadata")
    ours = {name: entry[0] for name, entry in metadata.items() if name.startswith("lhbackupd_")}
    assert len(ours) > 20
    assert all(entry["help"] and entry["type"] in {"gauge", "counter", "histogram"} for entry in ours.values())
