"""`evit-mobile sensitivity`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from evit_mobile.cli.flags import input_fields
from evit_mobile.cli.model_options import ModelAndImages
from evit_mobile.cli.options import JsonOption, given, takes
from evit_mobile.cli.show import progress, show


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityOptions(ModelAndImages):
    """The model and its images, as `convert` takes them. None is what was not said."""

    plot: Annotated[Path | None, typer.Option("--plot", help="Also draw the ranking: .svg, .png or .pdf.")] = None
    json: JsonOption = False


@takes(SensitivityOptions)
def sensitivity(options: SensitivityOptions) -> None:
    """Rank modules by the harm of quantizing each to int8."""
    from evit_mobile.commands import sensitivity as ranking
    from evit_mobile.report.sensitivity_table import sensitivity_entry, sensitivity_table

    if options.plot is not None:
        ranking.check_plot(options.plot)
    request = {name: value for name, value in given(options).items() if name not in ("plot", "json", "squash")}
    with progress() as report:
        result = ranking.sensitivity(**request | input_fields(options), report=report)
    if options.plot is not None:
        ranking.plot(result, options.plot)
    show(sensitivity_entry(result), options.json, sensitivity_table)
