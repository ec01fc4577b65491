"""The demo provider and the demo data: for trying the portal out, never for real people."""
