"""The part of kubernetes_asyncio that the console imports. Each test has a process of its own: imports stay."""

import subprocess
import sys

import pytest


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_kubeconfig_can_be_read_without_importing_a_single_model():
    assert (
        run(
            "import sys; from nexconsole.sources import kubernetes_client; kubernetes_client.load()\n"
            "from kubernetes_asyncio import client, config\n"
            "client.Configuration(), client.ApiClient, config.load_kube_config, config.ConfigException\n"
            "print(sum(name.startswith('kubernetes_asyncio.client.models.') for name in sys.modules))"
        )
        == "0"
    )


def test_urllib3_runs_only_for_who_asks_for_it():
    assert run(
        "import sys; from nexconsole.sources import kubernetes_client; kubernetes_client.load()\n"
        "print('urllib3.connectionpool' in sys.modules)\n"
        "from kubernetes_asyncio.client import Configuration\n"
        "print(Configuration(username='a', password='b').get_basic_auth_token())\n"
        "import urllib3; print(urllib3.PoolManager().__class__.__module__, urllib3.__version__[0])"
    ).split("\n") == ["False", "Basic YTpi", "urllib3.poolmanager 2"]


@pytest.mark.parametrize(
    "asked",
    [
        "from kubernetes_asyncio import client; client.V1Pod, client.CoreV1Api",
        "from kubernetes_asyncio.client import models; models.V1Pod",
        "from kubernetes_asyncio import watch, dynamic; watch.Watch",
        "import kubernetes_asyncio; kubernetes_asyncio.__version__, kubernetes_asyncio.utils",
    ],
)
def test_whoever_asks_for_the_rest_of_the_library_gets_it(asked):
    assert (
        run(
            "from nexconsole.sources import kubernetes_client; kubernetes_client.load()\n"
            "from kubernetes_asyncio.client import ApiClient as before\n"
            f"{asked}\n"
            "from kubernetes_asyncio.client import ApiClient as after; print(before is after)"
        )
        == "True"
    )


def test_a_name_that_the_library_does_not_have_is_still_an_attribute_error():
    assert (
        run(
            "from nexconsole.sources import kubernetes_client; kubernetes_client.load()\n"
            "import kubernetes_asyncio as whole; print(hasattr(whole, 'nonsense'), hasattr(whole, '__nonsense__'))"
        )
        == "False False"
    )


def test_a_library_that_is_laid_out_otherwise_is_imported_whole():
    assert (
        run(
            "from nexconsole.sources import kubernetes_client\n"
            "kubernetes_client.CLASSES['Configuration'] = 'elsewhere'; kubernetes_client.load()\n"
            "import sys; print('kubernetes_asyncio.client.models.v1_pod' in sys.modules)"
        )
        == "True"
    )


def test_a_library_that_is_imported_already_stays_as_it_is():
    assert (
        run(
            "import kubernetes_asyncio; from nexconsole.sources import kubernetes_client; kubernetes_client.load()\n"
            "print(hasattr(kubernetes_asyncio.client, 'V1Pod'))"
        )
        == "True"
    )
