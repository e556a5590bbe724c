"""The chart, rendered by Helm and validated against the schemas of Kubernetes."""

import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from rendering import RefusedError, lint, render

Document = dict[str, Any]

HERE = Path(__file__).parent
CHART = HERE.parent / "datainf"
VALUES = sorted((HERE / "values").glob("*.yaml"))
KUBERNETES = "1.37"
SERVE = HERE.parents[2] / "server/sidecar/src/main/java/io/datainf/sidecar/server/ServeCommand.java"

# What of the Prometheus operator's PodMonitor the chart uses; it is no kind of Kubernetes itself.
SECRET_KEY = {
    "type": "object",
    "required": ["name", "key"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "key": {"type": "string", "minLength": 1},
    },
}
POD_MONITOR: Document = {
    "type": "object",
    "required": ["selector", "podMetricsEndpoints"],
    "additionalProperties": False,
    "properties": {
        "selector": {"type": "object", "required": ["matchLabels"]},
        "podMetricsEndpoints": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "port": {"type": "string"},
                    "path": {"type": "string"},
                    "scheme": {"enum": ["http", "https"]},
                    "interval": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"},
                    "authorization": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"type": {"const": "Bearer"}, "credentials": SECRET_KEY},
                    },
                    "tlsConfig": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "ca": {
                                "type": "object",
                                "additionalProperties": False,
                                "properties": {"secret": SECRET_KEY},
                            },
                            "serverName": {"type": "string", "minLength": 1},
                        },
                    },
                },
            },
        },
    },
}


def values(name: str) -> Document:
    """Returns the values in a file of `values/`."""
    read: Document = yaml.safe_load((HERE / "values" / f"{name}.yaml").read_text())
    return read


def rendered(name: str) -> dict[str, Document]:
    """Returns what the chart renders with the values of a file, by kind."""
    return by_kind(render(CHART, values(name)))


def by_kind(documents: list[Document]) -> dict[str, Document]:
    """Returns the documents by kind, of which each occurs once."""
    kinds = {document["kind"]: document for document in documents}
    assert len(kinds) == len(documents)
    return kinds


def pod_of(documents: dict[str, Document]) -> Document:
    """Returns the trainer's pod."""
    spec: Document = documents["Job"]["spec"]["template"]["spec"]
    return spec


def environment(container: Document) -> dict[str, str]:
    """Returns a container's environment."""
    return {entry["name"]: entry["value"] for entry in container["env"]}


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
def test_chart_renders_only_what_kubernetes_knows(path: Path) -> None:
    for document in rendered(path.stem).values():
        if document["kind"] == "PodMonitor":
            assert document["apiVersion"] == "monitoring.coreos.com/v1"
            jsonschema.validate(document["spec"], POD_MONITOR)
        else:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_validation_finds_what_kubernetes_does_not_know() -> None:
    documents = rendered("minimal")
    pod_of(documents)["initContainers"][0]["restartPolice"] = "Always"

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(documents["Job"], KUBERNETES, strict=True)


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
def test_lint_finds_nothing(path: Path) -> None:
    assert lint(CHART, values(path.stem)) == []


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
def test_sidecar_is_native_without_rights_and_probed_by_grpc(path: Path) -> None:
    pod = pod_of(rendered(path.stem))
    (sidecar,) = pod["initContainers"]

    assert sidecar["restartPolicy"] == "Always"
    security = sidecar["securityContext"]
    assert security["runAsNonRoot"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    port = int(environment(sidecar)["DATAINF_HEALTH"].rsplit(":", 1)[1])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert sidecar[probe]["grpc"] == {"port": port}
    assert pod["terminationGracePeriodSeconds"] > int(environment(sidecar)["DATAINF_DRAIN_TIMEOUT"])


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
def test_options_are_those_of_the_server(path: Path) -> None:
    known = {
        "DATAINF_" + name.replace("-", "_").upper()
        for name in re.findall(r'"--([a-z-]+)"', SERVE.read_text())
    }
    (sidecar,) = pod_of(rendered(path.stem))["initContainers"]

    assert set(environment(sidecar)) <= known
    assert "DATAINF_INSECURE" not in environment(sidecar)


def test_trainer_shares_socket_and_memory_with_the_sidecar() -> None:
    pod = pod_of(rendered("minimal"))
    (sidecar,) = pod["initContainers"]
    (trainer,) = pod["containers"]

    for path in ("/run/datainf", "/dev/shm"):  # noqa: S108
        mounts = [
            mount["name"]
            for container in (sidecar, trainer)
            for mount in container["volumeMounts"]
            if mount["mountPath"] == path
        ]
        assert len(mounts) == 2
        assert len(set(mounts)) == 1
    assert environment(trainer)["DATAINF_TARGET"] == (
        "unix:" + environment(sidecar)["DATAINF_UNIX_SOCKET"]
    )
    names = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in sidecar["volumeMounts"]} <= names


