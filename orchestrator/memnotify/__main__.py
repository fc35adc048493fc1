"""`python -m memnotify` is the command `memnotify`."""

from memnotify.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
