"""One thread a worker: the tests share the machine. What they cost is counted."""

import torch

from tests.budget import Budget

torch.set_num_threads(1)


def pytest_configure(config):
    config.pluginmanager.register(Budget(), "budget")
