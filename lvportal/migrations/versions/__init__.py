"""Revisions, oldest first by their ``down_revision``. None imports a model: models move on."""
