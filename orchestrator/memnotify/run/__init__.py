"""Running a campaign: schedule, ledger, retries, replay, bisect, fleet."""
