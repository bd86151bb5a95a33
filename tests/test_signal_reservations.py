"""Everything that can be called a pending reservation. (nexnum.md#purchase-rows, #stuck-rows)"""

import pytest

from nexconsole.errors import MissingSchema
from nexconsole.settings import OutboxRules, Settings
from nexconsole.signals import reservations


@pytest.mark.parametrize("timestamptz", [False, True])
async def test_stuck_means_expired_orders_and_old_reserved_activations(database, sources_on, timestamptz):
    await database.create(timestamptz=timestamptz)
    await database.order("young", 60)
    await database.order("expired", 900)
    await database.order("completed", 900, "COMPLETED")
    await database.activation("a young", 60, "RESERVED", key="activation_young")
    await database.activation("stuck", 400, "RESERVED")
    await database.activation("active", 400, "ACTIVE", paid=True)
    value = await reservations.read(sources_on(database.url), Settings(), None)
    assert (value.pending, value.stuck) == (3, 2)
    assert value.oldest_s == pytest.approx(900, abs=5)
    assert value.by_table["activations"].oldest_s == pytest.approx(400, abs=5)
    assert value.by_table["offer_reservations"] == reservations.Pile(pending=0, stuck=0, oldest_s=None)


@pytest.mark.parametrize("prefix", ["activation_", "", "another link "])
async def test_a_purchase_is_one_though_it_is_an_order_and_an_activation(database, sources_on, prefix):
    for n in range(24):
        await database.order(f"o{n}", 10)
        await database.activation(f"a{n}", 10, "RESERVED", key=f"{prefix}o{n}")
    for n in range(2):
        await database.order(f"old {n}", 400)
        await database.activation(f"old {n}", 400, "RESERVED", key=f"{prefix}old {n}")
    await database.execute(  # one transaction writes both
        "UPDATE activations a SET created_at = o.created_at FROM purchase_orders o WHERE replace(a.id, 'a', 'o') = o.id"
    )
    value = await reservations.read(sources_on(database.url), Settings(), None)
    assert (value.pending, value.stuck) == (26, 2)
    assert {name: pile.pending for name, pile in value.by_table.items() if pile.pending} == {
        "purchase_orders": 26,
        "activations": 26,
    }


async def test_a_purchase_of_which_one_row_is_left_counts_as_one(database, sources_on):
    await database.order("both", 10)
    await database.activation("both", 10, "RESERVED", key="activation_both")
    await database.order("orphan", 400)
    await database.activation("alone", 900, "RESERVED", key="activation_gone")
    value = await reservations.read(sources_on(database.url), Settings(), None)
    assert (value.pending, value.stuck) == (3, 2)


async def test_a_purchase_is_stuck_where_either_of_its_rows_is(database, sources_on):
    await database.order("early", 301)
    await database.activation("early", 299, "RESERVED", key="activation_early")
    value = await reservations.read(sources_on(database.url), Settings(), None)
    assert (value.pending, value.stuck) == (1, 1)


async def test_beyond_the_bound_the_larger_table_counts(database, sources_on):
    for n in range(4):
        await database.order(f"o{n}", 10)
    await database.activation("a", 10, "RESERVED")
    bounded = Settings(outbox=OutboxRules(count_limit=3))
    value = await reservations.read(sources_on(database.url), bounded, None)
    assert (value.pending, value.capped) == (4, True)


async def test_without_keys_it_says_that_a_purchase_may_be_counted_twice(database, sources_on):
    await database.order("one", 10)
    await database.activation("one", 10, "RESERVED")
    await database.execute("ALTER TABLE activations DROP COLUMN idempotency_key")
    value = await reservations.read(sources_on(database.url), Settings(), None)
    assert value.pending == 2
    assert any("counted twice" in note for note in value.notes)


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
