"""Our money at each provider, beside the limit that NexNum has for it. (nexnum.md#provider-rows, #refused)"""

import pytest

from nexconsole.errors import MissingSchema
from nexconsole.settings import BalanceRules, Settings
from nexconsole.signals import balances


async def provider(database, name: str, balance: float, synced_s: float | None = 600, active: bool = True, alert=10):
    now = "now()" if await database._zoned("providers") else "now() AT TIME ZONE 'UTC'"
    await database.execute(
        "INSERT INTO providers (id, name, display_name, is_active, balance, low_balance_alert, last_balance_sync,"
        f" updated_at) VALUES ($1, $1, $1, $2, $3, $4, {now} - make_interval(secs => $5), {now})",
        *(name, active, balance, alert, synced_s),
    )


async def read(database, sources_on, **rules):
    return await balances.read(sources_on(database.url), Settings(balances=BalanceRules(**rules)), None)


@pytest.mark.parametrize(("era", "timestamptz"), [("old", False), ("head", False), ("head", True)])
async def test_each_balance_has_its_state_and_its_age_in_every_era(database, sources_on, era, timestamptz):
    await database.create(era=era, timestamptz=timestamptz)
    for row in (("rich", 512.5), ("low", 9.99), ("limit", 10), ("empty", 0.04), ("owing", -3), ("never", 0, None)):
        await provider(database, *row)
    await provider(database, "off", 0, active=False)
    value = await read(database, sources_on)
    assert [(one.name, one.state) for one in value.balances] == [
        ("owing", "empty"),
        ("empty", "empty"),
        ("low", "low"),
        ("never", "unknown"),
        ("limit", "enough"),
        ("rich", "enough"),
        ("off", "empty"),
    ]
    assert value.balances[0].age_s == pytest.approx(600, abs=5) and not value.balances[0].old
    assert (value.balances[3].age_s, value.balances[3].old) == (None, False)
    assert [one.name for one in value.of("empty", "low")] == ["owing", "empty", "low"]
    assert value.of("empty", "low") is value.of("empty", "low")  # gone through once, however many lines ask


@pytest.mark.parametrize(("age", "old"), [(3500, False), (3700, True)])
async def test_a_balance_that_was_asked_for_long_ago_is_said_to_be_old(database, sources_on, age, old):
    await provider(database, "smsbower", 3, age)
    value = await read(database, sources_on, old_s=3600)
    assert value.balances[0].old is old


async def test_what_one_purchase_costs_is_a_setting(database, sources_on):
    await provider(database, "smsbower", 0.4)
    assert (await read(database, sources_on, least=0.5)).balances[0].state == "empty"
    assert (await read(database, sources_on, least=0.4)).balances[0].state == "low"


async def test_columns_that_a_version_lacks_are_not_known(database, sources_on):
    await provider(database, "smsbower", 3)
    await database.execute('ALTER TABLE providers RENAME is_active TO "isActive"')
    await database.execute("ALTER TABLE providers DROP COLUMN low_balance_alert, DROP COLUMN last_balance_sync")
    value = await read(database, sources_on)
    assert (value.balances[0].active, value.balances[0].state, value.balances[0].alert) == (True, "unknown", None)
    assert value.notes == ("when the balances were read is not known in this version",)
    await database.execute("ALTER TABLE providers DROP COLUMN balance")
    with pytest.raises(MissingSchema, match="no column balance"):
        await read(database, sources_on)
