import pytest

from reflectgen.tasks.program import put_behind

GIVEN = "import math\n"


@pytest.mark.parametrize(
    ("code", "program"),
    [
        ("x = 1", "import math\nx = 1"),
        ("    return 1", "import math\n    return 1"),
        ("", "import math\n"),
        ("from __future__ import annotations\nx = 1", "from __future__ import annotations\nimport math\n\nx = 1"),
        ("from __future__ import annotations", "from __future__ import annotations\nimport math\n"),
        (
            '# note\n"""Text."""\n\n'
            "from __future__ import (annotations,\n  division)  # two\nfrom  __future__ import generators\ny",
            "from __future__ import (annotations,\n  division)  # two\nfrom  __future__ import generators\n"
            'import math\n# note\n"""Text."""\n\n\n\ny',
        ),
        ("x = 1\nfrom __future__ import annotations", "import math\nx = 1\nfrom __future__ import annotations"),
        ("    from __future__ import annotations", "import math\n    from __future__ import annotations"),
        ("from __future__ important", "import math\nfrom __future__ important"),
    ],
)
def test_future_imports_that_lead_come_first(code: str, program: str) -> None:
    assert put_behind(GIVEN, code) == program


@pytest.mark.timeout(5)
@pytest.mark.parametrize("code", ["# " * 100_000, " " * 100_000, '"""' * 9_999])
def test_code_that_leads_nowhere_is_left_soon(code: str) -> None:
    assert put_behind(GIVEN, code) == GIVEN + code
