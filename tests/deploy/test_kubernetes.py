"""The manifests are what Kubernetes understands, and fit the daemon, the image and each other."""

import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from prometheus_client import CollectorRegistry
from starlette.routing import Route

from lhbackupd.config import check, load
from lhbackupd.core.model import Patience
from lhbackupd.daemon import GRACE
from lhbackupd.surface.threads import Threads
from lhbackupd.surface.web import Web
from tests.deploy.alarms import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
BASE = KUBERNETES / "base"
#: what Longhorn 1.5 to 1.13 run on
RELEASES = ("1.27", "1.31", kubernetes_validate.latest_version())
#: kinds that Kubernetes' own schemas do not have
FOREIGN = {"Kustomization", "ServiceMonitor", "PrometheusRule"}


def documents(path: Path) -> list[Any]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


FILES = sorted(KUBERNETES.rglob("*.yaml"))


def only(name: str, folder: Path = BASE) -> Any:
    (document,) = documents(folder / name)
    return document


def daemon(deployment: Any) -> Any:
    return next(c for c in deployment["spec"]["template"]["spec"]["containers"] if c["name"] == "lhbackupd")


every_deployment = pytest.mark.parametrize(
    "deployment",
    [pytest.param(d, id=path.stem) for path in FILES for d in documents(path) if d["kind"] == "Deployment"],
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(KUBERNETES)))
@pytest.mark.parametrize("release", RELEASES)
def test_the_manifests_fit_the_schemas_of_kubernetes(path: Path, release: str) -> None:
    for document in documents(path):
        if document["kind"] not in FOREIGN:
            kubernetes_validate.validate(document, release, strict=True)


def test_the_schemas_find_a_key_that_is_not_there() -> None:
    broken = only("deployment.yaml")
    broken["spec"]["template"]["spec"]["terminationGrace"] = 330
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, RELEASES[0], strict=True)


def test_kustomizations_name_what_there_is() -> None:
    for path in KUBERNETES.rglob("kustomization.yaml"):
        (found,) = documents(path)
        assert set(found) <= {"apiVersion", "kind", "namespace", "labels", "resources", "configMapGenerator", "images"}
        named = [*found["resources"], *(f for made in found.get("configMapGenerator", []) for f in made["files"])]
        assert all((path.parent / name).exists() for name in named), path
        left = {other.name for other in path.parent.iterdir() if other.is_file()} - {*named, path.name}
        assert not left, f"{path} leaves out {left}"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("folder", [".", "base", "longhorn-networkpolicy"])
def test_what_kustomize_makes_fits_together(folder: str) -> None:
    done = subprocess.run(["kubectl", "kustomize", KUBERNETES / folder], capture_output=True, text=True, check=True)
    made = {(d["kind"], d["metadata"]["name"]): d for d in yaml.safe_load_all(done.stdout)}
    for (kind, _), document in made.items():
        if kind not in FOREIGN:
            kubernetes_validate.validate(document, RELEASES[-1], strict=True)
    if folder == "longhorn-networkpolicy":
        assert {d["metadata"]["namespace"] for d in made.values()} == {"longhorn-system"}
        return
    assert {d["metadata"].get("namespace") for d in made.values()} == {"lhbackupd", None}
    pod = made["Deployment", "lhbackupd"]["spec"]["template"]
    service = made["Service", "lhbackupd"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    (config,) = (volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume)
    assert ("ConfigMap", config) in made
    (claim,) = (v["persistentVolumeClaim"]["claimName"] for v in pod["spec"]["volumes"] if "persistentVolumeClaim" in v)
    assert ("PersistentVolumeClaim", claim) in made
    (entrance,) = documents(KUBERNETES / "longhorn-networkpolicy" / "networkpolicy.yaml")
    (source,) = entrance["spec"]["ingress"][0]["from"]
    assert source["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert source["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "lhbackupd"}
    if folder == ".":
        monitor = made["ServiceMonitor", "lhbackupd"]["spec"]
        assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert service["metadata"]["labels"][monitor["jobLabel"]] == "lhbackupd"
        assert len([kind for kind, _ in made if kind == "PrometheusRule"]) == 2


def test_the_service_monitor_has_the_shape_that_the_operator_documents() -> None:
    monitor = only("servicemonitor.yaml", KUBERNETES / "monitoring")
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "ServiceMonitor")
    assert set(monitor["spec"]) == {"jobLabel", "selector", "endpoints"}
    (endpoint,) = monitor["spec"]["endpoints"]
    assert set(endpoint) == {"port", "path", "interval", "scrapeTimeout"}
    seconds = [int(re.fullmatch(r"(\d+)s", endpoint[key])[1]) for key in ("scrapeTimeout", "interval")]  # type: ignore[index]
    assert seconds == sorted(seconds), "a scrape may not take longer than the time between two"
    (port,) = only("service.yaml")["spec"]["ports"]
    assert endpoint["port"] == port["name"]


