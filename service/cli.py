"""The command line: one thin layer over the packages below.

Heavy modules are imported inside the commands, so that ``wayfold --help`` stays quick. Exit codes: 0 ok, 1 a check or run
failed, 2 the command or configuration is wrong, 3 the data is missing or broken, 130 interrupted.
"""

import sys
from collections.abc import Sequence

import typer

from data.errors import DataError, SpecError, WayfoldError
from service.commands import amm as amm_commands
from service.commands import audit as audit_commands
from service.commands import backtest as backtest_commands
from service.commands import compare_models as compare_models_commands
from service.commands import config as config_commands
from service.commands import data as data_commands
from service.commands import doctor as doctor_commands
from service.commands import metrics as metric_commands
from service.commands import models as model_commands
from service.commands import reproduce as reproduce_commands
from service.commands import runs as run_commands
from service.commands import select as select_commands
from service.commands import sweep as sweep_commands
from service.output import close_output

app = typer.Typer(
    help="Forecast time series, walk forward, trade on paper, and say honestly how much of it is skill.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(backtest_commands.demo)
app.command("backtest")(backtest_commands.backtest)
app.command("sweep")(sweep_commands.sweep)
app.command("select")(select_commands.select)
app.command("compare-models")(compare_models_commands.compare_models)
app.command("audit")(audit_commands.audit)
app.command("report")(run_commands.report)
app.command("reproduce")(reproduce_commands.reproduce)
app.command("doctor")(doctor_commands.doctor)
run_commands.app.command("metrics")(metric_commands.metrics)
app.add_typer(run_commands.app, name="runs")
app.add_typer(model_commands.app, name="models")
app.add_typer(data_commands.app, name="data")
app.add_typer(amm_commands.app, name="amm")
app.add_typer(config_commands.app, name="config")

# typer carries its own copy of click in some versions and imports it in others; its public name leads to either.
WrongCommand: type[Exception] = typer.BadParameter.__mro__[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; a known error is one line on standard error.

    Args:
        arguments: words after ``wayfold``; None takes those of the process.
    """
    try:
        return int(app(arguments, prog_name="wayfold", standalone_mode=False) or 0)
    except WayfoldError as error:
        return _fail(str(error), exit_code(error))
    except WrongCommand as error:
        return _wrong_command(error)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except BrokenPipeError:
        close_output()
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}", 1)


def exit_code(error: WayfoldError) -> int:
    """Return the exit code of an error: 2 usage, 3 data, 1 anything else."""
    if isinstance(error, SpecError):
        return 2
    return 3 if isinstance(error, DataError) else 1


def _wrong_command(error: Exception) -> int:
    """Explain a wrong command line; a bare group name has shown its help already and needs no word more."""
    text = str(error.format_message()) if hasattr(error, "format_message") else str(error)
    return _fail(text, 2) if text.strip() else 2


def _fail(text: str, code: int) -> int:
    """Write an error as exactly one line and return its code."""
    sys.stderr.write(f"error: {' '.join(text.split())}\n")
    return code
