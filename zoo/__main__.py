"""The `zoo` command, also as `python -m zoo`. First of all, it drops the current folder from the import path."""

from zoo.system.surroundings import forget_current_folder

COLLECT_AFTER = 50_000
"""The number of new objects after which the garbage collector looks for cycles; Python's 700 suits a process whose
objects go as they come. `zoo run` of a picture makes fewer."""


def main() -> None:
    """Runs a command; see `zoo.cli.main.main`."""
    forget_current_folder()
    _collect_less()
    from zoo.cli.main import main as run

    run()


def _collect_less() -> None:
    """Has the garbage collector look less often, and not once more at the end, through what imports make.

    Nearly all of that stays to the end; the memory goes back to the system with the process.
    """
    import atexit
    import gc

    gc.set_threshold(COLLECT_AFTER)
    atexit.register(gc.freeze)


if __name__ == "__main__":
    main()
