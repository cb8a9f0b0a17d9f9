"""What deploy/prometheus and deploy/grafana say, read for tests; and the PrometheusRules that are made from them.

python -m tests.deploy.alarms    writes the PrometheusRules of deploy/kubernetes anew
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
MONITORING = ROOT / "deploy" / "kubernetes" / "monitoring"
DASHBOARD = ROOT / "deploy" / "grafana" / "lhbackupd.json"
RUNBOOKS = ROOT / "docs" / "runbooks"
#: where a runbook is on the web
PAGES = "https://github.com/lhbackupd/lhbackupd/blob/main/docs/runbooks/"
#: file of rules and the PrometheusRule that is made from it
RULES = {
    PROMETHEUS / "alerts.yaml": ("lhbackupd", MONITORING / "prometheusrule.yaml"),
    PROMETHEUS / "longhorn-alerts.yaml": ("lhbackupd-longhorn", MONITORING / "longhorn-prometheusrule.yaml"),
}

_HEAD = """\
# Made from deploy/prometheus/{source} by `python -m tests.deploy.alarms`; change that, not this.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {name}
spec:
"""
_OURS = re.compile(r"\b((?:lhbackupd|process)_\w+)(?:\{([^}]*)\})?")


@dataclass(frozen=True, slots=True)
class Use:
    """A metric of ours as an expression uses it, with the labels that it is selected by."""

    metric: str
    #: label to the value or the expression that it must fit
    labels: tuple[tuple[str, str], ...]


def alarms(path: Path) -> list[Any]:
    """The rules of a file."""
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def cases(path: Path) -> Iterator[tuple[str, bool]]:
    """Name of an alarm, and whether it fires, for each of its cases in the file of tests beside its rules."""
    for test in yaml.safe_load(path.with_suffix(".test.yaml").read_text())["tests"]:
        for case in test["alert_rule_test"]:
            yield case["alertname"], bool(case["exp_alerts"])


def uses(expression: str) -> Iterator[Use]:
    """The metrics of ours in an expression of PromQL."""
    for metric, labels in _OURS.findall(expression):
        yield Use(metric, tuple(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"', labels)))


def custom_resource(path: Path) -> str:
    """The PrometheusRule with the rules of a file, word for word."""
    name, _ = RULES[path]
    body = path.read_text().partition("\ngroups:")[2]
    lines = ["groups:", *body.splitlines()[1:]]
    return _HEAD.format(source=path.name, name=name) + "".join(f"  {line}\n" for line in lines)


if __name__ == "__main__":
    for source, (_, target) in RULES.items():
        target.write_text(custom_resource(source))
