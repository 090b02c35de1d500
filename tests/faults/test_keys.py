"""Tools that know what they have done already are told by the same key, whatever happens to us in between."""

from __future__ import annotations

from collections import Counter

from tests.faults.site import Site, step
from tests.support.probes import eventually


async def test_a_key_outlives_the_runtime_and_belongs_to_one_item_of_one_run(site: Site) -> None:
    """Asserts: a runtime is killed while it calls for both items of two runs. The next runtime sends the same four keys
    again, and no others, so each was received exactly twice.
    """
    pay = step(
        "pay",
        "wait",
        foreach="${`[1, 2]`}",
        max_parallel=2,
        idempotency={"argument": "name"},
    )
    pay["with"] = {}
    installed = await site.install(pay)
    runs = [await site.queue(installed, key) for key in ("first", "second")]

    async with site.runtime() as runtime:
        await eventually(lambda: len(site.diary) == 4, "four calls are under way", seconds=20)
        runtime.kill()
        assert (await runtime.ended()).status == -9
    before = Counter(site.diary)
    site.open_gate()
    async with site.runtime():
        assert await site.ended(*runs) == ["succeeded", "succeeded"]

    assert len(before) == 4
    assert Counter(site.diary) == dict.fromkeys(before, 2)
    kept = await site.rows("select idempotency_key from ordinaut.step_result where iteration >= 0")
    assert {key for (key,) in kept} == set(before)
