"""Alarms and dashboard ask for what is exported; each alarm has its runbook and its cases; Prometheus likes them."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lhbackupd.core.model import Outcome, Phase
from lhbackupd.surface.report import Totals
from lhbackupd.surface.standing import Wait
from tests.deploy.alarms import DASHBOARD, PAGES, PROMETHEUS, RULES, RUNBOOKS, Use, alarms, cases, custom_resource, uses
from tests.surface.test_metrics import documented

#: what every target has, and what a process says of itself without our doing
GIVEN = frozenset({"job", "instance"})
PROCESS = frozenset({"process_start_time_seconds"})
#: names that alarms and dashboard ask for already, and that are not exported yet
COMING: frozenset[str] = frozenset()
#: label to the values that it can have
VALUES = {
    "outcome": {outcome.value for outcome in Outcome} | {"2xx"},
    "phase": {phase.value for phase in Phase},
    "standing": set(Totals.__struct_fields__),
    "waits_for": {wait.value for wait in Wait},
    "scope": {"cluster", "node", "target"},
}
OURS, LONGHORNS = RULES
every_rule = pytest.mark.parametrize(
    "rule", [pytest.param(rule, id=rule["alert"]) for path in RULES for rule in alarms(path)]
)


def exported() -> dict[str, frozenset[str]]:
    """Name of a series to its labels; that docs/metrics.md has all of them is another test."""
    found = {name: (kind, labels) for name, kind, labels in documented()}
    series = {name: labels for name, (kind, labels) in found.items() if kind != "histogram"}
    for name, (kind, labels) in found.items():
        if kind == "histogram":
            series |= {f"{name}_bucket": labels | {"le"}, f"{name}_count": labels, f"{name}_sum": labels}
    return series


def panels() -> list[Any]:
    found: list[Any] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in alarms(OURS))
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    yield from (variable["definition"] for variable in variables() if "definition" in variable)


def variables() -> list[Any]:
    found: list[Any] = json.loads(DASHBOARD.read_text())["templating"]["list"]
    return found


def test_alarms_and_dashboard_ask_for_what_is_exported() -> None:
    asked = {use.metric for expression in expressions() for use in uses(expression)}
    assert asked - exported().keys() - PROCESS <= COMING
    assert not COMING & exported().keys(), "exported by now: no longer to come"


def test_alarms_and_dashboard_select_by_labels_and_values_that_there_are() -> None:
    known = exported()
    for use in (use for expression in expressions() for use in uses(expression)):
        if use.metric in known:
            assert {label for label, _ in use.labels} <= known[use.metric] | GIVEN, use
            assert all(value in VALUES.get(label, {value}) for label, value in use.labels), use


def test_annotations_use_labels_that_the_alarm_has() -> None:
    known = exported()
    for rule in alarms(OURS):
        has = frozenset().union(*(known.get(use.metric, frozenset()) for use in uses(rule["expr"]))) | GIVEN
        if not COMING & {use.metric for use in uses(rule["expr"])}:
            assert set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"]))) <= has, rule["alert"]


def test_no_alarm_compares_with_a_constant_of_its_own() -> None:
    for rule in alarms(OURS):
        numbers = re.findall(r"(?:[<>]|==|!=)\s*([\d.]+)", rule["expr"])
        # 0 and 1 are yes and no; 3600 is for how long a miss that was found at a start is shown
        assert set(numbers) <= {"0", "1", "3600"}, rule["alert"]


@every_rule
def test_every_alarm_has_a_runbook_that_names_it(rule: Any) -> None:
    address = rule["annotations"]["runbook_url"]
    assert address.startswith(PAGES)
    page = RUNBOOKS / address.removeprefix(PAGES)
    assert f"`{rule['alert']}`" in page.read_text()
    for part in ("## What it means", "## Look", "## Do"):
        assert part in page.read_text()


def test_every_runbook_is_listed_and_belongs_to_an_alarm() -> None:
    index = (RUNBOOKS / "README.md").read_text()
    pages = {page.name for page in RUNBOOKS.glob("*.md")} - {"README.md"}
    assert pages == {rule["annotations"]["runbook_url"].removeprefix(PAGES) for path in RULES for rule in alarms(path)}
    assert pages == set(re.findall(r"\((\S+\.md)\)", index)) - {"../faults.md", "../metrics.md"}
    assert set(re.findall(r"`((?:Lhbackupd|Longhorn)\w+)`", index)) == {
        rule["alert"] for path in RULES for rule in alarms(path)
    }


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_alarm_has_a_case_that_fires_and_one_that_does_not(path: Path) -> None:
    names = [rule["alert"] for rule in alarms(path)]
    assert len(names) == len(set(names))
    assert set(cases(path)) == {(name, fires) for name in names for fires in (True, False)}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_prometheus_accepts_the_rules_and_their_cases_hold(path: Path) -> None:
    for command in (("check", "rules", path), ("test", "rules", path.with_suffix(".test.yaml"))):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_understands_what_the_dashboard_asks(tmp_path: Path) -> None:
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "rules.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_good_backup_of_longhorn_raises_no_alarm() -> None:
    """In many collections of rules it does: 3 is Completed."""
    states = [rule["expr"] for rule in alarms(LONGHORNS) if "longhorn_backup_state" in rule["expr"]]
    assert states == ["longhorn_backup_state == 4", "longhorn_backup_state == 5"]


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_the_custom_resource_holds_the_same_rules(path: Path) -> None:
    _, made = RULES[path]
    assert made.read_text() == custom_resource(path), "run python -m tests.deploy.alarms"
    assert yaml.safe_load(made.read_text())["spec"] == yaml.safe_load(path.read_text())


def test_panels_of_the_dashboard_have_ids_places_and_a_data_source_of_their_own_choice() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"


def test_an_expression_is_taken_apart_into_metrics_and_labels() -> None:
    found = list(uses('sum(lhbackupd_volumes{instance=~"$instance", standing="failing"}) / lhbackupd_ready'))
    assert found == [
        Use("lhbackupd_volumes", (("instance", "$instance"), ("standing", "failing"))),
        Use("lhbackupd_ready", ()),
    ]
    assert PROMETHEUS.is_dir()
