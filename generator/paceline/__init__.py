"""Renders FastAPI services tuned to the machine and the database they will run on."""
