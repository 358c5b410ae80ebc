"""The command line: one thin layer over the packages below.

Heavy modules are imported inside the commands, so that ``wayfold --help`` stays quick. Exit codes: 0 ok, 1 a check or run
failed, 2 the command or configuration is wrong, 3 the data is missing or broken.
"""

import sys

import click
import typer

from data.errors import DataError, SpecError, WayfoldError
from service.commands import backtest as backtest_commands
from service.commands import config as config_commands
from service.commands import data as data_commands
from service.commands import doctor as doctor_commands
from service.commands import models as model_commands
from service.commands import reproduce as reproduce_commands
from service.commands import runs as run_commands

app = typer.Typer(
    help="Forecast time series, walk forward, trade on paper, and say honestly how much of it is skill.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(backtest_commands.demo)
app.command("backtest")(backtest_commands.backtest)
app.command("report")(run_commands.report)
app.command("reproduce")(reproduce_commands.reproduce)
app.command("doctor")(doctor_commands.doctor)
app.add_typer(run_commands.app, name="runs")
app.add_typer(model_commands.app, name="models")
app.add_typer(data_commands.app, name="data")
app.add_typer(config_commands.app, name="config")


def exit_code(error: WayfoldError) -> int:
    """Return the exit code of an error: 2 usage, 3 data, 1 anything else."""
    if isinstance(error, SpecError):
        return 2
    return 3 if isinstance(error, DataError) else 1


def main() -> None:
    """Run the command line; a known error becomes one line on standard error and an exit code."""
    try:
        app(standalone_mode=False)
    except WayfoldError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(exit_code(error))
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        sys.stderr.write(f"error: {error.format_message()}\n")
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("interrupted; finished folds are kept, the same command goes on from there\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
