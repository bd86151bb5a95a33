"""Which container stands for a pod: the settings', the annotation's, the first."""

from __future__ import annotations

import msgspec
import pytest

from nexconsole.errors import SourceError
from nexconsole.settings import KubernetesSettings
from nexconsole.sources.containers import DEFAULT_CONTAINER, log_container
from nexconsole.sources.resources import PodResource


def pod(*containers: str, noted: str | None = None, init: tuple[str, ...] = ()) -> PodResource:
    annotations = {} if noted is None else {DEFAULT_CONTAINER: noted}
    spec = {"containers": [{"name": name} for name in containers], "initContainers": [{"name": name} for name in init]}
    return msgspec.convert({"metadata": {"name": "p", "annotations": annotations}, "spec": spec}, PodResource)


def test_the_settings_win_over_the_annotation_and_the_annotation_over_the_order() -> None:
    sidecar_first = pod("istio-proxy", "app", noted="app")
    assert log_container(sidecar_first, KubernetesSettings()).name == "app"
    assert "annotation" in log_container(sidecar_first, KubernetesSettings()).why
    assert log_container(sidecar_first, KubernetesSettings(container="istio-proxy")).name == "istio-proxy"
    assert log_container(pod("istio-proxy", "app"), KubernetesSettings()).name == "istio-proxy"
    assert log_container(pod("istio-proxy", "app"), KubernetesSettings()).why == "the first of 2"


def test_an_annotation_that_names_no_container_of_the_pod_is_said_and_passed_over() -> None:
    chosen = log_container(pod("a", "b", noted="c"), KubernetesSettings())
    assert (chosen.name, "names none of them" in chosen.why) == ("a", True)


def test_a_misspelt_container_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(
        SourceError, match=r"pod p has no container ap: it has app, istio-proxy; set kubernetes.container"
    ):
        log_container(pod("app", "istio-proxy"), KubernetesSettings(container="ap"))


def test_a_native_sidecar_may_be_named() -> None:
    assert log_container(pod("app", init=("proxy",)), KubernetesSettings(container="proxy")).name == "proxy"


def test_a_pod_that_has_one_container_needs_no_choice() -> None:
    assert log_container(pod("app"), KubernetesSettings()).name == "app"
    assert log_container(pod(), KubernetesSettings()).name == ""
