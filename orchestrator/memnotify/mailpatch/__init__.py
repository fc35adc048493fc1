"""Archived mails restored to patches that apply; range-diff."""
