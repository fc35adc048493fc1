"""A coverage-guided fuzzer of the readers of mails, pages and diffs."""
