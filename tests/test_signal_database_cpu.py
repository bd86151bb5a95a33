"""The database's CPU by the expression that the settings name."""

from types import SimpleNamespace

import pytest

from nexconsole.errors import BadAnswer, NotConfigured
from nexconsole.settings import Expressions, PrometheusSettings, Settings
from nexconsole.signals import database_cpu
from nexconsole.sources.prometheus_json import QueryResult, Sample

SETTINGS = Settings(prometheus=PrometheusSettings(expressions=Expressions(database_cpu="cpu")))


class FakeMetrics:
    """The far side of Prometheus: one expression's values."""

    address = "prometheus.example"

    def __init__(self, *values: float) -> None:
        self.values = values

    async def query(self, expression: str) -> QueryResult[Sample]:
        assert expression == "cpu"
        answer = QueryResult(Sample(labels={}, value=value) for value in self.values)
        answer.notes = ()
        return answer


async def read(*values: float, settings: Settings = SETTINGS) -> database_cpu.DatabaseCpu:
    return await database_cpu.read(SimpleNamespace(prometheus=FakeMetrics(*values)), settings, None)


@pytest.mark.parametrize(
    ("values", "used"), [((0.0,), 0.0), ((0.3, 0.93), 0.93), ((1.04,), 1.0), ((float("nan"), 0.2), 0.2)]
)
async def test_the_busiest_server_counts(values, used):
    assert (await read(*values)).used == used


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ((), "has no series"),
        ((63.0,), "gives 63: it must be a share"),
        ((-0.1,), "must be a share"),
        ((float("nan"),), "nan"),
    ],
)
async def test_what_is_no_share_is_an_error_and_never_a_figure(values, why):
    with pytest.raises(BadAnswer, match=why):
        await read(*values)


async def test_without_an_expression_it_is_not_configured():
    with pytest.raises(NotConfigured, match="database_cpu"):
        await read(0.5, settings=Settings())
