"""What the page on ResNet-50 reports: how long a forward pass takes, with modules and without."""

import time
from functools import partial

import torch

from attention_lib.adapt import insert
from attention_lib.catalog import find
from attention_lib.measure import store
from attention_lib.measure.timing import time_together
from attention_lib.networks import ResNet
from tools.experiments.running import is_stored, origin

TIME: dict = dict(
    batches=[1, 8], height=224, width=224, seconds=60.0, least=20, seed=0, clock="process"
)
VARIANTS: dict[str, list[tuple[str, str, dict]]] = {
    "plain": [],
    "SE": [("se", "bn3", {})],
    "CBAM": [("cbam", "bn3", {})],
    "ECA": [
        ("eca", f"layer{stage}.*.bn3", dict(kernel_size=k))
        for stage, k in enumerate((3, 5, 5, 7), start=1)
    ],
}


def forward_passes(fresh: bool) -> None:
    """Four networks, in the same rounds; see `time_together`."""
    names = [str(find(name)) for inserted in VARIANTS.values() for name, *_ in inserted]
    variants = f"{__name__}.VARIANTS"
    made_from = origin("resnet50", ResNet, insert, variants, *names)
    payload = dict(provenance=made_from, settings=TIME)
    if not fresh and is_stored("resnet50-time", payload):
        return
    networks = {}
    for name, insertions in VARIANTS.items():
        torch.manual_seed(TIME["seed"])
        networks[name] = ResNet().eval()
        for mechanism, where, arguments in insertions:
            insert(networks[name], mechanism, where, **arguments)
    runs = []
    for batch in TIME["batches"]:
        pictures = torch.randn(batch, 3, TIME["height"], TIME["width"])
        with torch.inference_mode():
            timings = time_together(
                {name: partial(net, pictures) for name, net in networks.items()},
                seconds=TIME["seconds"],
                least=TIME["least"],
                most=200,
                seed=TIME["seed"],
                clock=time.process_time,  # of this process alone
            )
        for name, timing in timings.items():
            ratio, low, high = timing.ratio_to(timings["plain"])
            runs.append(
                dict(
                    network=name,
                    batch=batch,
                    seconds=timing.median,
                    ratio=ratio,
                    ratio_low=low,
                    ratio_high=high,
                    rounds=list(timing.rounds),
                )
            )
            print(f"batch {batch}, {name}: {timing.median:.3f} s, {ratio:.3f} times plain")
    store.save("resnet50-time", payload | dict(runs=runs))


EXPERIMENTS = (forward_passes,)
