"""What the tutorials teach: synchronous endpoints and sessions, and relationships that load one row at a time."""

from collections.abc import Generator
from datetime import datetime
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import create_engine, make_url, select
from sqlalchemy.orm import Session, lazyload, sessionmaker

from app.config import load_settings
from app.models import Item

engine = create_engine(make_url(load_settings().database_url).set(drivername="postgresql+psycopg"))
SessionLocal = sessionmaker(engine, autoflush=False)
app = FastAPI()


class CategoryOut(BaseModel):
    """A category."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str


class ItemOut(BaseModel):
    """An item with its category."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    description: str
    price_cents: int
    popularity: int
    version: int
    created_at: datetime
    updated_at: datetime
    category: CategoryOut


def get_db() -> Generator[Session]:
    """A session for one request."""
    db = SessionLocal()
    try:
        yield db
    finally:
        db.close()


@app.get("/items", response_model=list[ItemOut])
def list_items(db: Annotated[Session, Depends(get_db)], skip: int = 0, limit: int = 20) -> list[Item]:
    """Items, newest first; each category is read when the response asks for it."""
    statement = select(Item).options(lazyload(Item.category)).order_by(Item.id.desc()).offset(skip).limit(limit)
    return list(db.scalars(statement))
