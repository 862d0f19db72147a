"""The ``imgray`` command. Each command in a module of its own; errors end it with one line and a status."""

from __future__ import annotations

import sys

import click

from imgray.cli.dead import dead
from imgray.cli.doctor import doctor
from imgray.cli.info import operations, samples
from imgray.cli.jobs import cancel, commands, output, start
from imgray.cli.keys import keys
from imgray.cli.run import run
from imgray.cli.serve import serve, status, stop
from imgray.cli.show import show
from imgray.cli.workers import scale, workers
from imgray.errors import ImgrayError
from imgray.version import __version__

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


_HELP = """Process images as durable tasks on Ray.

\b
imgray run PICTURES --op swap:rg --out RESULTS    a folder, here and now
imgray serve                                      a service over HTTP
"""  # after \b click keeps lines as they are


@click.group(help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="imgray")
def cli() -> None:
    """Gather the commands."""


_COMMANDS: tuple[click.Command, ...] = (
    *(run, operations, samples),
    *(serve, status, stop, workers, scale),
    *(commands, start, output, show, cancel, dead),
    *(doctor, keys),
)
for command in _COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the command line."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ImgrayError as error:
        click.echo(f"imgray: {error.code}: {error}", err=True)
        sys.exit(EXIT_USAGE)
    except OSError as error:  # a disk that is full, a folder that may not be written
        click.echo(f"imgray: {error}", err=True)
        sys.exit(EXIT_USAGE)
