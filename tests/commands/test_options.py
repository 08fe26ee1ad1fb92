import pytest

from reflectgen.commands.options import parse_size
from reflectgen.errors import OptionError


@pytest.mark.parametrize(
    ("text", "size"),
    [(None, None), ("4096", 4096), ("512M", 536_870_912), ("1.5 GB", 1_610_612_736), ("2kib", 2048), ("1g", 1_073_741_824)],
)
def test_sizes(text: str | None, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "many", "-1M", "4T", "0", "0.0G"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(OptionError, match="write it like 512M or 4G"):
        parse_size(text)
