"""`python -m orchestrator` is `orchestrator`."""

from .cli.commands import main

if __name__ == "__main__":
    main()
