"""Categories on the wire."""

from pydantic import BaseModel


class CategoryRead(BaseModel):
    """A category."""

    id: int
    name: str