def test_minimal_listens_to_nobody_beyond_the_pod_but_for_health() -> None:
    documents = rendered("minimal")
    (sidecar,) = pod_of(documents)["initContainers"]

    assert [port["name"] for port in sidecar["ports"]] == ["health"]
    assert not {"DATAINF_LISTEN", "DATAINF_HTTP"} & set(environment(sidecar))
    (rule,) = documents["NetworkPolicy"]["spec"]["ingress"]
    assert rule == {"ports": [{"port": 50052, "protocol": "TCP"}]}
    assert "PersistentVolumeClaim" in documents
    assert "PodDisruptionBudget" in documents


def test_everything_reaches_its_place() -> None:
    documents = rendered("everything")
    pod = pod_of(documents)
    (sidecar,) = pod["initContainers"]

    assert sidecar["image"].startswith("registry.example/datainf-server@sha256:0123")
    assert sidecar["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert environment(sidecar)["DATAINF_ENGINE"] == "cublas"
    assert environment(sidecar)["DATAINF_TOKENS"] == "/etc/datainf/tokens/tokens.yaml"
    secrets = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
    assert secrets == ["datainf-tls", "datainf-tokens"]
    assert pod["nodeSelector"] == {"gpu": "a100"}
    assert pod["terminationGracePeriodSeconds"] == 80
    assert documents["PersistentVolumeClaim"]["spec"]["storageClassName"] == "fast"
    ports = [rule["ports"] for rule in documents["NetworkPolicy"]["spec"]["ingress"]]
    assert [[port["port"] for port in rule] for rule in ports] == [[50052], [50051, 9464], [29500]]
    labels = documents["Job"]["spec"]["template"]["metadata"]["labels"]
    for kind, selector in (
        ("NetworkPolicy", "podSelector"),
        ("PodMonitor", "selector"),
        ("PodDisruptionBudget", "selector"),
    ):
        wanted = documents[kind]["spec"][selector]["matchLabels"]
        assert wanted.items() <= labels.items()


def test_throwaway_is_a_job_alone() -> None:
    documents = rendered("throwaway")

    assert set(documents) == {"Job"}
    data = next(v for v in pod_of(documents)["volumes"] if v["name"] == "datainf-data")
    assert data == {"name": "datainf-data", "emptyDir": {}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sidecar": {}}, "sidecar"),
        ({"remote": {"enabled": True}}, "tlsSecretName"),
        ({"podMonitor": {"enabled": True}}, "podMonitor"),
        ({"options": {"insecure": "true"}}, "insecure"),
        ({"options": {"memory_budget": "1GiB"}}, "memory_budget"),
        ({"options": {"drain-timeout": "long"}}, "drain-timeout"),
        ({"gpu": {"count": -1}}, "count"),
        ({"persistence": {"size": "much"}}, "size"),
        ({"image": {"digest": "md5:0"}}, "digest"),
        ({"trainer": {"image": ""}}, "trainer.image is missing"),
    ],
)
def test_wrong_values_are_refused_by_name(change: Document, message: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(message)):
        render(CHART, {**values("minimal"), **change})


def test_named_templates_serve_a_chart_of_ones_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "templates").mkdir(parents=True)
    shutil.copytree(CHART, mine / "charts/datainf")
    (mine / "Chart.yaml").write_text("apiVersion: v2\nname: mine\nversion: 1.0.0\n")
    # The usage in the comment of _sidecar.tpl, put into a pod.
    comment = (CHART / "templates/_sidecar.tpl").read_text().split("*/}}", maxsplit=1)[0]
    usage = "".join(
        f"{line[4:]}\n" for line in comment.splitlines() if line.startswith("    ")
    ).replace("- env:", "- name: trainer\n      image: mine\n      env:")
    (mine / "templates/pod.yaml").write_text(
        f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: mine\n{usage}"
    )

    documents = by_kind(render(mine, {"datainf": {"trainer": {"enabled": False}}}))

    kubernetes_validate.validate(documents["Pod"], KUBERNETES, strict=True)
    (sidecar,) = documents["Pod"]["spec"]["initContainers"]
    assert sidecar["name"] == "datainf"
    assert "Job" not in documents
