import sys

import pytest


@pytest.fixture
def fake_torch(monkeypatch):
    """PyTorch is what stands in for it."""
    from tests.recording import fake_torch

    monkeypatch.setitem(sys.modules, "torch", fake_torch.torch)
