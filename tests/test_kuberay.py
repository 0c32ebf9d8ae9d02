"""The Kubernetes manifest in the documentation is valid, private by construction, and fits this version of pate.

The models below hold the fields that the manifest uses, closed to others, with the names, types and required fields
of the custom resources of KubeRay 1.7.0 (ray.io/v1: ray.io_rayclusters.yaml, ray.io_rayjobs.yaml) and of Kubernetes
(core/v1, networking.k8s.io/v1).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / "docs" / "how_to" / "kuberay.yaml"
Quantity = Annotated[str, Field(pattern=r"^\d+(m|Ki|Mi|Gi)?$")]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$")]
Dns = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Metadata(Closed):
    name: Dns
    namespace: Dns


class Resources(Closed):
    requests: dict[str, Quantity]
    limits: dict[str, Quantity]


class Mount(Closed):
    name: Dns
    mountPath: Annotated[str, Field(pattern=r"^/")]
    readOnly: bool = False


class Claim(Closed):
    claimName: Dns
    readOnly: bool = False


class Volume(Closed):
    name: Dns
    persistentVolumeClaim: Claim | None = None
    configMap: dict[str, Dns] | None = None


class Port(Closed):
    name: Dns
    containerPort: int


class Variable(Closed):
    name: str
    value: str


class ContainerSecurity(Closed):
    allowPrivilegeEscalation: Literal[False]
    capabilities: dict[Literal["drop"], list[Literal["ALL"]]]


class Container(Closed):
    name: Dns
    image: str
    securityContext: ContainerSecurity
    env: list[Variable] = []
    ports: list[Port] = []
    resources: Resources
    volumeMounts: list[Mount]


class PodSecurity(Closed):
    runAsNonRoot: Literal[True]
    runAsUser: int
    fsGroup: int
    seccompProfile: dict[Literal["type"], Literal["RuntimeDefault"]]


class PodSpec(Closed):
    automountServiceAccountToken: Literal[False]
    nodeSelector: dict[str, Label] = {}
    securityContext: PodSecurity
    containers: Annotated[list[Container], Field(min_length=1, max_length=1)]
    volumes: list[Volume]


class Template(Closed):
    spec: PodSpec


class Head(Closed):
    serviceType: Literal["ClusterIP"]
    rayStartParams: dict[str, str]
    template: Template


class Workers(Closed):
    groupName: Dns
    replicas: int
    minReplicas: int
    maxReplicas: int
    labels: dict[str, Label]
    rayStartParams: dict[str, str]
    template: Template


class Auth(Closed):
    mode: Literal["token"]
    secretName: Dns


class ClusterSpec(Closed):
    rayVersion: str
    authOptions: Auth
    enableInTreeAutoscaling: bool
    headGroupSpec: Head
    workerGroupSpecs: Annotated[list[Workers], Field(min_length=1)]


class RayCluster(Closed):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayCluster"]
    metadata: Metadata
    spec: ClusterSpec


class JobSpec(Closed):
    clusterSelector: dict[Literal["ray.io/cluster"], Dns]
    submissionMode: Literal["K8sJobMode", "HTTPMode", "InteractiveMode"]
    entrypoint: str
    activeDeadlineSeconds: Annotated[int, Field(gt=0)]


class RayJob(Closed):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: Metadata
    spec: JobSpec


class Selector(Closed):
    matchLabels: dict[str, Label]


class Peer(Closed):
    podSelector: Selector | None = None
    namespaceSelector: Selector | None = None


class PolicyPort(Closed):
    protocol: Literal["TCP", "UDP"]
    port: int


class Ingress(Closed):
    from_: Annotated[list[Peer], Field(alias="from", min_length=1)]
    ports: list[PolicyPort] = []


class Egress(Closed):
    to: Annotated[list[Peer], Field(min_length=1)]
    ports: list[PolicyPort] = []


class PolicySpec(Closed):
    podSelector: Selector
    policyTypes: list[Literal["Ingress", "Egress"]]
    ingress: list[Ingress]
    egress: list[Egress]


class NetworkPolicy(Closed):
    apiVersion: Literal["networking.k8s.io/v1"]
    kind: Literal["NetworkPolicy"]
    metadata: Metadata
    spec: PolicySpec


Document = Annotated[RayCluster | RayJob | NetworkPolicy, Field(discriminator="kind")]


def raw() -> list[Any]:
    return list(yaml.safe_load_all(MANIFEST.read_text()))


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    return {found.kind: found for found in TypeAdapter(list[Document]).validate_python(raw())}


def test_the_manifest_holds_a_cluster_a_policy_and_a_job_that_fit_together(documents: dict[str, Any]) -> None:
    cluster, policy, job = (documents[kind] for kind in ("RayCluster", "NetworkPolicy", "RayJob"))
    name = {"ray.io/cluster": cluster.metadata.name}
    assert job.spec.clusterSelector == policy.spec.podSelector.matchLabels == name
    assert len({found.metadata.namespace for found in documents.values()}) == 1
    assert {*policy.spec.policyTypes} == {"Ingress", "Egress"}


def test_every_hospital_has_its_own_nodes_label_and_claims(documents: dict[str, Any]) -> None:
    groups = documents["RayCluster"].spec.workerGroupSpecs
    claims: list[str] = []
    for group in groups:
        pod = group.template.spec
        assert pod.nodeSelector == {"pate/hospital": group.labels["site"]}
        own = {volume.name: volume.persistentVolumeClaim for volume in pod.volumes}
        mounts = {mount.name: mount for mount in pod.containers[0].volumeMounts}
        assert own["records"].readOnly
        assert mounts["records"].readOnly
        assert not own["teachers"].readOnly
        claims += [claim.claimName for claim in own.values()]
    head = documents["RayCluster"].spec.headGroupSpec
    claims += [v.persistentVolumeClaim.claimName for v in head.template.spec.volumes if v.persistentVolumeClaim]
    assert len(set(claims)) == len(claims), "no claim is mounted twice"
    assert len({group.labels["site"] for group in groups}) == len(groups)
    assert head.rayStartParams["num-cpus"] == "0", "no hospital's task runs beside the driver"


def test_every_container_is_limited_to_what_it_asks_for(documents: dict[str, Any]) -> None:
    cluster = documents["RayCluster"].spec
    for part in (cluster.headGroupSpec, *cluster.workerGroupSpecs):
        resources = part.template.spec.containers[0].resources
        assert {"cpu", "memory"} <= set(resources.limits)
        assert resources.requests == resources.limits


def test_no_public_service_and_no_secret_in_the_file() -> None:
    text = MANIFEST.read_text()
    for word in (
        "LoadBalancer",
        "NodePort",
        "kind: Ingress\n",
        "hostNetwork",
        "hostPort",
        "hostPath",
        "privileged: true",
    ):
        assert word not in text, word
    assert "kind: Secret" not in text
    assert "RAY_AUTH_TOKEN" not in text


def test_ray_is_the_pinned_version(documents: dict[str, Any]) -> None:
    (pinned,) = re.findall(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE)
    assert documents["RayCluster"].spec.rayVersion == pinned


def test_the_job_is_a_command_of_pate(documents: dict[str, Any]) -> None:
    from pipelines.cli.app import run

    words = documents["RayJob"].spec.entrypoint.split()
    assert words[:2] == ["pate", "run"]
    mounts = documents["RayCluster"].spec.headGroupSpec.template.spec.containers[0].volumeMounts
    assert any(words[2].startswith(f"{mount.mountPath}/") for mount in mounts)
    assert run([*words[1:], "--help"]) == 0


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("spec", "authOptions", "mode"), "disabled"),
        (("spec", "headGroupSpec", "serviceType"), "LoadBalancer"),
        (("spec", "workerGroupSpecs", 0, "lables"), {"site": "a"}),
        (("spec", "workerGroupSpecs", 0, "replicas"), "1"),
        (("spec", "workerGroupSpecs", 0, "labels"), {"site": "no such label!"}),
    ],
)
def test_a_wrong_manifest_is_found(place: tuple[str | int, ...], value: object) -> None:
    cluster = raw()[0]
    part = cluster
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(ValidationError):
        RayCluster.model_validate(cluster)
