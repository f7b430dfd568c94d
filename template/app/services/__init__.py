"""Queries and rules. Routers call them; only they talk to the database."""
