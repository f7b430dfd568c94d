"""The routes."""

from app.routers import (
    categories,  # example
    dashboard,  # example
    health,
    items,  # example
    reports,  # example
)

ROUTERS = (
    items.router,  # example
    dashboard.router,  # example
    categories.router,  # example
    reports.router,  # example
    health.router,
)
