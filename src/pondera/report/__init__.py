"""Findings and figures for people and for programs."""
