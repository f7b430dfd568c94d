"""Fill the database with example data: ``python -m load.seed --items 1000``."""

import argparse
import asyncio
import random

from sqlalchemy import func, insert, select

from app.config import load_settings
from app.database import Database, open_database
from app.models import Category, Item

_BATCH = 1_000


async def seed(database: Database, *, categories: int, items: int) -> None:
    """Add categories up to the given number, and as many items as given, spread unevenly over them."""
    async with database.write() as connection:
        existing = await connection.scalar(select(func.count()).select_from(Category)) or 0
        names = [{"name": f"Category {number:03}"} for number in range(existing + 1, categories + 1)]
        if names:
            await connection.execute(insert(Category), names)
        identifiers = list(await connection.scalars(select(Category.id)))
    # The same data each time: figures of two runs can be compared.
    source = random.Random(7)  # noqa: S311
    for start in range(0, items, _BATCH):
        rows = [_item(number, identifiers, source) for number in range(start + 1, min(start + _BATCH, items) + 1)]
        async with database.write() as connection:
            await connection.execute(insert(Item), rows)


def _item(number: int, categories: list[int], source: random.Random) -> dict[str, object]:
    return {
        "name": f"Item {number}",
        "description": f"The description of item {number}. " * source.randint(1, 5),
        "price_cents": source.randint(100, 100_000),
        # Few are popular, most are not.
        "popularity": int(source.paretovariate(1.2)),
        "owner": f"user-{source.randint(1, 100)}",
        "category_id": categories[int(len(categories) * source.random() ** 2)],
    }


async def _main(arguments: argparse.Namespace) -> None:
    database = open_database(load_settings())
    try:
        await seed(database, categories=arguments.categories, items=arguments.items)
    finally:
        await database.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Fill the database with example data.")
    parser.add_argument("--categories", type=int, default=50)
    parser.add_argument("--items", type=int, default=1_000)
    asyncio.run(_main(parser.parse_args()))
