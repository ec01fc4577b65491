"""Journeys in a real browser, against real providers: what a person does, on pages as they are served."""