def test_the_rules_have_the_shape_that_the_operator_documents() -> None:
    for path in (KUBERNETES / "monitoring").glob("*prometheusrule.yaml"):
        (found,) = documents(path)
        assert (found["apiVersion"], found["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
        assert set(found["spec"]) == {"groups"}
        for group in found["spec"]["groups"]:
            assert set(group) == {"name", "rules"}
            for rule in group["rules"]:
                assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
                assert all(
                    isinstance(value, str) for value in (*rule["labels"].values(), *rule["annotations"].values())
                )


@every_deployment
def test_there_is_one_daemon_at_any_time_and_it_can_give_everything_back(deployment: Any) -> None:
    spec = deployment["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    grace = timedelta(seconds=spec["template"]["spec"]["terminationGracePeriodSeconds"])
    assert grace > timedelta(seconds=GRACE)
    assert grace > timedelta(seconds=Patience().detach)


@every_deployment
def test_the_pod_may_do_nothing_that_the_strictest_standard_forbids(deployment: Any) -> None:
    pod = deployment["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        strict = container["securityContext"]
        assert strict["allowPrivilegeEscalation"] is False
        assert strict["readOnlyRootFilesystem"] is True
        assert strict["capabilities"] == {"drop": ["ALL"]}


@every_deployment
def test_the_pod_runs_as_the_user_of_the_image(deployment: Any) -> None:
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert user is not None
    pod = deployment["spec"]["template"]["spec"]
    context = pod["securityContext"] | daemon(deployment)["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (
        int(user[1]),
        int(user[2]),
        int(user[2]),
    )


@every_deployment
def test_the_environment_holds_keys_and_what_is_written_to_is_mounted(deployment: Any) -> None:
    environ = {entry["name"]: entry["value"] for entry in daemon(deployment)["env"]}
    assert check(None, environ) == ()
    mounts = {Path(mount["mountPath"]) for mount in daemon(deployment)["volumeMounts"]}
    assert Path(environ["LHBACKUPD_CONTROL__SOCKET"]).parent in mounts
    assert Path("/var/lib/lhbackupd") in mounts


def test_the_configuration_has_no_faults() -> None:
    assert check(BASE / "config.toml", {}) == ()


def test_probes_ask_for_what_is_served_on_the_port_of_the_image() -> None:
    nothing: Any = None  # nobody asks here for what is behind the routes
    web = Web(
        report=nothing,
        metrics=CollectorRegistry(),
        ahead=nothing,
        alive=nothing,
        ready=nothing,
        history=nothing,
        plan=nothing,
        explain=nothing,
        diagnose=nothing,
        threads=Threads(),
        forecasts=Threads(at_once=1),
    )
    served = {route.path for route in web.app.routes if isinstance(route, Route)}
    container = daemon(only("deployment.yaml"))
    probes = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    assert {probe["path"] for probe in probes.values()} <= served
    (port,) = container["ports"]
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    assert f"EXPOSE {port['containerPort']}" in (ROOT / "Dockerfile").read_text()


def test_the_state_is_not_on_a_volume_that_is_backed_up(tmp_path: Path) -> None:
    claim = only("pvc.yaml")
    assert "longhorn" not in claim["spec"]["storageClassName"]
    comment = re.findall(r"^# {5}(.*)$", (BASE / "pvc.yaml").read_text(), re.MULTILINE)
    config = tmp_path / "config.toml"
    config.write_text("\n".join([(BASE / "config.toml").read_text(), *comment]))
    (left_out,) = load(config, {}).excludes
    assert left_out.match.pvc == (claim["metadata"]["name"],)


def test_the_entrance_to_longhorn_is_applied_by_hand_alone() -> None:
    """Without a policy of the chart's it would shut everybody else out."""
    for path in (KUBERNETES / "kustomization.yaml", BASE / "kustomization.yaml"):
        assert not any("longhorn-networkpolicy" in name for name in documents(path)[0]["resources"])
    entrance = only("networkpolicy.yaml", KUBERNETES / "longhorn-networkpolicy")
    # as in Longhorn's chart, templates/network-policies/manager-network-policy.yaml
    assert entrance["spec"]["podSelector"] == {"matchLabels": {"app": "longhorn-manager"}}
    assert entrance["spec"]["ingress"][0]["ports"] == [{"port": 9500, "protocol": "TCP"}]


def test_the_sidecar_says_why_not_beside_a_daemon_set() -> None:
    path = KUBERNETES / "examples" / "sidecar.yaml"
    assert "never beside a DaemonSet" in path.read_text()
    assert not [document for document in documents(path) if document["kind"] == "DaemonSet"]
