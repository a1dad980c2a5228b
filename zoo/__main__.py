"""The `zoo` command, also as `python -m zoo`. First of all, it drops the current folder from the import path."""

from zoo.system.surroundings import forget_current_folder


def main() -> None:
    """Runs a command; see `zoo.cli.main.main`."""
    forget_current_folder()
    from zoo.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
