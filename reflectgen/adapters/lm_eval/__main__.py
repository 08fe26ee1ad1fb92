"""`python -m reflectgen.adapters.lm_eval`: the harness's own command line, which knows the model `reflectgen`, too."""

from lm_eval.__main__ import cli_evaluate

import reflectgen.adapters.lm_eval.model  # noqa: F401 - registers it

cli_evaluate()
