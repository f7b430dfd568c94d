"""The routes."""

from app.routers import (
    categories,  # example
    dashboard,  # example
    health,
    items,  # example
    reports,  # example
    summaries,  # example
)

ROUTERS = (
    health.router,
    # Your own:
    items.router,  # example
    dashboard.router,  # example
    categories.router,  # example
    reports.router,  # example
    summaries.router,  # example
)
