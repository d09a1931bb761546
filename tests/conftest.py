"""One thread a worker: the tests share the machine. What they take is counted, and what is proven
is left out."""

import torch

from tests.support.budget import Budget
from tests.support.proofs import Proofs

torch.set_num_threads(1)


def pytest_configure(config):
    config.pluginmanager.register(Budget(), "budget")
    config.pluginmanager.register(Proofs(), "proofs")
