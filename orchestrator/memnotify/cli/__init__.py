"""The commands of `memnotify`: arguments, messages, exit codes."""
