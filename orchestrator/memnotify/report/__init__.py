"""Presenting results: tables, HTML, JUnit, KTAP, Markdown, pictures."""
