"""The LV Portal: the front door of a contact-centre platform."""

__version__ = "0.1.0"
