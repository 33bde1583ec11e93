"""What every test shares: tests that need an extra which is not installed are skipped, saying how to get it."""

from collections.abc import Iterator

import pytest
from posology.patient_models.icu_sepsis import MissingPackageError


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
