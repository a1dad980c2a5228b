"""A group of commands: it suggests the closest one to a name that none has, and says options as the shell does."""

from __future__ import annotations

from typing import Any

import click

from zoo.errors import ZooError, closest


class Group(click.Group):
    """A group of commands; older versions of click suggest options only.

    The root's `ctx.obj` is the list of words that were typed.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command that was chosen; what it refuses is said in the words of the shell."""
        try:
            return super().invoke(ctx)
        except ZooError as error:
            from zoo.cli.wording import in_shell  # only where there is an error to tell

            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            if command is not None:
                error.args = (in_shell(str(error), command, ctx.find_root().obj or ()),)
            raise

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
