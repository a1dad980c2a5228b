"""A group of commands that suggests the closest one to a name that none has."""

from __future__ import annotations

import click

from zoo.errors import closest


class Group(click.Group):
    """A group of commands; older versions of click suggest options only."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Looks a command up by the first of the words.

        Raises:
            UsageError: there is none of that name; the message suggests the closest one.
        """
        name = args[0]
        known = self.list_commands(ctx)
        if name in known or name.startswith("-"):
            return super().resolve_command(ctx, args)
        hint = closest(name, known, least=0.6).strip()
        raise click.UsageError(f"No such command {name!r}{hint and f'; {hint}'}", ctx)
