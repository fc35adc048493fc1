"""Restore patches that apply from archived mails; range-diff."""
