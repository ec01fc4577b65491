"""Tests of lvportal/migrations."""
