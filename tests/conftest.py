"""What every test shares: tests that need an extra which is not installed are skipped, saying how to get it.

Properties are tried on the same examples in every run; `pytest --hypothesis-profile=search` looks for new ones.
"""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from posology.patient_models.icu_sepsis import MissingPackageError

settings.register_profile("repeatable", derandomize=True)
settings.register_profile("search", print_blob=True)
settings.load_profile("repeatable")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    try:
        return (yield)
    except MissingPackageError as error:
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    try:
        return (yield)
    except MissingPackageError as error:
        pytest.skip(str(error))
