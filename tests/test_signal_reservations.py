"""Everything that can be called a pending reservation. (facts 1.5)"""

import pytest

from nexconsole.errors import MissingSchema
from nexconsole.settings import Settings
from nexconsole.signals import reservations


@pytest.mark.parametrize("timestamptz", [False, True])
async def test_stuck_means_expired_orders_and_old_reserved_activations(database, sources_on, timestamptz):
    await database.create(timestamptz=timestamptz)
    await database.order("young", 60)
    await database.order("expired", 900)
    await database.order("completed", 900, "COMPLETED")
    await database.activation("young", 30, "RESERVED")
    await database.activation("stuck", 400, "RESERVED")
    await database.activation("active", 400, "ACTIVE", paid=True)
    value = await reservations.read(sources_on(database.url), Settings(), None)
    assert (value.pending, value.stuck) == (4, 2)
    assert value.oldest_s == pytest.approx(900, abs=5)
    assert value.by_table["activations"].oldest_s == pytest.approx(400, abs=5)
    assert value.by_table["offer_reservations"] == reservations.Pile(pending=0, stuck=0, oldest_s=None)


async def test_a_table_that_is_not_there_is_said_and_the_others_still_count(database, sources_on):
    await database.order("one", 10)
    await database.execute("DROP TABLE offer_reservations; ALTER TABLE activations RENAME TO gone")
    value = await reservations.read(sources_on(database.url), Settings(), None)
    assert (value.pending, list(value.by_table)) == (1, ["purchase_orders"])
    assert any("activations" in note for note in value.notes)


async def test_without_any_table_it_is_an_error_and_not_zero(database, sources_on):
    await database.execute("DROP TABLE purchase_orders, activations, offer_reservations CASCADE")
    with pytest.raises(MissingSchema):
        await reservations.read(sources_on(database.url), Settings(), None)
