"""Tests of lvportal/cli."""
