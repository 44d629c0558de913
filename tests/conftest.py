"""What all tests share."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tensors in tests are small: a second thread costs more than it brings."""
    torch.set_num_threads(1)
