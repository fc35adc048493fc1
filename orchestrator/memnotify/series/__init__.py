"""Patch series: quilt files, strict application, revisions."""
