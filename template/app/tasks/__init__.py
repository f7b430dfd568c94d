"""Work that is done outside the server, by Celery."""
