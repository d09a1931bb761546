"""The site carries what a notebook asks it for: the library's wheel."""

from zipfile import ZipFile

import pytest

from tools.chapters import addresses
from tools.wheel import built_wheel

pytestmark = pytest.mark.alone


def test_the_site_carries_the_wheel_of_the_present_source(site):
    (carried,) = (site / "_static/wheels").iterdir()
    assert carried.name == addresses()["WHEEL"]
    with ZipFile(carried) as one, ZipFile(built_wheel()) as other:
        held, wanted = ({i.filename: i.CRC for i in found.infolist()} for found in (one, other))
    assert held == wanted
