"""Two other services asked at the same time, each on its own deadline."""

import asyncio
from typing import Any

import httpx2
import structlog

from app.schemas.offers import Offers

_log = structlog.get_logger()


async def offers_for(
    item_id: int, client: httpx2.AsyncClient, *, price_url: str | None, stock_url: str | None
) -> Offers:
    """The offers for an item, as far as the services answer within the client's timeout."""
    answers = await asyncio.gather(
        _ask(client, price_url, item_id), _ask(client, stock_url, item_id), return_exceptions=True
    )
    price, stock = (None if isinstance(answer, BaseException) else answer for answer in answers)
    missing = [name for name, answer in (("price", price), ("stock", stock)) if answer is None]
    return Offers(item_id=item_id, price=price, stock=stock, unavailable=missing)


async def _ask(client: httpx2.AsyncClient, url: str | None, item_id: int) -> dict[str, Any] | None:
    if url is None:
        return None
    try:
        response = await client.get(f"{url.rstrip('/')}/{item_id}")
        response.raise_for_status()
        answer = response.json()
    except (httpx2.HTTPError, ValueError) as error:
        _log.warning("a service did not answer", url=url, error=str(error) or type(error).__name__)
        return None
    return answer if isinstance(answer, dict) else None
